//! The engine of the hardware backend, in terms of a session.

mod change;
mod flying;
mod frame;
mod lending;
mod memory;
mod recovery;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use super::job::{Carried, Job, Reply};
use super::lent::Pool;
use super::opening::Setup;
use super::probe::{Capabilities, Version};
use super::runner::Runner;
use super::session::SLOTS;
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
use flying::Flying;
use memory::SlotMemory;

/// An H.264 encoder on an NVIDIA GPU.
///
/// Beside [`Encoder`] it lends page-locked frames, into which a caller writes pixels that then go to the GPU without
/// another copy on the host:
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
/// In a [`Pipeline`](crate::Pipeline) it has at most two frames in flight, the second one only inside `submit`.
#[derive(Debug)]
pub struct NvencEncoder {
    runner: Runner,
    setup: Setup,
    /// As opened, with the settings in force.
    config: EncoderConfig,
    /// In the SPS of the sequence that is running.
    level: Level,
    slots: [SlotMemory; SLOTS],
    pool: Arc<Pool>,
    /// The frame that was submitted and has not come out.
    flying: Option<Flying>,
    ready: Ready,
    converter: Converter,
    /// Memory that pictures in device memory are fetched to.
    fetched: Option<PinnedMemory>,
    /// It was said that pictures are fetched.
    has_warned: bool,
    /// Frames that were submitted.
    taken: u64,
    /// Access units that came out.
    frames: u64,
    frames_since_idr: u32,
    /// The next picture is an IDR because the stream has just been opened or changed its size.
    idr_due: bool,
    /// No access unit has come out of this session yet.
    is_first: bool,
    references: References,
    /// The frame that the session began with.
    first_picture: u64,
    window: Window,
    events: EventLog,
    /// Sessions that were left for another one.
    left: Vec<Remains>,
    /// The error that ended the session.
    spent: Option<Error>,
    /// The process that the session lives in: a forked child has neither its thread nor its CUDA.
    process: Process,
}

impl NvencEncoder {
    /// Opens an encoder on the GPU that the configuration names, or the first that can.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work. [`Error::Unavailable`] with the reason when there is no driver,
    /// no encoder, no session or no memory to be had, or the GPU does not take the size or the settings.
    /// [`Error::Driver`] for any other refusal.
    pub fn new(config: &EncoderConfig) -> Result<Self, Error> {
        config.validate()?;
        let (runner, setup) = Runner::open(config)?;
        let mut encoder = Self {
            runner,
            level: setup.level(config),
            references: References::new(setup.reference_frames(config)),
            first_picture: 0,
            setup,
            config: config.clone(),
            slots: Default::default(),
            pool: Pool::new(config.size().padded_to_even()),
            flying: None,
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
        };
        encoder.note(EventKind::Selected);
        Ok(encoder)
    }

    /// The index of the GPU in CUDA's order, from 0.
    #[must_use]
    pub fn gpu_index(&self) -> u32 {
        self.setup.gpu_index
    }

    /// The GPU's UUID; `None` where the driver has no function for it.
    #[must_use]
    pub fn gpu_uuid(&self) -> Option<GpuUuid> {
        self.setup.gpu_uuid
    }

    /// The GPU's name, such as `NVIDIA L4`.
    #[must_use]
    pub fn gpu_name(&self) -> &str {
        &self.setup.gpu_name
    }

    /// The NVENC API that is spoken with the driver.
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

    /// Whether the session can be used. This is asked before anything else, since page-locked memory need not even be
    /// there in a forked child.
    fn alive(&self) -> Result<(), Error> {
        if Process::current() != self.process {
            return Err(Ended::forked(Backend::Nvenc).into());
        }
        match &self.spent {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Remembers an error that ends the session, and has it end without making the caller wait for that. An error of the
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

    /// Ends the session, or waits until one that has begun to end is gone.
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
            // A forked child has a copy of what is another's to end.
            std::mem::forget((runner, memory, in_flight));
        }
    }

    /// Does a job. Its answer says whether the driver refused it; an error here says that no answer came, and ends the
    /// session.
    fn run(&mut self, job: Job) -> Result<Reply, Error> {
        let ran = self.runner.run(job, self.is_first);
        self.end(ran)
    }

    /// Does a job whose refusal ends the session.
    fn run_or_end(&mut self, job: Job) -> Result<Carried, Error> {
        let Reply { result, carried } = self.run(job)?;
        self.end(result)?;
        Ok(carried)
    }

    /// Whether every session that was left has ended.
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
        // A picture in flight is predicted from what may be lost.
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
        if settings.bitrate != from.bitrate {
            self.note(EventKind::BitrateChanged { from: from.bitrate, to: settings.bitrate });
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
        self.prepare(picture, depth)?;
        let brought = self.bring(frame, start)?;
        self.submit_brought(brought, picture, depth)
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.flying.is_none() {
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
