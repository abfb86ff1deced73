//! Adds up what the frames took: bits, time, and where the time went.

use std::time::{Duration, Instant};

use direct264::{AccessUnit, Backend, Bitrate, FrameRate, StageTimes};
use hdrhistogram::Histogram;

/// Digits that a histogram keeps: three is a tenth of a percent.
const DIGITS: u8 = 3;

/// The stages of a frame, in their order, by the names that `--stats` has for them.
type Stage = (&'static str, fn(&StageTimes) -> Duration);
const STAGES: [Stage; 5] = [
    ("convert", |times| times.convert),
    ("upload", |times| times.upload),
    ("submit", |times| times.submit),
    ("wait", |times| times.wait),
    ("copy", |times| times.copy),
];

/// What the frames so far came to.
#[derive(Debug)]
pub(super) struct Tally {
    start: Instant,
    frames: u64,
    idrs: u64,
    bytes: u64,
    /// Length of the video.
    seconds: f64,
    /// What the targets in force allow for that length.
    target_bits: f64,
    /// Microseconds of a whole `encode` call; `None` never in practice.
    total: Option<Histogram<u64>>,
    stages: [Option<Histogram<u64>>; STAGES.len()],
    /// Who encoded the last frame.
    backend: Option<Backend>,
}

impl Tally {
    /// Nothing yet.
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

    /// Adds a frame that was encoded at these targets.
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

    /// Frames so far.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// IDRs so far.
    pub(super) const fn idrs(&self) -> u64 {
        self.idrs
    }

    /// Bytes so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Who encoded the last frame.
    pub(super) const fn backend(&self) -> Option<Backend> {
        self.backend
    }

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Bits a second of video: reached, and asked for on average.
    pub(super) fn rates(&self) -> (f64, f64) {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        (self.bytes as f64 * 8.0 / seconds, self.target_bits / seconds)
    }

    /// Milliseconds that this share of the frames stayed within; 0.5 is the median.
    pub(super) fn milliseconds(&self, share: f64) -> f64 {
        quantile(self.total.as_ref(), share)
    }

    /// The median milliseconds of each stage that took a hundredth of one or more.
    pub(super) fn stages(&self) -> Vec<(&'static str, f64)> {
        let medians = self.stages.iter().map(|histogram| quantile(histogram.as_ref(), 0.5));
        STAGES.iter().map(|(name, _)| *name).zip(medians).filter(|(_, median)| *median >= 0.01).collect()
    }
}

fn record(histogram: &mut Option<Histogram<u64>>, time: Duration) {
    if let Some(histogram) = histogram {
        // `record` grows the histogram; `saturating_record` would cut at the room there is, two milliseconds at first.
        // It fails where a value cannot be represented: beyond half a million years.
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
