//! The hardware backend: the contract of [`Encoder`] in terms of a session.

mod change;
mod device;
mod lending;
mod pipeline;
mod recovery;

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Instant;

use super::job::{Job, Reply};
use super::lent::Pool;
use super::opening::Setup;
use super::pixels::{Staging, SurfaceFormat};
use super::probe::{Capabilities, Version};
use super::runner::Runner;
use super::session::{Output, SLOTS};
use crate::annexb::is_droppable;
use crate::backend::Backend;
use crate::config::{EncoderConfig, GpuUuid};
use crate::convert::Converter;
use crate::cuda::{PinnedMemory, Process};
use crate::encoder::{AccessUnit, Encoder, Engine, Picture, StageTimes};
use crate::error::{Ended, Error, FrameError, Internal};
use crate::event::{Event, EventKind, EventLog};
use crate::frame::{Frame, Pixels};
use crate::level::Level;
use crate::pipeline::{Done, Pipelined, Submitted};
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::references::References;
use crate::remains::Remains;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange, Timestamp};
use crate::window::Window;
use pipeline::Pipe;

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
#[derive(Debug)]
pub struct NvencEncoder {
    runner: Runner,
    setup: Setup,
    /// As opened, with what was changed since.
    config: EncoderConfig,
    /// In the SPS of the sequence that is running.
    level: Level,
    /// The page-locked memory of each slot, where it is not lent.
    stagings: [Option<Staging>; SLOTS],
    /// Which slots' memory is with the caller.
    lent: [bool; SLOTS],
    pool: Arc<Pool>,
    /// What the pipelined form has in flight.
    pipe: Pipe,
    converter: Converter,
    /// Where pictures in device memory are fetched to.
    fetched: Option<PinnedMemory>,
    /// It was said that pictures are fetched.
    has_warned: bool,
    /// Reused from frame to frame.
    out: Output,
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
    /// What ended the session.
    spent: Option<Error>,
    /// Where the session lives: a forked child has neither its thread nor its CUDA.
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
            stagings: [None, None],
            lent: [false; SLOTS],
            pool: Pool::new(config.size.padded_to_even()),
            pipe: Pipe::default(),
            converter: Converter::new(config.colour),
            fetched: None,
            has_warned: false,
            out: Output::default(),
            frames: 0,
            frames_since_idr: 0,
            idr_due: true,
            is_first: true,
            window: Window::new(config.frame_rate, config.bitrate),
            events: EventLog::default(),
            left: Vec::new(),
            spent: None,
            process: Process::current(),
        };
        encoder.note(EventKind::Selected);
        Ok(encoder)
    }

    /// The place of the GPU in CUDA's order, from 0.
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

    /// What the GPU's encoder can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.setup.can
    }

    fn note(&mut self, kind: EventKind) {
        self.events.note(self.frames.max(self.pipe.taken), Backend::Nvenc, kind);
    }

    /// Before anything else, since page-locked memory need not even be there in a forked child.
    fn alive(&self) -> Result<(), Error> {
        if Process::current() != self.process {
            return Err(Ended::forked(Backend::Nvenc).into());
        }
        match &self.spent {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Remembers the error that ends the session, and has it end without making the caller wait for that.
    fn end<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| {
            self.spent = Some(error.clone());
            if error.reason() == Reason::TimedOut {
                self.pool.lose();
            }
            let Self { runner, stagings, fetched, pipe, .. } = self;
            runner.begin_to_close(|| take_memory(stagings, fetched, pipe));
            error
        })
    }

    /// Ends the session, or waits until one that has begun to end is gone.
    fn close(&mut self) {
        let in_flight = self.pipe.let_go();
        let memory = take_memory(&mut self.stagings, &mut self.fetched, &mut self.pipe);
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

    /// Does a job that leaves the session good when the driver refuses it.
    fn run(&mut self, job: Job) -> Result<Reply, Error> {
        let ran = self.runner.run(job, self.is_first);
        self.end(ran)
    }

    /// A slot whose memory is not with the caller.
    fn free_slot(&mut self) -> Result<usize, FrameError> {
        for slot in 0..SLOTS {
            if let Some(staging) = self.pool.take(slot) {
                self.stagings[slot] = Some(staging);
                self.lent[slot] = false;
            }
        }
        self.lent.iter().position(|&lent| !lent).ok_or(FrameError::AllLent { lent: SLOTS })
    }

    /// The memory of a slot, made ready for pictures of a format and the size in force.
    fn staging(&mut self, slot: usize, format: SurfaceFormat) -> Result<Staging, Error> {
        let coded = self.coded_size();
        let old = self.stagings.get_mut(slot).and_then(Option::take);
        match old {
            Some(staging) if (staging.layout.format, staging.layout.size) == (format, coded) => Ok(staging),
            old => {
                let reply = self.run(Job::Prepare { slot, format, old })?;
                self.end(reply.result)?;
                let nothing = || Internal::new("a slot was prepared without memory").into();
                self.end(reply.staging.ok_or_else(nothing))
            }
        }
    }

    fn encode_host(
        &mut self,
        frame: &Frame<'_>,
        timestamp: Timestamp,
        picture: Picture,
        start: Instant,
    ) -> Result<AccessUnit<'_>, Error> {
        let (slot, staging, times) = self.stage(frame)?;
        self.encode_staged(slot, staging, timestamp, picture, times, start)
    }

    /// Brings a frame in host memory to a slot's page-locked memory.
    fn stage(&mut self, frame: &Frame<'_>) -> Result<(usize, Staging, StageTimes), Error> {
        if matches!(frame.pixels(), Pixels::Cuda(_)) {
            return Err(FrameError::NotInHostMemory.into());
        }
        let format = frame.pixels().format();
        let (surface, as_it_is) = SurfaceFormat::for_frames(format, frame.size(), self.config.colour);
        let slot = self.free_slot()?;
        let mut staging = self.staging(slot, surface)?;
        let times = self.fill(&mut staging, frame, as_it_is);
        Ok((slot, staging, times))
    }

    /// Copies or converts a frame to page-locked memory.
    // In line, so that the one-call form pays nothing for the pipelined one, which uses it too.
    #[inline(always)]
    fn fill(&mut self, staging: &mut Staging, frame: &Frame<'_>, as_it_is: bool) -> StageTimes {
        let prepared = Instant::now();
        let converted = if as_it_is {
            staging.copy_frame(frame);
            prepared
        } else {
            if let Some(mut planes) = staging.planar() {
                self.converter.write(frame, &mut planes);
            }
            Instant::now()
        };
        StageTimes { convert: converted - prepared, upload: converted.elapsed(), ..StageTimes::default() }
    }

    fn encode_staged(
        &mut self,
        slot: usize,
        staging: Staging,
        timestamp: Timestamp,
        picture: Picture,
        times: StageTimes,
        start: Instant,
    ) -> Result<AccessUnit<'_>, Error> {
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        let is_idr = match self.kind_of(picture) {
            Ok(is_idr) => is_idr,
            Err(error) => {
                self.stagings[slot] = Some(staging);
                return Err(error);
            }
        };
        let out = std::mem::take(&mut self.out);
        let reply = self.run(Job::Encode { slot, staging, is_idr, out })?;
        self.stagings[slot] = reply.staging;
        self.out = reply.out;
        self.end(reply.result)?;
        Ok(self.access_unit(timestamp, times, start))
    }

    /// What came of a picture, counted.
    fn access_unit(&mut self, timestamp: Timestamp, mut times: StageTimes, start: Instant) -> AccessUnit<'_> {
        self.watch_the_rate();
        let frame_id = FrameId(self.frames);
        let is_droppable = is_droppable(&self.out.bytes, &self.out.nals);
        self.references.coded(self.frames - self.first_picture, self.out.is_idr, is_droppable);
        self.frames += 1;
        self.frames_since_idr = if self.out.is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.idr_due = false;
        self.is_first = false;
        let out = &self.out;
        times.upload += out.upload;
        (times.submit, times.wait, times.copy) = (out.submit, out.wait, out.copy);
        times.total = start.elapsed();
        AccessUnit {
            bytes: &out.bytes,
            nal_ranges: &out.nals,
            frame_id,
            is_idr: out.is_idr,
            is_droppable,
            timestamp,
            qp: u8::try_from(out.qp).ok().filter(|&qp| qp <= QpRange::MAX_QP),
            times,
            backend: Backend::Nvenc,
        }
    }

    /// Tells when the pictures of the last second are more than was asked for and cannot be coarser.
    // In line, so that the one-call form pays nothing for the pipelined one, which uses it too.
    #[inline(always)]
    fn watch_the_rate(&mut self) {
        // The driver tells the mean of a picture, in which some macroblocks can be finer.
        let is_coarsest = self.out.qp < u32::from(QpRange::MAX_QP + 1)
            && self.out.qp + 1 >= u32::from(self.config.qp_range.max());
        self.window.push(self.out.bytes.len());
        if let Some(unmet) = self.window.newly_unmet(is_coarsest) {
            self.events.note(self.frames, Backend::Nvenc, unmet);
        }
    }

    fn idr_is_due(&self, picture: Picture) -> bool {
        let period_is_over =
            self.config.idr_period_frames.is_some_and(|period| self.frames_since_idr >= period.get());
        let is_asked_for = match picture {
            Picture::Auto => false,
            Picture::Idr => true,
            Picture::IntraRefresh { .. } => !self.setup.can.intra_refresh,
        };
        self.idr_due || is_asked_for || period_is_over
    }

    /// Whether the next picture is an IDR, with all that has to be in force before it.
    fn kind_of(&mut self, picture: Picture) -> Result<bool, Error> {
        let is_idr = self.idr_is_due(picture);
        if is_idr {
            self.raise_level()?;
        } else if let Picture::IntraRefresh { frames } = picture {
            self.run(Job::Refresh { frames: frames.get() })?;
        }
        Ok(is_idr)
    }
}

/// The page-locked memory that is not with the caller, to be freed after the session.
fn take_memory(
    stagings: &mut [Option<Staging>],
    fetched: &mut Option<PinnedMemory>,
    pipe: &mut Pipe,
) -> Vec<PinnedMemory> {
    let staged = stagings.iter_mut().filter_map(|staging| Some(staging.take()?.memory));
    staged.chain(fetched.take()).chain(pipe.take_memory()).collect()
}

impl Encoder for NvencEncoder {
    fn backend(&self) -> Backend {
        Backend::Nvenc
    }

    fn size(&self) -> FrameSize {
        self.config.size
    }

    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let start = Instant::now();
        self.alive()?;
        if frame.size() != self.config.size {
            return Err(FrameError::Size { frame: frame.size(), encoder: self.config.size }.into());
        }
        match *frame.pixels() {
            Pixels::Cuda(image) => self.encode_cuda(&image, frame.timestamp(), picture, start),
            _ => self.encode_host(frame, frame.timestamp(), picture, start),
        }
    }

    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.alive()?;
        // A picture in flight is predicted from what may be lost.
        self.settle()?;
        self.recover(&lost)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.alive()?;
        let from = self.config.bitrate;
        if from != bitrate {
            self.change(EncoderConfig { bitrate, ..self.config.clone() })?;
            self.note(EventKind::BitrateChanged { from, to: bitrate });
        }
        Ok(())
    }

    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.change(EncoderConfig { frame_rate, ..self.config.clone() })
    }

    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.change(EncoderConfig { qp_range, ..self.config.clone() })
    }

    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.alive()?;
        if size == self.config.size {
            return Ok(());
        }
        self.change_size(size)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.alive()?;
        let reply = self.run(Job::ParameterSets)?;
        reply.result?;
        let mut bytes = Vec::with_capacity(reply.parameter_sets.len());
        for nal in crate::annexb::nals(&reply.parameter_sets) {
            bytes.extend_from_slice(&[0, 0, 0, 1]);
            bytes.extend_from_slice(nal.bytes());
        }
        Ok(bytes)
    }

    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.forget(address)?;
        self.all_have_ended()
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }
}

impl Pipelined for NvencEncoder {}

impl Engine for NvencEncoder {
    fn last_unit(&self) -> (&[u8], &[Range<usize>]) {
        (&self.out.bytes, &self.out.nals)
    }

    fn trade_unit(&mut self, bytes: &mut Vec<u8>, nals: &mut Vec<Range<usize>>) {
        std::mem::swap(&mut self.out.bytes, bytes);
        std::mem::swap(&mut self.out.nals, nals);
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Submitted, Error> {
        self.submit_frame(frame, picture)
    }

    fn finish(&mut self) -> Result<Option<Done>, Error> {
        self.finish_frame()
    }

    fn in_flight(&self) -> Option<Frame<'_>> {
        self.frame_in_flight()
    }

    fn start_over(&mut self) {
        self.idr_due = true;
    }

    fn let_go(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.alive()?;
        self.forget(address)
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
