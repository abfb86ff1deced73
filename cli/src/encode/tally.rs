//! Sums the bits and times of all frames, for the summary.

use std::time::{Duration, Instant};

use direct264::access_unit::StageTimes;
use direct264::{AccessUnit, Backend, Bitrate, FrameRate};
use hdrhistogram::Histogram;

/// Significant digits of the histograms: three, or a tenth of a percent.
const DIGITS: u8 = 3;

/// The stages of a frame in their order, by their names in `--stats`.
type StageTime = (&'static str, fn(&StageTimes) -> Duration);
const STAGES: [StageTime; 5] = [
    ("convert", |times| times.convert),
    ("upload", |times| times.upload),
    ("submit", |times| times.submit),
    ("wait", |times| times.wait),
    ("copy", |times| times.copy),
];

/// The sums over the frames so far.
#[derive(Debug)]
pub(super) struct Tally {
    start: Instant,
    frames: u64,
    idrs: u64,
    bytes: u64,
    /// The length of the video so far.
    seconds: f64,
    /// The bits that the target bitrates allow for that length.
    target_bits: f64,
    /// The times of `encode` calls in microseconds. `None` if the histogram could not be made.
    total: Option<Histogram<u64>>,
    stages: [Option<Histogram<u64>>; STAGES.len()],
    /// The backend of the last frame.
    backend: Option<Backend>,
}

impl Tally {
    /// Creates an empty tally.
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new(DIGITS).ok();
        Self {
            start: Instant::now(),
            frames: 0,
            idrs: 0,
            bytes: 0,
            seconds: 0.0,
            target_bits: 0.0,
            total: histogram(),
            stages: [(); STAGES.len()].map(|()| histogram()),
            backend: None,
        }
    }

    /// Adds a frame that was encoded with these targets.
    pub(super) fn add(&mut self, unit: &AccessUnit<'_>, bitrate: Bitrate, frame_rate: FrameRate) {
        let seconds = 1.0 / frame_rate.as_f64();
        self.frames += 1;
        self.idrs += u64::from(unit.is_idr);
        self.bytes += unit.bytes.len() as u64;
        self.seconds += seconds;
        self.target_bits += f64::from(bitrate.bps()) * seconds;
        self.backend = Some(unit.backend);
        record(&mut self.total, unit.times.total);
        for (histogram, (_, time_of)) in self.stages.iter_mut().zip(STAGES) {
            record(histogram, time_of(&unit.times));
        }
    }

    /// Returns the number of frames.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the number of IDRs.
    pub(super) const fn idrs(&self) -> u64 {
        self.idrs
    }

    /// Returns the number of bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The backend of the last frame.
    pub(super) const fn backend(&self) -> Option<Backend> {
        self.backend
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the bitrate of the stream and the average target, in bits per second.
    pub(super) fn rates(&self) -> (f64, f64) {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        (self.bytes as f64 * 8.0 / seconds, self.target_bits / seconds)
    }

    /// Returns the quantile `share` of the encode times in milliseconds; 0.5 is the median.
    pub(super) fn milliseconds(&self, share: f64) -> f64 {
        quantile(self.total.as_ref(), share)
    }

    /// Returns the median of each stage in milliseconds, without stages below 0.01 ms.
    pub(super) fn stages(&self) -> Vec<(&'static str, f64)> {
        let medians = self.stages.iter().map(|histogram| quantile(histogram.as_ref(), 0.5));
        STAGES.iter().map(|(name, _)| *name).zip(medians).filter(|(_, median)| *median >= 0.01).collect()
    }
}

fn record(histogram: &mut Option<Histogram<u64>>, time: Duration) {
    if let Some(histogram) = histogram {
        // `record` grows the histogram, and fails only beyond half a million years. `saturating_record` would cut
        // values at the present range, at first two milliseconds.
        let _ = histogram.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

fn quantile(histogram: Option<&Histogram<u64>>, share: f64) -> f64 {
    histogram.map_or(0.0, |histogram| histogram.value_at_quantile(share) as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_kept_as_well_as_short_ones() {
        let mut histogram = Histogram::new(DIGITS).ok();
        for micros in [0, 500, 9_000, 70_000, 3_000_000] {
            record(&mut histogram, Duration::from_micros(micros));
        }
        let quantile = |share| quantile(histogram.as_ref(), share);
        assert_eq!(quantile(0.4), 0.5);
        assert!((8.99..9.02).contains(&quantile(0.5)), "{}", quantile(0.5));
        assert!((2_998.0..3_003.0).contains(&quantile(1.0)), "{}", quantile(1.0));
    }
}
