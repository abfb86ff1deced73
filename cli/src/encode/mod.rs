//! The subcommand `direct264 encode`, which turns y4m or raw video into an H.264 stream.
//!
//! Every check comes before the first write to OUT, so that exit code 2 means that nothing was written.

pub mod at;
mod interrupt;
mod job;
mod options;
mod output;
mod paths;
mod progress;
mod reader;
mod scale;
mod settings;
mod source;
mod summary;
mod switches;
mod tally;

use direct264::failover::Opened;
use direct264::{Backend, Encoder, Reason};

pub(crate) use options::EncodeArgs;

use crate::backend::Choice;
use crate::failure::Failure;
use crate::stats::Stats;
use at::Schedule;
use interrupt::Interrupt;
use job::{EncodeJob, Ending};
use output::StreamOutput;
use paths::Places;
use progress::FrameProgress;
use reader::{FrameReader, Next};
use scale::Scaler;
use settings::EncodeSettings;
use source::VideoInput;
use summary::Summary;
use switches::Switches;
use tally::Tally;

/// Runs the subcommand.
///
/// # Errors
/// Code 2 for an error before the first frame, 1 for one after it, 130 after Ctrl-C.
pub(crate) fn run(args: &EncodeArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let choice = Choice::of(args.backend.clone())?;
    check_gpu(args, &choice)?;
    let schedule = Schedule::new(&args.at)?;
    let places = Places::of(args)?;
    let source = VideoInput::open(&places.input, args)?;
    if let Some(frames) = source.most_frames {
        schedule.check_within(frames, &source.name)?;
    }
    let settings = EncodeSettings::of(args, &source, &schedule)?;
    let opened = settings.open(&choice, &source)?;

    let VideoInput { name, size, format, most_frames, frames, .. } = source;
    let reader = FrameReader::start(frames, &interrupt)?;
    let first = match reader.next() {
        Next::End => return Err(Failure::before(format!("{name} holds no frame"))),
        Next::Failed(why) => return Err(Failure::before(format!("{name}: {why}"))),
        first => first,
    };
    // Both outputs open before either loses its content.
    let mut output = StreamOutput::open(&places.output)?;
    let mut stats = places.stats.as_deref().map(Stats::open).transpose()?;
    interrupt.hold();
    output.begin()?;
    stats.as_mut().map(Stats::begin).transpose()?;

    let Opened { encoder, passed_over, .. } = opened;
    let not_wanted = choice.not_wanted(encoder.backend());
    let mut job = EncodeJob {
        input: name.clone(),
        encoder,
        scaler: Scaler::new(format, size),
        schedule,
        output,
        stats,
        progress: FrameProgress::new(most_frames, args.quiet),
        tally: Tally::new(),
        switches: Switches::default(),
        bitrate: settings.config.bitrate(),
        frame_rate: settings.config.frame_rate(),
    };
    tell_choice(&mut job, &not_wanted, &choice)?;
    let ending = job.run(first, &reader)?;

    let EncodeJob { encoder, schedule, progress, tally, switches, .. } = job;
    let used_nvenc = encoder.counters().frames(Backend::Nvenc) > 0;
    drop(progress);
    check_ending(&ending, &name, &places, &tally, &schedule)?;
    if !args.quiet {
        let mut notes = settings.notes;
        notes.extend(switches.lines());
        notes.extend(gpu_note(args, used_nvenc));
        notes.extend(simd_note(tally.backend()));
        let summary = Summary {
            input: &name,
            output: &places.output,
            is_interrupted: ending == Ending::Interrupted,
            tally: &tally,
            frame_rate: settings.config.frame_rate(),
            passed_over: &passed_over,
            not_wanted: (&not_wanted, &choice.said),
            notes: &notes,
        };
        summary.tell();
    }
    match ending {
        Ending::Interrupted => Err(Failure::interrupted()),
        _ => Ok(()),
    }
}

/// Writes to `--stats` which backends the choice excludes, and the encoder's events of the others.
fn tell_choice(job: &mut EncodeJob, not_wanted: &[Backend], choice: &Choice) -> Result<(), Failure> {
    if let Some(stats) = &mut job.stats {
        for &backend in not_wanted {
            stats.passed_over(backend, Reason::ByRequest, &choice.said)?;
        }
    }
    job.tell_events()
}

/// Checks that the whole input was encoded and every `--at` was applied.
fn check_ending(
    ending: &Ending,
    input: &str,
    places: &Places,
    tally: &Tally,
    schedule: &Schedule,
) -> Result<(), Failure> {
    let (frames, output) = (tally.frames(), &places.output);
    match (ending, schedule.first_left()) {
        (Ending::Broken(why), _) => Err(Failure::after(format!(
            "{input}: {why}; the {frames} whole frames before it are in {output}"
        ))),
        (Ending::Whole, Some(at)) => Err(Failure::after(format!(
            "--at {at} was never reached: {input} ended after {frames} frames, which are in {output}"
        ))),
        // After Ctrl-C the user knows that the remaining actions did not happen.
        (Ending::Whole, None) | (Ending::Interrupted, _) => Ok(()),
    }
}

/// Refuses `--gpu` where the choice of backends excludes NVENC.
fn check_gpu(args: &EncodeArgs, choice: &Choice) -> Result<(), Failure> {
    match &args.gpu {
        Some(gpu) if !choice.order.backends().contains(&Backend::Nvenc) => Err(Failure::before(format!(
            "--gpu {gpu} names a GPU for nvenc, which {} does not allow: leave one of the two out",
            choice.said
        ))),
        _ => Ok(()),
    }
}

fn gpu_note(args: &EncodeArgs, used_nvenc: bool) -> Option<String> {
    let gpu = args.gpu.as_ref().filter(|_| !used_nvenc)?;
    Some(format!("--gpu {gpu} had no effect: nvenc did not encode"))
}

/// Returns a note where openh264 was built without SIMD, so that nobody takes the machine for slow.
fn simd_note(backend: Option<Backend>) -> Option<String> {
    #[cfg(any(feature = "openh264", feature = "cisco"))]
    if backend == Some(Backend::OpenH264)
        && direct264::openh264::Library::in_use().is_some_and(|library| library.simd == Some(false))
    {
        return Some(
            "openh264 was built without SIMD, about three times too slow: see direct264 probe".into(),
        );
    }
    let _ = backend;
    None
}
