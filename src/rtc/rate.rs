//! Turns bandwidth estimates into bitrates for the encoder.

use std::time::Duration;

use crate::units::Bitrate;

/// A new target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateChange {
    /// The bitrate to set on the encoder.
    pub bitrate: Bitrate,
    /// Whether the link has lost more than half of its rate, so that packets under way are likely lost too. An IDR [a
    /// little later](RateGlue::IDR_AFTER_CUT) ends the freeze before the receiver would ask. Frames until then are
    /// best not encoded, because they would join the queue that is to drain.
    pub is_deep_cut: bool,
}

/// A filter that turns bandwidth estimates into targets worth setting: below the estimate by a margin, between a
/// floor and a cap, and not for every little change.
///
/// ```
/// use direct264::Bitrate;
/// use direct264::rtc::RateGlue;
/// # fn main() -> Result<(), direct264::error::ConfigError> {
/// let opened_with = Bitrate::from_mbps(2)?;
/// let mut rate = RateGlue::new(opened_with, Bitrate::from_kbps(150)?, Bitrate::from_mbps(6)?);
/// // 85 % of it is within 8 % of what is in force.
/// assert_eq!(rate.estimate(2_400_000), None);
/// let change = rate.estimate(3_000_000).expect("85 % of it is more");
/// assert_eq!((change.bitrate, change.is_deep_cut), (Bitrate::from_kbps(2_550)?, false));
/// let change = rate.estimate(1_000_000).expect("85 % of it is less");
/// assert_eq!((change.bitrate, change.is_deep_cut), (Bitrate::from_kbps(850)?, true));
/// # Ok(()) }
/// ```
///
/// Measured with `examples/webrtc`: a link cut from 3 to 1 Mbit/s cost a browser 4.2 s of freeze in all without the
/// IDR after the cut, 2.0 s with it, and 1.1 to 1.4 s where no frame was encoded between the two. For a second after
/// such a pause, the example takes no estimate for a deep cut, because a silent sender is estimated too low.
///
/// [`FailoverEncoder`](crate::FailoverEncoder) has a threshold of its own: an increase of less than 10 % waits there.
/// An encoder that cannot keep to its target reports [`EventKind::RateUnmet`](crate::EventKind::RateUnmet).
#[derive(Debug, Clone, Copy)]
pub struct RateGlue {
    floor: Bitrate,
    cap: Bitrate,
    margin_percent: u32,
    dead_band_percent: u32,
    deep_cut_percent: u32,
    target: Bitrate,
    /// The highest target since the last deep cut, because a cut comes in several steps.
    peak: Bitrate,
    /// The last estimate, for a change of the limits.
    estimate_bps: Option<u64>,
}

impl RateGlue {
    /// The best time of the IDR after a deep cut, 300 ms. An earlier IDR joins the queue that is to drain.
    pub const IDR_AFTER_CUT: Duration = Duration::from_millis(300);

    /// Makes a filter for an encoder that has `target` now, and gets no less than `floor` and no more than `cap`. A
    /// cap below the floor counts as the floor.
    #[must_use]
    pub fn new(target: Bitrate, floor: Bitrate, cap: Bitrate) -> Self {
        Self {
            floor,
            cap: cap.max(floor),
            margin_percent: 85,
            dead_band_percent: 8,
            deep_cut_percent: 55,
            target,
            peak: target,
            estimate_bps: None,
        }
    }

    /// Sets the share of the estimate that the encoder gets, in percent; 85 unless set. The rest is for headers,
    /// retransmissions, and pictures larger than their share.
    #[must_use]
    pub const fn margin_percent(mut self, percent: u32) -> Self {
        self.margin_percent = percent;
        self
    }

    /// Sets the dead band, in percent of the target in force; 8 unless set. A change within the band waits until
    /// changes add up to more.
    #[must_use]
    pub const fn dead_band_percent(mut self, percent: u32) -> Self {
        self.dead_band_percent = percent;
        self
    }

    /// Sets the loss that counts as a deep cut, in percent of the highest target since the last deep cut; 55 unless
    /// set.
    #[must_use]
    pub const fn deep_cut_percent(mut self, percent: u32) -> Self {
        self.deep_cut_percent = percent;
        self
    }

    /// The last target that this filter returned; at first, the target that it was made with.
    #[must_use]
    pub const fn target(&self) -> Bitrate {
        self.target
    }

    /// Takes in a new estimate, in bits per second. `None` when it calls for no change.
    pub fn estimate(&mut self, bps: u64) -> Option<RateChange> {
        self.estimate_bps = Some(bps);
        self.follow()
    }

    /// Sets other limits, for another size or another viewer, and applies the last estimate to them.
    pub fn set_limits(&mut self, floor: Bitrate, cap: Bitrate) -> Option<RateChange> {
        (self.floor, self.cap) = (floor, cap.max(floor));
        self.follow()
    }

    fn follow(&mut self) -> Option<RateChange> {
        let share = u128::from(self.estimate_bps?) * u128::from(self.margin_percent) / 100;
        let most = u64::try_from(share).unwrap_or(u64::MAX).min(u64::from(Bitrate::MAX.bps()));
        let wanted = Bitrate::from_bps(most).unwrap_or(Bitrate::MIN).clamp(self.floor, self.cap);
        let [new, now, peak] = [wanted, self.target, self.peak].map(|bitrate| u64::from(bitrate.bps()));
        if new.abs_diff(now) * 100 <= now * u64::from(self.dead_band_percent) {
            return None;
        }
        self.target = wanted;
        let is_deep_cut = new < peak && (peak - new) * 100 > peak * u64::from(self.deep_cut_percent);
        self.peak = if is_deep_cut { wanted } else { self.peak.max(wanted) };
        Some(RateChange { bitrate: wanted, is_deep_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps).unwrap()
    }

    fn glue() -> RateGlue {
        RateGlue::new(kbps(1_000), kbps(100), kbps(4_000))
    }

    fn told(change: Option<RateChange>) -> Option<(u32, bool)> {
        change.map(|change| (change.bitrate.bps() / 1_000, change.is_deep_cut))
    }

    #[test]
    fn small_changes_wait_until_they_come_to_more() {
        let mut rate = glue();
        let estimates = [1_176, 1_200, 1_240, 1_270, 1_300, 1_200, 1_100];
        let changes = estimates.map(|kbps| told(rate.estimate(kbps * 1_000)));
        assert_eq!(changes, [None, None, None, None, Some((1_105, false)), None, Some((935, false))]);
    }

    #[test]
    fn floor_and_cap_hold_and_an_estimate_of_nothing_is_the_floor() {
        let mut rate = glue();
        assert_eq!(told(rate.estimate(u64::MAX)), Some((4_000, false)));
        assert_eq!(told(rate.estimate(9_000_000)), None);
        assert_eq!(told(rate.estimate(0)), Some((100, true)));
        assert_eq!(told(rate.estimate(1)), None);
        let mut upside_down = RateGlue::new(kbps(500), kbps(800), kbps(200));
        assert_eq!(told(upside_down.estimate(100_000)), Some((800, false)));
    }

    #[test]
    fn a_cut_in_steps_is_one_deep_cut() {
        let mut rate = glue();
        let estimates = [3_500, 2_500, 2_000, 1_500, 1_300, 1_000, 600, 3_000];
        let changes =
            estimates.map(|kbps| told(rate.estimate(kbps * 1_000)).map(|(_, is_deep_cut)| is_deep_cut));
        let expected = [false, false, false, true, false, false, true, false];
        assert_eq!(changes, expected.map(Some));
    }

    #[test]
    fn other_limits_hold_at_once() {
        let mut rate = glue();
        assert_eq!(told(rate.set_limits(kbps(100), kbps(500))), None, "nothing was estimated yet");
        assert_eq!(told(rate.estimate(3_000_000)), Some((500, false)));
        assert_eq!(told(rate.set_limits(kbps(100), kbps(2_000))), Some((2_000, false)));
    }

    proptest! {
        #[test]
        fn every_target_is_within_its_limits_and_below_the_estimate(
            limits in (1_000_u64..5_000_000, 1_000_u64..5_000_000),
            estimates in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..8_000_000], 1..100),
        ) {
            let [floor, cap] = [limits.0, limits.1].map(|bps| Bitrate::from_bps(bps).unwrap());
            let mut rate = RateGlue::new(floor, floor, cap);
            for estimate in estimates {
                let before = rate.target();
                match rate.estimate(estimate) {
                    Some(change) => {
                        prop_assert!(change.bitrate >= floor && change.bitrate <= cap.max(floor));
                        let is_below = u128::from(change.bitrate.bps()) * 100 <= u128::from(estimate) * 85;
                        prop_assert!(change.bitrate == floor || is_below);
                        prop_assert_ne!(change.bitrate, before);
                        prop_assert_eq!(change.bitrate, rate.target());
                    }
                    None => prop_assert_eq!(rate.target(), before),
                }
            }
        }
    }
}
