//! The results of a run, from which table, JSON and page are written.

use std::time::Duration;

use direct264::error::Unavailable;
use direct264::{Bitrate, FrameRate, FrameSize};

use super::contender::Contender;
use super::entrant::Entrant;
use super::gpu::GpuInfo;
use super::machine::Machine;
use super::stats::{BitrateStats, FrameRecord, Steady, TOTAL};

/// The settings and the machine of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) settings: RunSettings,
    pub(crate) machine: Machine,
    pub(crate) gpus: Vec<GpuInfo>,
}

/// The results of one run of every backend.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) run: Run,
    pub(crate) passed_over: Vec<Unavailable>,
    pub(crate) backends: Vec<BackendResult>,
    /// Whether every backend encoded every frame; false after Ctrl-C.
    pub(crate) is_whole: bool,
}

/// The settings of a run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) size: FrameSize,
    pub(crate) frame_rate: FrameRate,
    pub(crate) bitrate: Bitrate,
    pub(crate) frames: usize,
    /// The numbers of streams; `None` where each backend has one.
    pub(crate) streams: Option<Vec<usize>>,
    /// The number of different pictures.
    pub(crate) pictures: usize,
    pub(crate) pace: Option<FrameRate>,
    /// The input file; `None` for the built-in pictures.
    pub(crate) input: Option<String>,
}

impl RunSettings {
    /// Describes the settings in one line.
    pub(crate) fn line(&self) -> String {
        let Self { size, frame_rate, bitrate, frames, streams, pictures, pace, input } = self;
        let pace = pace.map_or_else(|| "back to back".to_owned(), |pace| format!("{pace} a second"));
        let input = input.as_deref().unwrap_or("built-in pictures");
        let again =
            if pictures < frames { format!(", {pictures} pictures forth and back") } else { String::new() };
        let megabits = f64::from(bitrate.bps()) / 1e6;
        let each = if streams.is_some() { " a stream" } else { "" };
        format!(
            "{size}, {megabits:.2} Mbit/s at {frame_rate} fps{each}, {frames} frames{each} {pace}{again}, {input}"
        )
    }
}

/// The results of one entrant.
#[derive(Debug)]
pub(crate) struct BackendResult {
    pub(crate) entrant: Entrant,
    pub(crate) open: Duration,
    /// The time of the first frame.
    pub(crate) first: Option<Duration>,
    /// `None` when Ctrl-C came before the first steady frame.
    pub(crate) steady: Option<Steady>,
    pub(crate) rate: BitrateStats,
    pub(crate) psnr_db: Option<f64>,
    pub(crate) rate_unmet: usize,
    pub(crate) late: usize,
    pub(crate) records: Vec<FrameRecord>,
}

impl BackendResult {
    pub(crate) fn of(
        contender: Contender,
        psnr_db: Option<f64>,
        frame_rate: FrameRate,
        bitrate: Bitrate,
    ) -> Self {
        Self {
            entrant: contender.entrant,
            open: contender.open,
            first: contender.records.first().map(|record| record.times[TOTAL]),
            steady: Steady::of(&contender.records),
            rate: BitrateStats::of(&contender.records, frame_rate, bitrate),
            psnr_db,
            rate_unmet: contender.rate_unmet,
            late: contender.late,
            records: contender.records,
        }
    }
}
