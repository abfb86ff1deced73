//! Reduces the times of all frames to quantiles, means and rates.

use std::time::Duration;

use direct264::access_unit::StageTimes;
use direct264::{Bitrate, FrameRate};
use hdrhistogram::Histogram;

/// The stages of a frame, in the order in which they happen.
pub(crate) const STAGES: [&str; 6] = ["convert", "upload", "submit", "wait", "copy", "total"];
/// The index of the whole frame in [`STAGES`].
pub(crate) const TOTAL: usize = 5;

/// One encoded frame.
#[derive(Debug, Clone)]
pub(crate) struct FrameRecord {
    pub(crate) is_idr: bool,
    pub(crate) bytes: usize,
    pub(crate) qp: Option<u8>,
    /// In the order of [`STAGES`].
    pub(crate) times: [Duration; 6],
    /// CPU time of the process during the call, summed over all threads.
    pub(crate) cpu: Duration,
    /// Whether the frame is part of the steady state.
    pub(crate) is_steady: bool,
    /// The PSNR, set by `--quality`.
    pub(crate) psnr_db: Option<f64>,
}

/// Returns the stages that the encoder timed, and as `total` the time of the whole call.
pub(crate) fn stages(times: &StageTimes, total: Duration) -> [Duration; 6] {
    [times.convert, times.upload, times.submit, times.wait, times.copy, total]
}

/// The distribution of a stage's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    pub(crate) mean: Duration,
}

impl Spread {
    /// Returns the distribution of `times` to a thousandth of each value; `None` without a time.
    pub(crate) fn of(times: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut histogram = Histogram::<u64>::new_with_max(HOUR_NS, 3).ok()?;
        for time in times {
            histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(HOUR_NS));
        }
        if histogram.is_empty() {
            return None;
        }
        // The histogram returns the upper end of a bucket, which can exceed the largest value.
        let at = |q| Duration::from_nanos(histogram.value_at_quantile(q).min(histogram.max()));
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
            mean: Duration::from_nanos(histogram.mean() as u64),
        })
    }
}

const HOUR_NS: u64 = 3_600_000_000_000;

/// The steady state of one backend.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    pub(crate) frames: usize,
    /// In the order of [`STAGES`].
    pub(crate) stages: [Spread; 6],
    pub(crate) cpu: Spread,
}

impl Steady {
    /// Returns the steady state; `None` when no frame of the records is steady.
    pub(crate) fn of(records: &[FrameRecord]) -> Option<Self> {
        let steady = || records.iter().filter(|record| record.is_steady);
        let stage = |stage: usize| Spread::of(steady().map(|record| record.times[stage]));
        Some(Self {
            frames: steady().count(),
            stages: [stage(0)?, stage(1)?, stage(2)?, stage(3)?, stage(4)?, stage(TOTAL)?],
            cpu: Spread::of(steady().map(|record| record.cpu))?,
        })
    }
}

/// The bitrates of the stream, beside the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BitrateStats {
    pub(crate) target_bps: f64,
    /// The mean over all frames, warm-up and first IDR included.
    pub(crate) reached_bps: f64,
    /// The lowest and the highest second. The first second is left out, in which rate control settles. `None` for
    /// streams below two seconds.
    pub(crate) seconds: Option<(f64, f64)>,
}

impl BitrateStats {
    pub(crate) fn of(records: &[FrameRecord], frame_rate: FrameRate, target: Bitrate) -> Self {
        let bytes: Vec<usize> = records.iter().map(|record| record.bytes).collect();
        let windows = seconds(&bytes, frame_rate);
        let settled = windows.get(second_frames(frame_rate)..).unwrap_or_default();
        let lowest = settled.iter().copied().reduce(f64::min);
        let highest = settled.iter().copied().reduce(f64::max);
        Self {
            target_bps: f64::from(target.bps()),
            reached_bps: bits_per_second(&bytes, frame_rate),
            seconds: lowest.zip(highest),
        }
    }
}

/// Returns the bitrate of every window of one second; windows start at successive frames.
pub(crate) fn seconds(bytes: &[usize], frame_rate: FrameRate) -> Vec<f64> {
    bytes.windows(second_frames(frame_rate)).map(|window| bits_per_second(window, frame_rate)).collect()
}

/// Returns the frames of a second, at least one.
pub(crate) fn second_frames(frame_rate: FrameRate) -> usize {
    (frame_rate.as_f64().round() as usize).max(1)
}

fn bits_per_second(bytes: &[usize], frame_rate: FrameRate) -> f64 {
    let bits = 8.0 * bytes.iter().sum::<usize>() as f64;
    bits * frame_rate.as_f64() / bytes.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn record(bytes: usize, total: Duration, is_steady: bool) -> FrameRecord {
        let times = stages(&StageTimes::default(), total);
        FrameRecord { is_idr: false, bytes, qp: None, times, cpu: total * 2, is_steady, psnr_db: None }
    }

    #[test]
    fn quantiles_are_those_of_the_values_within_a_thousandth() {
        let spread = Spread::of((1..=1000).map(|ms| MS * ms)).unwrap();
        let near = |found: Duration, ms: f64| (found.as_secs_f64() * 1e3 - ms).abs() <= ms / 1000.0;
        assert!(near(spread.p50, 500.0) && near(spread.p90, 900.0) && near(spread.p99, 990.0), "{spread:?}");
        assert!(near(spread.max, 1000.0) && near(spread.mean, 500.5), "{spread:?}");
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn no_quantile_lies_beyond_the_largest_value() {
        let odd = Duration::from_nanos(7_654_321);
        let spread = Spread::of([odd, odd].into_iter()).unwrap();
        assert!(spread.p50 <= spread.max && spread.p99 <= spread.max, "{spread:?}");
    }

    #[test]
    fn warm_up_is_not_part_of_the_steady_state() {
        let records = [record(9, MS * 90, false), record(1, MS, true), record(1, MS, true)];
        let steady = Steady::of(&records).unwrap();
        assert_eq!(steady.frames, 2);
        assert!(steady.stages[TOTAL].max < MS * 2);
        assert!(Steady::of(&records[..1]).is_none());
    }

    #[test]
    fn the_rate_counts_every_frame_and_the_seconds_after_the_first() {
        let sizes = [[500; 10], [100; 10], [120; 10]].concat();
        let records: Vec<_> = sizes.iter().map(|&bytes| record(bytes, MS, true)).collect();
        let fps = FrameRate::hz(10).unwrap();
        let rate = BitrateStats::of(&records, fps, Bitrate::from_bps(8_000).unwrap());
        assert_eq!(
            rate,
            BitrateStats { target_bps: 8_000.0, reached_bps: 19_200.0, seconds: Some((8_000.0, 9_600.0)) }
        );
        assert_eq!(BitrateStats::of(&records[..15], fps, Bitrate::MIN).seconds, None);
    }
}
