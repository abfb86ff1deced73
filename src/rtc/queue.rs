//! Decides whether to encode a frame while packets wait to be sent.

use std::time::Duration;

/// The age of a send queue above which no frame is encoded: 60 ms.
pub const MAX_QUEUE_AGE: Duration = Duration::from_millis(60);

/// Whether a frame is worth encoding now. `queue_age` is the time that the oldest unsent packet has waited, `None`
/// when no packet waits; `limit` is usually [`MAX_QUEUE_AGE`].
///
/// A frame that is left out here costs nothing but itself, while an access unit that is thrown away later breaks the
/// access units that follow. The rule holds for a requested IDR too, the largest access unit of all:
/// [`KeyframeGate`](super::KeyframeGate) keeps the request. While the link carries less than the encoder makes, the
/// queue stays within the limit and one access unit, and the frame rate gives way. There is no second, lower age at
/// which encoding resumes, because it would trade evenly spaced frames for bursts of frames.
///
/// ```
/// use std::time::Duration;
/// use direct264::rtc::{MAX_QUEUE_AGE, may_encode};
/// assert!(may_encode(None, MAX_QUEUE_AGE));
/// assert!(may_encode(Some(Duration::from_millis(60)), MAX_QUEUE_AGE));
/// assert!(!may_encode(Some(Duration::from_millis(61)), MAX_QUEUE_AGE));
/// ```
#[must_use]
pub fn may_encode(queue_age: Option<Duration>, limit: Duration) -> bool {
    queue_age.is_none_or(|age| age <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Milliseconds between frames.
    const FRAME: f64 = 1_000.0 / 30.0;

    /// Simulates a link that needs `cost_ms` to carry an access unit, and an encoder at 30 Hz that stops above
    /// `stop_ms` of queue and resumes below `resume_ms`. Returns the longest queue, the longest pause between frames
    /// in frame intervals, and the share of frames that were encoded.
    fn congested(cost_ms: f64, stop_ms: u64, resume_ms: u64) -> (f64, usize, f64) {
        let (mut queue, mut longest, mut pause, mut longest_pause, mut encoded) = (0.0_f64, 0.0_f64, 0, 0, 0);
        let mut is_stopped = false;
        for _ in 0..3_000 {
            let age = (queue > 0.0).then(|| Duration::from_secs_f64(queue / 1e3));
            let limit = Duration::from_millis(if is_stopped { resume_ms } else { stop_ms });
            is_stopped = !may_encode(age, limit);
            pause += 1;
            if !is_stopped {
                (longest_pause, pause) = (longest_pause.max(pause), 0);
                queue += cost_ms;
                encoded += 1;
            }
            longest = longest.max(queue);
            queue = (queue - FRAME).max(0.0);
        }
        (longest, longest_pause, f64::from(encoded) / 3_000.0)
    }

    #[test]
    fn a_lower_age_to_go_on_at_makes_the_pauses_longer_and_carries_no_more() {
        for cost in [40.0, 50.0, 66.0, 80.0] {
            let (_, pause, share) = congested(cost, 60, 60);
            let (_, pause_with, share_with) = congested(cost, 60, 25);
            assert!(pause <= 3 && pause_with >= pause, "{cost}: {pause}, {pause_with}");
            assert!(share >= share_with - 0.01, "{cost}: {share}, {share_with}");
        }
        let [without, with] = [60, 25].map(|resume| congested(50.0, 60, resume).1);
        assert!(with > without, "{with} {without}");
    }

    proptest! {
        #[test]
        fn the_queue_stays_within_the_limit_and_one_access_unit_and_the_link_stays_busy(cost in 1.0_f64..500.0) {
            let (longest, _, share) = congested(cost, 60, 60);
            prop_assert!(longest <= 60.0 + cost + 1e-3, "{longest}");
            // Everything when it fits, else all that the link carries.
            prop_assert!(share >= (FRAME / cost).min(1.0) - 0.01, "{share} of {cost}");
        }
    }
}
