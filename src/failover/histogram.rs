//! How long frames took: fixed buckets, so that counting one allocates nothing.

use std::time::Duration;

/// Buckets between a power of two and the next: a duration is known to a 32nd of itself.
const STEPS: usize = 32;
/// 2 to the power of this many microseconds, 67 s, and all beyond it share the last bucket.
const POWERS: usize = 26;
const BUCKETS: usize = (POWERS - STEPS.ilog2() as usize + 1) * STEPS;

/// How long `encode` took over the frames so far, in a [`Pipeline`](crate::Pipeline) from `submit` until the access unit
/// was handed out. Percentiles are rounded up, by a 32nd of themselves at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Latency {
    /// Frames that were counted.
    pub frames: u64,
    /// Half of the frames took at most this long.
    pub p50: Duration,
    /// Nine tenths of the frames.
    pub p90: Duration,
    /// 99 of 100 frames.
    pub p99: Duration,
    /// The frame that took longest.
    pub max: Duration,
}

#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    frames: u64,
    max: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: Box::new([0; BUCKETS]), frames: 0, max: Duration::ZERO }
    }

    pub(super) fn count(&mut self, took: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(took)) {
            *count += 1;
        }
        self.frames += 1;
        self.max = self.max.max(took);
    }

    pub(super) fn latency(&self) -> Latency {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.percentile(percent));
        Latency { frames: self.frames, p50, p90, p99, max: self.max }
    }

    /// The end of the bucket in which this share of the frames is complete.
    fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.frames * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return end(index).min(self.max);
            }
        }
        self.max
    }
}

/// Below `STEPS` microseconds each has a bucket; then `STEPS` buckets to a power of two.
fn bucket(took: Duration) -> usize {
    let micros = usize::try_from(took.as_micros()).unwrap_or(usize::MAX);
    if micros < STEPS {
        return micros;
    }
    let shift = (micros.ilog2() - STEPS.ilog2()) as usize;
    (shift * STEPS + (micros >> shift)).min(BUCKETS - 1)
}

/// The longest duration of a bucket, in whole microseconds and all their parts.
fn end(bucket: usize) -> Duration {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    Duration::from_micros(((step as u64 + 1) << shift) - 1) + Duration::from_nanos(999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_in_its_bucket_to_a_32nd() {
        for micros in (0..5_000).chain([77_777, 1_000_000, 59_999_999]) {
            let took = Duration::from_micros(micros);
            let end = end(bucket(took));
            assert!(took <= end && end <= took + took / 32 + Duration::from_micros(1), "{took:?} {end:?}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(end(index)), index);
            assert_eq!(bucket(end(index) + Duration::from_nanos(1)), index + 1);
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_frames() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.latency(), Latency::default());
        for millis in 1..=100 {
            histogram.count(Duration::from_millis(millis));
        }
        let Latency { frames, p50, p90, p99, max } = histogram.latency();
        assert_eq!((frames, max), (100, Duration::from_millis(100)));
        for (percentile, millis) in [(p50, 50), (p90, 90), (p99, 99)] {
            let exact = Duration::from_millis(millis);
            assert!(percentile >= exact && percentile <= exact + exact / 32, "{percentile:?} {millis}");
        }
    }
}
