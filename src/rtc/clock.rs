//! 90 kHz timestamps from capture times (RFC 6184 section 5.1).

use std::time::{Duration, Instant};

use crate::units::Timestamp;

/// A clock that turns capture times into 90 kHz timestamps, each larger than the one before.
///
/// A frame carries the whole count as its [`Timestamp`], which does not wrap. [`RtpClock::rtp`] returns the 32 bits
/// of it that packets carry, which wrap after 13 hours.
///
/// ```
/// use std::time::{Duration, Instant};
/// use direct264::Timestamp;
/// use direct264::rtc::RtpClock;
///
/// let start = Instant::now();
/// let mut clock = RtpClock::new(start).offset(0xffff_ff00);
/// let first = clock.stamp(start);
/// let second = clock.stamp(start + Duration::from_millis(20));
/// assert_eq!((first, second), (Timestamp(0), Timestamp(1_800)));
/// assert_eq!((clock.rtp(first), clock.rtp(second)), (0xffff_ff00, 0x608));
/// // The timestamp of a packet that a receiver reports about leads back to its frame.
/// assert_eq!(clock.timestamp(0x608, first), second);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RtpClock {
    epoch: Instant,
    offset: u32,
    last: Option<i64>,
}

impl RtpClock {
    /// Ticks a second.
    pub const HZ: u32 = 90_000;

    /// Makes a clock whose timestamps count from `epoch` on.
    #[must_use]
    pub const fn new(epoch: Instant) -> Self {
        Self { epoch, offset: 0, last: None }
    }

    /// Sets the first value of the 32 bits in packets; 0 unless set. RFC 3550 wants it random where the stack does
    /// not add an offset of its own.
    #[must_use]
    pub const fn offset(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }

    /// Returns the timestamp of a frame captured at `captured`: ticks since the epoch, rounded to the nearest. The
    /// timestamp is at least one tick more than that of the frame before, whatever the order of their capture times.
    pub fn stamp(&mut self, captured: Instant) -> Timestamp {
        self.stamp_elapsed(captured.saturating_duration_since(self.epoch))
    }

    /// Returns the timestamp as [`RtpClock::stamp`] does, for a time since the epoch: the media time of a file, or
    /// the time of another clock.
    pub fn stamp_elapsed(&mut self, elapsed: Duration) -> Timestamp {
        let ticks = ticks(elapsed);
        let ticks = self.last.map_or(ticks, |last| ticks.max(last.saturating_add(1)));
        self.last = Some(ticks);
        Timestamp(ticks)
    }

    /// Returns the 32 bits that packets carry.
    #[must_use]
    pub const fn rtp(&self, timestamp: Timestamp) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it wraps, as RTP has it"
        )]
        let low = timestamp.0 as u32;
        low.wrapping_add(self.offset)
    }

    /// Returns the timestamp that packets carry as `rtp`: of all timestamps with these bits the one nearest to
    /// `near`, which is within 6.6 hours of it. So a receiver's report (RTCP, or a browser's `rtpTimestamp`) leads
    /// back to a frame.
    #[must_use]
    pub const fn timestamp(&self, rtp: u32, near: Timestamp) -> Timestamp {
        let ahead = rtp.wrapping_sub(self.rtp(near)).cast_signed();
        Timestamp(near.0.saturating_add(ahead as i64))
    }
}

/// Ticks of a duration, rounded to the nearest. Durations over three million years count as that long.
fn ticks(elapsed: Duration) -> i64 {
    let ticks = (elapsed.as_nanos() * u128::from(RtpClock::HZ) + 500_000_000) / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirty_frames_a_second_are_three_thousand_ticks_each() {
        let epoch = Instant::now();
        let mut clock = RtpClock::new(epoch);
        for number in 0..300 {
            let captured = epoch + Duration::from_secs(1) * number / 30;
            assert_eq!(clock.stamp(captured), Timestamp(i64::from(number) * 3_000));
        }
    }

    #[test]
    fn frames_of_one_moment_and_from_before_the_last_one_still_grow() {
        let epoch = Instant::now();
        let mut clock = RtpClock::new(epoch + Duration::from_secs(1));
        let stamps: Vec<_> = [0, 2_000, 2_000, 1_500, 2_001]
            .map(|ms| clock.stamp(epoch + Duration::from_millis(ms)).0)
            .to_vec();
        assert_eq!(stamps, [0, 90_000, 90_001, 90_002, 90_090]);
    }

    #[test]
    fn the_longest_duration_is_a_timestamp_too() {
        let mut clock = RtpClock::new(Instant::now());
        assert_eq!(clock.stamp_elapsed(Duration::MAX), Timestamp(i64::MAX));
    }

    proptest! {
        #[test]
        fn they_grow_with_every_frame(times in prop::collection::vec(0_u64..100_000_000, 1..200)) {
            let mut clock = RtpClock::new(Instant::now());
            let stamps: Vec<_> =
                times.iter().map(|&micros| clock.stamp_elapsed(Duration::from_micros(micros)).0).collect();
            prop_assert!(stamps.is_sorted_by(|one, next| one < next));
        }

        #[test]
        fn where_times_grow_by_a_tick_or_more_each_is_its_own(steps in prop::collection::vec(12_u64..1_000_000, 1..200)) {
            let mut clock = RtpClock::new(Instant::now());
            let mut micros = 0;
            for step in steps {
                micros += step;
                let exact = micros as f64 * 0.09;
                let told = clock.stamp_elapsed(Duration::from_micros(micros)).0 as f64;
                prop_assert!((told - exact).abs() <= 0.5, "{told} for {exact}");
            }
        }

        #[test]
        fn what_a_packet_carried_is_found_again(
            offset: u32,
            ticks in 0_i64..1 << 50,
            distance in -(1_i64 << 31) + 1..1 << 31,
        ) {
            let clock = RtpClock::new(Instant::now()).offset(offset);
            let stamp = Timestamp(ticks);
            prop_assert_eq!(clock.timestamp(clock.rtp(stamp), Timestamp(ticks + distance)), stamp);
        }
    }
}
