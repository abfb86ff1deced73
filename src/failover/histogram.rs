//! A histogram of frame times with fixed buckets, so that counting allocates nothing.

use std::time::Duration;

/// The buckets between one power of two and the next: a duration is known to a 32nd of itself.
const STEPS: usize = 32;
/// The number of powers of two. Durations from 2^26 us (67 s) on share the last bucket.
const POWERS: usize = 26;
const BUCKETS: usize = (POWERS - STEPS.ilog2() as usize + 1) * STEPS;

/// The frame times so far: the duration of `encode`, or in a [`Pipeline`](crate::Pipeline) from `submit` until the
/// access unit was handed out. Percentiles are rounded up by at most a 32nd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Latency {
    /// The number of frames.
    pub frames: u64,
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest time.
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

    /// The end of the bucket that completes this share of the frames.
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

/// The bucket of a duration: one for each microsecond below `STEPS`, then `STEPS` for each power of two.
fn bucket(took: Duration) -> usize {
    let micros = usize::try_from(took.as_micros()).unwrap_or(usize::MAX);
    if micros < STEPS {
        return micros;
    }
    let shift = (micros.ilog2() - STEPS.ilog2()) as usize;
    (shift * STEPS + (micros >> shift)).min(BUCKETS - 1)
}

/// The longest duration of a bucket, with the fraction of its last microsecond.
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
