//! The options of `direct264 bench` and their help.

use std::path::PathBuf;

use direct264::{Backend, Bitrate, FrameRate, FrameSize};

use super::entrant::Entrant;
use super::source;
use super::streams::MAX_STREAMS;
use crate::values;

/// Measures the encode time of a frame on each backend, in one interleaved run.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", source::DESCRIPTION))]
pub(crate) struct BenchArgs {
    /// Measure this backend, nvenc or openh264, by itself or with settings; may be repeated [default: every one that
    /// this machine has]
    ///
    /// Settings are profile (baseline, main, high: the latter two are CABAC) and slices; of openh264 threads; of nvenc
    /// preset (p1 to p7) and form (bounded, direct). Such as openh264:threads=1,slices=1 or nvenc:preset=p4.
    #[arg(long, value_name = "NAME[:SETTING,...]", value_parser = Entrant::parse)]
    pub(super) backend: Vec<Entrant>,

    /// Size of the built-in pictures [default: 1920x1080]
    #[arg(long, value_name = "WxH", value_parser = values::size, conflicts_with = "input")]
    pub(super) size: Option<FrameSize>,

    /// Frames that each backend encodes; further ones play the pictures backwards and forwards again [default: 300, or
    /// the whole input]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(super) frames: Option<u32>,

    /// Target in bits per second, such as 6M or 800k
    #[arg(long, value_name = "RATE", default_value = "6M", value_parser = values::bitrate)]
    pub(super) bitrate: Bitrate,

    /// Declared frame rate, which sets the bits per frame [default: 30, or the input's]
    #[arg(long, value_name = "FPS", value_parser = values::frame_rate)]
    pub(super) fps: Option<FrameRate>,

    /// Measure the pictures of this .y4m file (- for stdin), as many as fit into memory, instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,

    /// Encode frames at this rate instead of back to back, with the clocks and caches of a live stream
    #[arg(long, value_name = "FPS", value_parser = values::frame_rate)]
    pub(super) pace: Option<FrameRate>,

    /// Measure this many streams at once, each with an encoder and a thread of its own: tells frames per
    /// second, times, cores and memory for each number, such as 1,2,4,8,16
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "quality",
        value_parser = clap::value_parser!(u16).range(1..=MAX_STREAMS))]
    pub(super) streams: Vec<u16>,

    /// Decode each stream after the run and report its luma PSNR
    #[arg(long)]
    pub(super) quality: bool,

    /// Write all results with every frame as JSON; with - they go to stdout and the table to stderr
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write one self-contained HTML page with charts of latency, distribution and rate
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  direct264 bench                               every backend, 1080p, back to back
  direct264 bench --pace 60 --fps 60 --report bench.html
  direct264 bench --input clip.y4m --bitrate 3M --quality --json bench.json
  direct264 bench --backend openh264 --backend openh264:threads=1,slices=1 \\
    --backend openh264:profile=main             threads and CABAC, in one run
  direct264 bench --streams 1,2,4,8,16 --size 1280x720 --bitrate 2M

Ctrl-C ends the run and reports the results until then; a second one ends the process at once.";

impl BenchArgs {
    /// Returns the requested entrants without duplicates, or every backend.
    pub(super) fn entrants(&self) -> Vec<Entrant> {
        if self.backend.is_empty() {
            return Backend::ALL.map(Entrant::plain).into();
        }
        let mut entrants = Vec::new();
        for entrant in &self.backend {
            if !entrants.contains(entrant) {
                entrants.push(entrant.clone());
            }
        }
        entrants
    }

    /// Returns the requested numbers of streams in ascending order without duplicates.
    pub(super) fn stream_counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.streams.iter().map(|&count| count.into()).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }
}
