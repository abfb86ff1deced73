//! Decides which frame answers a keyframe request with an IDR.

use std::time::{Duration, Instant};

use crate::picture::Picture;

/// A gate that makes few IDRs of many requests, and loses none.
///
/// One IDR answers all requests that came before it. Between two IDRs lies at least an interval. A request stays open
/// until an IDR was really made, whether a frame failed meanwhile or was never encoded.
///
/// ```
/// use std::time::{Duration, Instant};
/// use direct264::Picture;
/// use direct264::rtc::KeyframeGate;
///
/// let now = Instant::now();
/// let mut gate = KeyframeGate::new(Duration::from_millis(300));
/// // A browser that sends its PLI twice gets one IDR.
/// gate.request(now);
/// gate.request(now);
/// assert_eq!(gate.picture(now), Picture::Idr);
/// gate.coded(true, now);
/// assert_eq!(gate.picture(now), Picture::Auto);
///
/// // Another request waits for the interval.
/// let soon = now + Duration::from_millis(100);
/// gate.request(soon);
/// assert_eq!(gate.due_in(soon), Some(Duration::from_millis(200)));
/// assert_eq!(gate.picture(soon), Picture::Auto);
/// assert_eq!(gate.picture(now + Duration::from_millis(300)), Picture::Idr);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct KeyframeGate {
    interval: Duration,
    round_trip: Duration,
    /// A request came, and no IDR was made since.
    is_owed: bool,
    /// The time from which an IDR is owed.
    required_at: Option<Instant>,
    /// The time at which this gate last asked for an IDR that has not come out yet.
    asked_at: Option<Instant>,
    /// The time of the last IDR.
    made_at: Option<Instant>,
}

impl KeyframeGate {
    /// The default interval: 300 ms.
    pub const INTERVAL: Duration = Duration::from_millis(300);

    /// Makes a gate that asks for at most one IDR in each `interval`, counted from the last IDR, requested or not.
    /// Zero lets every frame be an IDR.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self {
            interval,
            round_trip: Duration::ZERO,
            is_owed: false,
            required_at: None,
            asked_at: None,
            made_at: None,
        }
    }

    /// Sets the round trip to the one receiver; zero unless set. A request that comes within a round trip after an
    /// IDR was sent before that IDR arrived, so the IDR answers it, and the second PLI of a pair costs nothing. With
    /// several receivers leave it at zero.
    pub const fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Takes in a receiver's request (PLI or FIR). Returns whether an IDR is owed for it; the last IDR may be the
    /// answer.
    pub fn request(&mut self, now: Instant) -> bool {
        let is_answered = self.made_at.is_some_and(|made| {
            !self.round_trip.is_zero() && now.saturating_duration_since(made) < self.round_trip
        });
        self.is_owed |= !is_answered;
        !is_answered
    }

    /// Requires an IDR from `at` on; an earlier IDR does not count. A viewer has joined, an access unit was lost, or
    /// the bitrate was cut deeply. The earliest of several times holds until there was an IDR for it.
    pub fn require(&mut self, at: Instant) {
        self.required_at = Some(self.required_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Returns the kind of picture for the frame that is encoded now. Call it once for each frame that will be
    /// encoded. While frames before a requested IDR come out, the gate does not ask for it again until the interval
    /// has passed without it.
    pub fn picture(&mut self, now: Instant) -> Picture {
        if self.due_in(now).is_none_or(|wait| !wait.is_zero()) {
            return Picture::Auto;
        }
        self.asked_at = Some(now);
        Picture::Idr
    }

    /// Returns the time until the next IDR is due, zero when the next frame should be one. A sender of a still
    /// picture encodes a frame then. `None` when no IDR is owed, or the IDR is on its way.
    #[must_use]
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let owed = self.is_owed.then_some(now);
        let wanted = [owed, self.required_at].into_iter().flatten().min()?;
        let last = self.made_at.max(self.asked_at);
        let allowed = last.map_or(wanted, |last| wanted.max(last + self.interval));
        let wait = allowed.saturating_duration_since(now);
        let is_on_its_way = self.asked_at.is_some() && !wait.is_zero();
        (!is_on_its_way).then_some(wait)
    }

    /// Takes in that an access unit came out and goes to every receiver. Every IDR, asked for or not, answers the
    /// open requests.
    pub fn coded(&mut self, is_idr: bool, now: Instant) {
        if is_idr {
            self.is_owed = false;
            self.required_at = self.required_at.filter(|&at| at > now);
            self.asked_at = None;
            self.made_at = Some(now);
        }
    }

    /// Takes in that the frame of the last [`picture`](KeyframeGate::picture) gave no access unit. The next frame
    /// takes its place at once.
    pub const fn failed(&mut self) {
        self.asked_at = None;
    }
}

impl Default for KeyframeGate {
    fn default() -> Self {
        Self::new(Self::INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn gate() -> (KeyframeGate, Instant) {
        (KeyframeGate::new(ms(100)), Instant::now())
    }

    #[test]
    fn nothing_is_asked_of_who_owes_nothing() {
        let (mut gate, now) = gate();
        assert_eq!((gate.due_in(now), gate.picture(now)), (None, Picture::Auto));
    }

    #[test]
    fn a_request_sticks_until_the_idr_was_made() {
        let (mut gate, now) = gate();
        gate.request(now);
        assert_eq!(gate.picture(now), Picture::Idr);
        gate.failed();
        assert_eq!(gate.picture(now + ms(1)), Picture::Idr);
        gate.coded(true, now + ms(1));
        assert_eq!(gate.due_in(now + ms(500)), None);
    }

    #[test]
    fn what_is_on_its_way_is_not_asked_for_again_unless_it_is_lost() {
        let (mut gate, now) = gate();
        gate.request(now);
        assert_eq!(gate.picture(now), Picture::Idr);
        // A frame from before it comes out.
        gate.coded(false, now + ms(5));
        assert_eq!((gate.due_in(now + ms(99)), gate.picture(now + ms(99))), (None, Picture::Auto));
        // It never came.
        assert_eq!(gate.picture(now + ms(100)), Picture::Idr);
    }

    #[test]
    fn an_idr_that_nobody_asked_for_pays_and_counts() {
        let (mut gate, now) = gate();
        gate.request(now);
        gate.coded(true, now);
        assert_eq!(gate.due_in(now + ms(1)), None);
        gate.request(now + ms(1));
        assert_eq!(gate.due_in(now + ms(1)), Some(ms(99)));
    }

    #[test]
    fn what_is_needed_later_is_not_paid_before() {
        let (mut gate, now) = gate();
        gate.require(now + ms(300));
        assert_eq!(gate.due_in(now), Some(ms(300)));
        gate.request(now + ms(10));
        assert_eq!(gate.picture(now + ms(10)), Picture::Idr);
        gate.coded(true, now + ms(12));
        assert_eq!(gate.picture(now + ms(299)), Picture::Auto);
        assert_eq!(gate.picture(now + ms(300)), Picture::Idr);
        gate.coded(true, now + ms(301));
        assert_eq!(gate.due_in(now + ms(900)), None);
    }

    #[test]
    fn the_second_of_two_requests_is_answered_by_the_idr_of_the_first() {
        let (mut gate, now) = gate();
        gate.set_round_trip(ms(40));
        assert!(gate.request(now));
        gate.coded(true, now + ms(5));
        assert!(!gate.request(now + ms(44)));
        assert_eq!(gate.due_in(now + ms(200)), None);
        assert!(gate.request(now + ms(45)));
        // Who joins has not seen the last one.
        gate.coded(true, now + ms(200));
        gate.require(now + ms(201));
        assert_eq!(gate.picture(now + ms(300)), Picture::Idr);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Request,
        Require(u64),
        /// Encodes; whether it works, and whether the encoder makes an IDR of it by itself.
        Frame {
            works: bool,
            makes_idr: bool,
        },
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let step = prop_oneof![
            2 => Just(Step::Request),
            1 => (0_u64..400).prop_map(Step::Require),
            8 => (prop::bool::weighted(0.9), prop::bool::weighted(0.02))
                .prop_map(|(works, makes_idr)| Step::Frame { works, makes_idr }),
        ];
        (0_u64..40, step)
    }

    proptest! {
        #[test]
        fn everybody_is_answered_and_no_two_idrs_that_were_asked_for_are_nearer_than_the_interval(
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let (mut gate, mut now) = gate();
            let mut last_idr: Option<Instant> = None;
            let mut unanswered: Option<Instant> = None;
            let mut frame = |gate: &mut KeyframeGate, now: Instant, works: bool, makes_idr: bool| {
                let picture = gate.picture(now);
                if !works {
                    gate.failed();
                } else {
                    if picture == Picture::Idr && let Some(last) = last_idr {
                        assert!(now - last >= ms(100));
                    }
                    let is_idr = picture == Picture::Idr || makes_idr;
                    gate.coded(is_idr, now);
                    if is_idr {
                        last_idr = Some(now);
                    }
                    return is_idr;
                }
                false
            };
            for (wait, step) in steps {
                now += ms(wait);
                match step {
                    Step::Request => {
                        gate.request(now);
                        unanswered.get_or_insert(now);
                    }
                    Step::Require(later) => {
                        gate.require(now + ms(later));
                        let at = now + ms(later);
                        unanswered = Some(unanswered.map_or(at, |at_first| at_first.max(at)));
                    }
                    Step::Frame { works, makes_idr } => {
                        if frame(&mut gate, now, works, makes_idr) {
                            unanswered = unanswered.filter(|&at| at > now);
                        }
                    }
                }
            }
            // Frames go on: what is owed is made within an interval of when it was wanted.
            if let Some(at) = unanswered {
                let from = at.max(now);
                prop_assert!((0..=100).any(|later| frame(&mut gate, from + ms(later), true, false)) || gate.due_in(from).is_none());
            }
            prop_assert_eq!(gate.due_in(now + ms(1_000)), None);
        }
    }
}
