//! The engine of the NVENC backend, on top of a session.

mod change;
mod exchange;
mod frame;
mod in_flight;
mod lending;
mod memory;
mod recovery;
mod waves;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use super::job::{Carried, Job, Reply};
use super::lent::Pool;
use super::opening::{Opened, Setup};
use super::pixels::Unconverted;
use super::probe::{Capabilities, Version};
use super::runner::Runner;
use super::session::{Output, SLOTS};
use crate::backend::Backend;
use crate::config::{EncoderConfig, GpuUuid, Settings};
use crate::convert::Converter;
use crate::cuda::{PinnedMemory, Process};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::{Ended, Error, FrameError, StillInUse};
use crate::event::{Event, EventKind, EventLog};
use crate::frame::Frame;
use crate::level::Level;
use crate::picture::Picture;
use crate::ready::Ready;
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::references::References;
use crate::remains::Remains;
use crate::replaceable::Replaceable;
use crate::units::FrameId;
use crate::window::Window;
use in_flight::FrameInFlight;
use memory::SlotMemory;
use waves::Waves;

/// An H.264 encoder on an NVIDIA GPU.
///
/// An encoder also lends page-locked frames. The caller writes pixels into one, and the GPU reads them without another
/// copy on the host:
///
/// ```no_run
/// use direct264::nvenc::{NvencEncoder, PixelsMut};
/// use direct264::{Picture, PixelFormat, Timestamp};
/// # fn example(mut encoder: NvencEncoder) -> Result<(), direct264::Error> {
/// let mut frame = encoder.lend(PixelFormat::Nv12)?;
/// if let PixelsMut::Nv12 { y, uv } = frame.pixels_mut() {
///     y.bytes.fill(16);
///     uv.bytes.fill(128);
/// }
/// let unit = encoder.encode_lent(frame, Timestamp(0), Picture::Auto)?;
/// # let _ = unit; Ok(()) }
/// ```
///
/// In a [`Pipeline`](crate::Pipeline) at most two frames are in flight, the second one only inside `submit`.
#[derive(Debug)]
pub struct NvencEncoder {
    runner: Runner,
    setup: Setup,
    /// The configuration at opening, with the settings in force.
    config: EncoderConfig,
    /// The level in the SPS of the running sequence.
    level: Level,
    unconverted: Unconverted,
    slots: [SlotMemory; SLOTS],
    pool: Arc<Pool>,
    /// The frame that was submitted and whose access unit has not come out.
    in_flight: Option<FrameInFlight>,
    /// The answer of the last job that read a picture, to be used again. In a box, which moves to the session's thread
    /// and back as a pointer.
    output: Option<Box<Output>>,
    ready: Ready,
    converter: Converter,
    /// The memory that fetched pictures are copied to.
    fetched: Option<PinnedMemory>,
    /// Whether the warning about fetched pictures was logged.
    has_warned: bool,
    /// The number of frames submitted.
    taken: u64,
    /// The number of access units that came out.
    frames: u64,
    frames_since_idr: u32,
    /// Whether the next picture is an IDR because the stream was just opened or changed its size.
    idr_due: bool,
    /// Whether no access unit of this session has come out yet.
    is_first: bool,
    references: References,
    waves: Waves,
    /// The number of the session's first frame.
    first_picture: u64,
    window: Window,
    events: EventLog,
    /// Earlier sessions of this encoder.
    left: Vec<Remains>,
    /// The error that ended the session.
    spent: Option<Error>,
    /// The process of the session. A forked child has neither its thread nor its CUDA.
    process: Process,
}

impl NvencEncoder {
    /// Opens an encoder on the GPU that the configuration names, or on the first GPU that can encode.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work. [`Error::Unavailable`] with the reason when the driver, an
    /// encoder, a session or memory is missing, or the GPU refuses the size or the settings. [`Error::Driver`] for any
    /// other refusal.
    pub fn new(config: &EncoderConfig) -> Result<Self, Error> {
        config.validate()?;
        let config = config.settled();
        let (runner, Opened { setup, first }) = Runner::open(&config)?;
        let mut encoder = Self {
            runner,
            level: setup.level(&config),
            references: References::new(setup.reference_frames(&config)),
            waves: Waves::default(),
            first_picture: 0,
            setup,
            unconverted: Unconverted::of(&config),
            slots: memory::slots(first),
            pool: Pool::new(config.size().padded_to_even()),
            in_flight: None,
            output: None,
            ready: Ready::default(),
            converter: Converter::new(config.colour),
            fetched: None,
            has_warned: false,
            taken: 0,
            frames: 0,
            frames_since_idr: 0,
            idr_due: true,
            is_first: true,
            window: Window::new(config.frame_rate(), config.bitrate()),
            events: EventLog::default(),
            left: Vec::new(),
            spent: None,
            process: Process::current(),
            config,
        };
        encoder.note(EventKind::Selected);
        Ok(encoder)
    }

    /// The index of the GPU in CUDA's order, from 0.
    #[must_use]
    pub fn gpu_index(&self) -> u32 {
        self.setup.gpu_index
    }

    /// The GPU's UUID; `None` where the driver does not tell it.
    #[must_use]
    pub fn gpu_uuid(&self) -> Option<GpuUuid> {
        self.setup.gpu_uuid
    }

    /// The GPU's name, such as `NVIDIA L4`; empty where the driver does not tell it.
    #[must_use]
    pub fn gpu_name(&self) -> &str {
        &self.setup.gpu_name
    }

    /// The NVENC API version negotiated with the driver.
    #[must_use]
    pub fn api(&self) -> Version {
        self.setup.api.into()
    }

    /// The capabilities of the GPU's encoder.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.setup.can
    }

    fn note(&mut self, kind: EventKind) {
        self.events.note(FrameId(self.taken), Backend::Nvenc, kind);
    }

    /// Checks that the session is usable. This check comes first, since a forked child may not even have the
    /// page-locked memory.
    fn alive(&self) -> Result<(), Error> {
        if Process::current() != self.process {
            return Err(Ended::forked(Backend::Nvenc).into());
        }
        match &self.spent {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Records an error that ends the session, and starts the end without making the caller wait. An error of the
    /// frame ends nothing.
    fn end<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && !error.leaves_encoder_usable()
        {
            self.spent = Some(error.clone());
            if error.reason() == Reason::TimedOut {
                self.pool.lose();
            }
            if self.runner.closes_by_itself() {
                let memory = self.take_memory();
                self.runner.begin_to_close(memory);
            }
        }
        result
    }

    /// Ends the session, or waits for an end that has begun.
    fn close(&mut self) {
        let in_flight = self.let_go_of_flying();
        let memory = self.take_memory();
        let runner = std::mem::replace(&mut self.runner, Runner::Gone);
        self.left.retain(|left| left.strong_count() > 0);
        self.left.push(runner.remains());
        if Process::current() == self.process {
            runner.close(memory);
            if let Some(memory) = in_flight {
                self.free(memory);
            }
        } else {
            // In a forked child these belong to the parent process.
            std::mem::forget((runner, memory, in_flight));
        }
    }

    /// Does a job. The reply says whether the driver refused it. An error here means that no reply came, and ends the
    /// session.
    fn run(&mut self, job: Job) -> Result<Reply, Error> {
        let ran = self.runner.run(job, self.is_first);
        self.end(ran)
    }

    /// Does a job and ends the session if the driver refuses it.
    fn run_or_end(&mut self, job: Job) -> Result<Carried, Error> {
        let Reply { result, carried } = self.run(job)?;
        self.end(result)?;
        Ok(carried)
    }

    /// Checks that every earlier session has ended.
    fn all_have_ended(&mut self) -> Result<(), Error> {
        self.left.retain(|left| left.strong_count() > 0);
        if self.left.is_empty() {
            return Ok(());
        }
        Err(StillInUse::new(Backend::Nvenc).into())
    }
}

impl Encoder for NvencEncoder {
    fn backend(&self) -> Backend {
        Backend::Nvenc
    }

    fn settings(&self) -> Settings {
        self.config.settings
    }

    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.alive()?;
        // The picture in flight may be predicted from a lost one.
        self.finish()?;
        self.recover(&lost)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.alive()?;
        let Reply { result, carried } = self.run(Job::ParameterSets)?;
        result?;
        let Carried::ParameterSets(sets) = carried else { return Err(memory::nothing()) };
        let mut bytes = Vec::with_capacity(sets.len());
        for nal in crate::annexb::nals(&sets) {
            bytes.extend_from_slice(&[0, 0, 0, 1]);
            bytes.extend_from_slice(nal.bytes());
        }
        Ok(bytes)
    }

    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        if self.spent.is_some() {
            self.close();
        } else {
            self.let_go(address)?;
        }
        self.all_have_ended()
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }
}

impl Engine for NvencEncoder {
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        self.alive()?;
        let from = self.config.settings;
        if settings == from {
            return Ok(());
        }
        let config = EncoderConfig { settings, ..self.config.clone() };
        if settings.size == from.size {
            self.change(config)?;
        } else {
            self.change_size(config)?;
        }
        // A change that the driver refused left the bitrate as it was.
        let to = self.config.bitrate();
        if to != from.bitrate {
            self.note(EventKind::BitrateChanged { from: from.bitrate, to });
        }
        Ok(())
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error> {
        let start = Instant::now();
        self.alive()?;
        let size = self.config.size();
        if frame.size() != size {
            return Err(FrameError::Size { frame: frame.size(), encoder: size }.into());
        }
        let is_idr = self.prepare(picture, depth)?;
        let brought = self.bring(frame, start)?;
        self.submit_brought(brought, frame.timestamp(), (picture, is_idr), depth, Some(frame))
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.in_flight.is_none() {
            return Ok(());
        }
        self.alive()?;
        self.read_flying()
    }

    fn ready(&mut self) -> &mut Ready {
        &mut self.ready
    }
}

impl Replaceable for NvencEncoder {
    fn in_flight(&self) -> Option<Frame<'_>> {
        self.frame_in_flight()
    }

    fn start_over(&mut self) {
        self.idr_due = true;
    }

    fn let_go(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.alive()?;
        self.finish()?;
        self.run_or_end(Job::Forget { address }).map(drop)
    }

    fn remains(&self) -> Vec<Remains> {
        let left = self.left.iter().cloned();
        left.chain([self.runner.remains()]).collect()
    }
}

impl Drop for NvencEncoder {
    fn drop(&mut self) {
        self.close();
    }
}
