//! `direct264 bench`: encode time per frame on every backend, in one run.

mod clip;
mod contender;
mod interrupt;
mod json;
mod machine;
mod measure;
mod quality;
mod report;
mod results;
mod source;
mod stats;
mod table;
mod y4m;

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use direct264::{Backend, Bitrate, EncoderConfig, FrameRate, FrameSize, Unavailable};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::file::{self, Target};
use crate::values;
use clip::{BuiltInSource, Clip, FrameSource};
use contender::Contender;
use machine::Machine;
use measure::Plan;
use results::{BackendResult, Results, Settings};
use y4m::Y4mSource;

/// Measures the encode time of a frame on each backend, in one interleaved run.
#[derive(Debug, clap::Args)]
#[command(after_help = source::DESCRIPTION)]
pub(crate) struct Args {
    /// Measure this backend, nvenc or openh264; may be repeated [default: every one that this machine has]
    #[arg(long, value_name = "NAME", value_parser = values::backend)]
    backend: Vec<Backend>,

    /// Size of the built-in pictures [default: 1920x1080]
    #[arg(long, value_name = "WxH", value_parser = values::size, conflicts_with = "input")]
    size: Option<FrameSize>,

    /// Frames that each backend encodes; more than there are pictures play them forth and back [default: 300, or the
    /// whole input]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    frames: Option<u32>,

    /// Target in bits per second, such as 6M or 800k
    #[arg(long, value_name = "RATE", default_value = "6M", value_parser = values::bitrate)]
    bitrate: Bitrate,

    /// Frame rate that shares out the bits [default: 30, or the input's]
    #[arg(long, value_name = "FPS", value_parser = values::frame_rate)]
    fps: Option<FrameRate>,

    /// Measure with the pictures of this .y4m file, as far as memory goes, instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Hand over frames at this rate instead of back to back: clocks and caches then are those of a live stream
    #[arg(long, value_name = "FPS", value_parser = values::frame_rate)]
    pace: Option<FrameRate>,

    /// Decode each stream afterwards and tell the PSNR of its luma
    #[arg(long)]
    quality: bool,

    /// Write everything that was measured, every frame too, as JSON; - is stdout, and the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a page with pictures of latency, distribution and rate that needs nothing but itself
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// Code 2 for what is found wrong before the first frame, 1 for what fails after it, 130 after Ctrl-C; what was
/// measured until then has been told.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    interrupt::listen();
    check_apart(args)?;
    if args.quality {
        quality::check()?;
    }
    // A path that cannot be written is better known before the run than after it.
    let mut json_file = args.json.as_deref().map(create).transpose()?;
    let mut report_file = args.report.as_deref().map(create).transpose()?;

    let mut input = args.input.as_deref().map(Y4mSource::open).transpose()?;
    let size = match &input {
        Some(source) => source.size(),
        None => args.size.map_or_else(default_size, Ok)?,
    };
    let frame_rate = match args.fps.or_else(|| input.as_ref().and_then(FrameSource::frame_rate)) {
        Some(frame_rate) => frame_rate,
        None => FrameRate::hz(30).map_err(|e| Failure::before(describe(&e)))?,
    };
    let config = EncoderConfig::new(size, frame_rate, args.bitrate);
    // Before the pictures are made, so that a backend that cannot be had is told at once.
    let frames_hint = args.frames.unwrap_or(DEFAULT_FRAMES) as usize;
    let (mut contenders, passed_over) = open_all(args, &config, frames_hint)?;
    let machine = Machine::here();

    let clip = match &mut input {
        Some(source) => load(source, args.frames.map_or(usize::MAX, |frames| frames as usize))?,
        None => load(&mut BuiltInSource::new(size, args.frames.unwrap_or(DEFAULT_FRAMES)), frames_hint)?,
    };
    let frames = match (args.frames, &input) {
        (Some(frames), _) => frames as usize,
        (None, Some(_)) => clip.len(),
        (None, None) => DEFAULT_FRAMES as usize,
    };
    let plan = Plan { frames, pace: args.pace };
    let is_whole = measure(&mut contenders, &clip, plan)?;

    let mut backends = Vec::new();
    for mut contender in contenders {
        // After Ctrl-C nobody wants to wait for a decoder.
        let psnr_db = if is_whole { quality::measure(&mut contender, &clip)? } else { None };
        backends.push(BackendResult::of(contender, psnr_db, frame_rate, args.bitrate));
    }
    let settings = Settings {
        size,
        frame_rate,
        bitrate: args.bitrate,
        frames,
        pictures: clip.len(),
        pace: args.pace,
        input: args.input.as_deref().map(|path| path.display().to_string()),
    };
    let results = Results { settings, machine, passed_over, backends, is_whole };

    print(&table::render(&results), is_stdout(args.json.as_deref()) || is_stdout(args.report.as_deref()))?;
    if let (Some(file), Some(path)) = (&mut json_file, &args.json) {
        save(file, path, &json::render(&results))?;
    }
    if let (Some(file), Some(path)) = (&mut report_file, &args.report) {
        save(file, path, &report::render(&results))?;
    }
    if is_whole { Ok(()) } else { Err(interrupt::failure()) }
}

const DEFAULT_FRAMES: u32 = 300;

fn default_size() -> Result<FrameSize, Failure> {
    FrameSize::new(1920, 1080).map_err(|e| Failure::before(describe(&e)))
}

/// Opens what was asked for, or everything there is, and tells what there is not.
fn open_all(
    args: &Args,
    config: &EncoderConfig,
    frames: usize,
) -> Result<(Vec<Contender>, Vec<Unavailable>), Failure> {
    let wanted =
        if args.backend.is_empty() { &[Backend::Nvenc, Backend::OpenH264][..] } else { &args.backend };
    let (mut contenders, mut passed_over) = (Vec::new(), Vec::new());
    for &backend in wanted {
        if contenders.iter().any(|contender: &Contender| contender.backend == backend) {
            continue;
        }
        match Contender::open(backend, config, frames, args.quality)? {
            Ok(contender) => contenders.push(contender),
            Err(why) if args.backend.is_empty() => passed_over.push(why),
            Err(why) => return Err(Failure::before(table::why_not(&why))),
        }
    }
    if contenders.is_empty() {
        let reasons: Vec<_> = passed_over.iter().map(table::why_not).collect();
        return Err(Failure::before(format!("nothing to measure: {}", reasons.join("; "))));
    }
    Ok((contenders, passed_over))
}

fn load(source: &mut dyn FrameSource, frames: usize) -> Result<Clip, Failure> {
    let spinner = ProgressBar::new_spinner().with_message("getting the pictures ready");
    spinner.tick();
    let clip = Clip::load(source, frames);
    spinner.finish_and_clear();
    clip
}

fn measure(contenders: &mut [Contender], clip: &Clip, plan: Plan) -> Result<bool, Failure> {
    let bar = ProgressBar::new((plan.frames * contenders.len()) as u64);
    if let Ok(style) = ProgressStyle::with_template("measuring {wide_bar} {pos}/{len} frames, {eta} left") {
        bar.set_style(style);
    }
    let is_whole = measure::run(contenders, clip, plan, &|frames| bar.inc(frames as u64));
    bar.finish_and_clear();
    is_whole
}

/// No result may be written over the input or over another.
fn check_apart(args: &Args) -> Result<(), Failure> {
    let named = [("--input", &args.input), ("--json", &args.json), ("--report", &args.report)];
    let named: Vec<_> = named.iter().filter_map(|(name, path)| Some((name, path.as_deref()?))).collect();
    for (at, (name, path)) in named.iter().enumerate() {
        for (other, other_path) in &named[at + 1..] {
            if file::is_same(path, other_path) {
                let path = path.display();
                return Err(Failure::before(format!("{name} and {other} are the same file, {path}")));
            }
        }
    }
    Ok(())
}

fn create(path: &Path) -> Result<Target, Failure> {
    Target::open(path).map_err(|e| Failure::before(format!("{} cannot be written: {e}", path.display())))
}

fn save(target: &mut Target, path: &Path, text: &str) -> Result<(), Failure> {
    let written =
        target.begin().and_then(|()| target.write_all(text.as_bytes())).and_then(|()| target.flush());
    written.map_err(|e| Failure::writing(path.display(), &e))
}

fn is_stdout(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Prints the table, beside what else goes to stdout if `is_taken`.
fn print(text: &str, is_taken: bool) -> Result<(), Failure> {
    if is_taken {
        return io::stderr().write_all(text.as_bytes()).map_err(|error| Failure::writing("stderr", &error));
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::writing("stdout", &error))
}

/// An error with its causes on one line.
fn describe(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
