//! The subcommand `direct264 bench`, which measures the encode time per frame on every backend in one run.

mod clip;
mod contender;
mod entrant;
mod gpu;
pub(crate) mod interrupt;
mod json;
pub(crate) mod machine;
mod measure;
mod options;
pub(crate) mod output;
mod quality;
pub(crate) mod report;
mod results;
pub mod source;
pub(crate) mod stats;
mod streams;
mod table;
mod y4m;

use std::thread;

use direct264::error::Unavailable;
use direct264::{Backend, EncoderConfig, FrameRate, FrameSize};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, chain};
use clip::{BuiltInSource, Clip, FrameSource};
use contender::Contender;
use gpu::ClockWatch;
use machine::Machine;
use measure::MeasurePlan;
pub(crate) use options::BenchArgs;
use output::ResultFile;
use results::{BackendResult, Results, Run, RunSettings};
pub(crate) use table::machine as machine_line;
use y4m::Y4mSource;

const DEFAULT_FRAMES: u32 = 300;

/// Runs the subcommand.
///
/// # Errors
/// Code 2 for an error before the first frame, 1 for one after it, 130 after Ctrl-C. The results until Ctrl-C are
/// reported.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    interrupt::listen();
    if args.quality {
        quality::check()?;
    }
    let [input, json, report] = [&args.input, &args.json, &args.report].map(Option::as_deref);
    output::check_apart(&[("--input", input), ("--json", json), ("--report", report)])?;
    let mut json_output = json.map(ResultFile::open).transpose()?;
    let mut report_output = report.map(ResultFile::open).transpose()?;
    let pictures = Pictures::of(args)?;
    let told =
        if args.streams.is_empty() { one_by_one(args, pictures)? } else { many_at_once(args, pictures)? };

    output::print(&told.table, output::is_stdout(json) || output::is_stdout(report))?;
    if let Some(output) = &mut json_output {
        output.save(&told.json)?;
    }
    if let Some(output) = &mut report_output {
        output.save(&told.report)?;
    }
    if told.is_whole { Ok(()) } else { Err(interrupt::failure()) }
}

/// The results of a run as table, JSON and page.
struct Told {
    table: String,
    json: String,
    report: String,
    /// False after Ctrl-C.
    is_whole: bool,
}

/// The source of the pictures and the encoder settings for it.
struct Pictures {
    input: Option<Y4mSource>,
    config: EncoderConfig,
}

impl Pictures {
    fn of(args: &BenchArgs) -> Result<Self, Failure> {
        let input = args.input.as_deref().map(Y4mSource::open).transpose()?;
        let refused = |error| Failure::before(chain(&error));
        let size = match (&input, args.size) {
            (Some(source), _) => source.size(),
            (None, Some(size)) => size,
            (None, None) => FrameSize::new(1920, 1080).map_err(refused)?,
        };
        let frame_rate = match (args.fps, &input) {
            (Some(frame_rate), _) => Some(frame_rate),
            (None, Some(source)) => source.frame_rate()?,
            (None, None) => None,
        };
        let frame_rate = frame_rate.map_or_else(|| FrameRate::hz(30).map_err(refused), Ok)?;
        Ok(Self { input, config: EncoderConfig::new(size, frame_rate, args.bitrate) })
    }

    /// Loads the pictures and returns them with the number of frames to encode.
    fn load(&mut self, args: &BenchArgs) -> Result<(Clip, usize), Failure> {
        let wanted = args.frames.unwrap_or(DEFAULT_FRAMES);
        let spinner = ProgressBar::new_spinner().with_message("getting the pictures ready");
        spinner.tick();
        let clip = match &mut self.input {
            Some(source) => Clip::load(source, args.frames.map_or(usize::MAX, |frames| frames as usize)),
            None => Clip::load(&mut BuiltInSource::new(self.config.size(), wanted), wanted as usize),
        };
        spinner.finish_and_clear();
        let clip = clip?;
        let is_whole_input = args.frames.is_none() && self.input.is_some();
        let frames = if is_whole_input { clip.len() } else { wanted as usize };
        Ok((clip, frames))
    }

    fn settings(&self, args: &BenchArgs, clip: &Clip, frames: usize) -> RunSettings {
        RunSettings {
            size: self.config.size(),
            frame_rate: self.config.frame_rate(),
            bitrate: args.bitrate,
            frames,
            streams: (!args.streams.is_empty()).then(|| args.stream_counts()),
            pictures: clip.len(),
            pace: args.pace,
            input: args.input.as_deref().map(|path| path.display().to_string()),
        }
    }
}

/// Measures one stream of every backend.
fn one_by_one(args: &BenchArgs, mut pictures: Pictures) -> Result<Told, Failure> {
    // The encoders open before the pictures are made, so that a missing backend is reported at once.
    let (mut contenders, passed_over) = open_all(args, &pictures.config)?;
    let machine = Machine::here();
    let (clip, frames) = pictures.load(args)?;
    let mut watch = ClockWatch::default();
    let plan = MeasurePlan { frames, pace: args.pace };
    let is_whole = measure(&mut contenders, &clip, plan, &mut watch)?;

    let mut backends = Vec::new();
    for mut contender in contenders {
        // Decoding would delay the end after Ctrl-C.
        let psnr_db = if is_whole { quality::measure(&mut contender, &clip)? } else { None };
        backends.push(BackendResult::of(contender, psnr_db, pictures.config.frame_rate(), args.bitrate));
    }
    // The query follows the run, since a driver that was queried opens its first session sooner.
    let run = Run { settings: pictures.settings(args, &clip, frames), machine, gpus: watch.gpus() };
    let results = Results { run, passed_over, backends, is_whole };
    Ok(Told {
        table: table::render(&results),
        json: json::render(&results),
        report: report::render(&results),
        is_whole,
    })
}

/// Measures several streams of each backend at once.
fn many_at_once(args: &BenchArgs, mut pictures: Pictures) -> Result<Told, Failure> {
    let machine = Machine::here();
    // A separate thread has a separate arena of the allocator. The memory that making the pictures frees would else go
    // to the first encoders and hide what they take.
    let loaded = thread::scope(|scope| scope.spawn(|| pictures.load(args)).join());
    let (clip, frames) =
        loaded.map_err(|_| Failure::before("the thread that makes the pictures panicked"))??;
    let entrants = args.entrants();
    let plan = streams::StreamsPlan { counts: args.stream_counts(), frames, pace: args.pace };
    let bar = bar("turns", plan.counts.len() * entrants.len() * streams::ROUNDS);
    let found = streams::run(&entrants, &pictures.config, &clip, &plan, &|| bar.inc(1));
    bar.finish_and_clear();
    let found = found?;
    let missing: Vec<_> = found.refused.iter().filter(|refused| refused.streams == 0).collect();
    if !missing.is_empty() && (!args.backend.is_empty() || missing.len() == entrants.len()) {
        let reasons: Vec<_> = missing.iter().map(|refused| table::why_not(&refused.why)).collect();
        return Err(Failure::before(reasons.join("; ")));
    }
    let gpus = ClockWatch::default().gpus();
    let run = Run { settings: pictures.settings(args, &clip, frames), machine, gpus };
    Ok(Told {
        table: streams::table(&run, &found),
        json: streams::json(&run, &found),
        report: report::streams(&run, &found),
        is_whole: found.is_whole,
    })
}

/// Opens the requested entrants, or every backend, and reports the missing ones.
fn open_all(args: &BenchArgs, config: &EncoderConfig) -> Result<(Vec<Contender>, Vec<Unavailable>), Failure> {
    let frames = args.frames.unwrap_or(DEFAULT_FRAMES) as usize;
    let (mut contenders, mut passed_over) = (Vec::new(), Vec::new());
    for entrant in args.entrants() {
        match Contender::open(&entrant, config, frames, args.quality)? {
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

fn measure(
    contenders: &mut [Contender],
    clip: &Clip,
    plan: MeasurePlan,
    watch: &mut ClockWatch,
) -> Result<bool, Failure> {
    let bar = bar("frames", plan.frames * contenders.len());
    let is_whole = measure::run(contenders, clip, plan, &mut |contender, turn| {
        bar.inc(turn as u64);
        // The clocks are read while the GPU is warm: in the middle and at the end.
        let done = contender.records.len();
        let is_in_the_middle = (done - turn..done).contains(&(plan.frames / 2));
        if contender.entrant.backend == Backend::Nvenc && (is_in_the_middle || done == plan.frames) {
            watch.look();
        }
    });
    bar.finish_and_clear();
    is_whole
}

/// Returns a progress bar that counts `things` on a terminal.
fn bar(things: &str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    let template = format!("measuring {{wide_bar}} {{pos}}/{{len}} {things}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
