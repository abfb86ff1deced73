//! The pipelined form: a frame is submitted before the one in flight is waited for.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::{NvencEncoder, SLOTS};
use crate::annexb::is_droppable;
use crate::backend::Backend;
use crate::config::CallForm;
use crate::cuda::{PinnedMemory, Process, frame_in};
use crate::encoder::{Coded, Encoder, Picture, StageTimes};
use crate::error::{Error, FrameError, Internal};
use crate::event::EventKind;
use crate::frame::{Frame, Pixels};
use crate::nvenc::job::Job;
use crate::nvenc::pixels::{Staging, SurfaceFormat};
use crate::nvenc::session::{Next, Output, Source};
use crate::pipeline::{Done, Submitted};
use crate::units::{FrameId, FrameSize, QpRange, Timestamp};

/// What is in flight.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// By slot. While a picture is in flight the session shares its memory, and both sides only read: so the pixels are
    /// at hand whatever becomes of the session.
    stagings: [Option<Arc<Staging>>; SLOTS],
    flying: Option<Flying>,
    /// What came out before it was asked for, because a change had to wait for it. Then nothing is in flight.
    done: Option<Done>,
    next_slot: usize,
    /// Frames submitted.
    pub(super) taken: u64,
}

/// A frame that was submitted and has not come out.
#[derive(Debug)]
struct Flying {
    from: From,
    timestamp: Timestamp,
    times: StageTimes,
    start: Instant,
}

/// Where its pixels are.
#[derive(Debug)]
enum From {
    /// In the page-locked memory of a slot, a picture of this size.
    Slot(usize, FrameSize),
    Device(Frame<'static>),
}

/// A frame about to be submitted.
struct Staged {
    source: Source,
    from: From,
    times: StageTimes,
}

impl Pipe {
    /// The page-locked memory that no frame in flight is in. What the session still shares goes with its last use there.
    pub(super) fn take_memory(&mut self) -> impl Iterator<Item = PinnedMemory> {
        let in_use = match &self.flying {
            Some(Flying { from: From::Slot(slot, _), .. }) => Some(*slot),
            _ => None,
        };
        let others = self.stagings.iter_mut().enumerate().filter(move |(slot, _)| Some(*slot) != in_use);
        others.filter_map(|(_, staging)| Some(Arc::into_inner(staging.take()?)?.memory))
    }

    /// Lets go of the frame in flight. What the session shares with it is freed there; else it is returned.
    pub(super) fn let_go(&mut self) -> Option<PinnedMemory> {
        match self.flying.take()?.from {
            From::Slot(slot, _) => Some(Arc::into_inner(self.stagings.get_mut(slot)?.take()?)?.memory),
            From::Device(_) => None,
        }
    }

    fn is_in_device_memory(&self) -> bool {
        matches!(&self.flying, Some(Flying { from: From::Device(_), .. }))
    }
}

impl NvencEncoder {
    /// See [`Engine::submit`](crate::encoder::Engine::submit).
    pub(super) fn submit_frame(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Submitted, Error> {
        let start = Instant::now();
        self.alive()?;
        if frame.size() != self.config.size {
            return Err(FrameError::Size { frame: frame.size(), encoder: self.config.size }.into());
        }
        let Staged { source, from, times } = self.staged(frame)?;
        let is_idr = self.kind_of(picture)?;
        let slot = self.pipe.next_slot;
        let is_behind_others = matches!(source, Source::Device { .. }) || self.pipe.is_in_device_memory();
        // Without a frame in flight what came out last stays where it is.
        let waits = self.pipe.flying.is_some();
        let out = if waits { std::mem::take(&mut self.out) } else { Output::default() };
        let next = Some(Next { slot, source, is_idr });
        let reply = self.run(Job::Pipe { next, is_behind_others, out })?;
        if waits {
            self.out = reply.out;
        }
        self.end(reply.result)?;
        if let Some(error) = reply.refused {
            return Err(error.into());
        }
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        self.idr_due = false;
        self.frames_since_idr = if is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.pipe.taken += 1;
        self.pipe.next_slot = (slot + 1) % SLOTS;
        let before = self.pipe.flying.replace(Flying { from, timestamp: frame.timestamp(), times, start });
        let done = before.map(|flying| self.done(flying)).or_else(|| self.pipe.done.take());
        Ok(Submitted { is_idr, is_in_flight: true, done })
    }

    /// See [`Engine::finish`](crate::encoder::Engine::finish).
    pub(super) fn finish_frame(&mut self) -> Result<Option<Done>, Error> {
        if self.pipe.flying.is_none() {
            return Ok(self.pipe.done.take());
        }
        self.alive()?;
        let out = std::mem::take(&mut self.out);
        let is_behind_others = self.pipe.is_in_device_memory();
        let reply = self.run(Job::Pipe { next: None, is_behind_others, out })?;
        self.out = reply.out;
        self.end(reply.result)?;
        let flying = self.pipe.flying.take();
        Ok(flying.map(|flying| self.done(flying)))
    }

    /// Waits for the frame in flight, and keeps what comes out for who asks next.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.pipe.done = self.finish_frame()?;
        Ok(())
    }

    /// See [`Engine::in_flight`](crate::encoder::Engine::in_flight).
    pub(super) fn frame_in_flight(&self) -> Option<Frame<'_>> {
        // A forked child need not have the memory.
        let flying = self.pipe.flying.as_ref().filter(|_| Process::current() == self.process)?;
        match &flying.from {
            From::Device(frame) => Some(*frame),
            From::Slot(slot, size) => {
                self.pipe.stagings.get(*slot)?.as_ref()?.frame(*size, flying.timestamp).ok()
            }
        }
    }

    /// Frees memory that a session which failed has let go of, where that costs the caller nothing: a driver that
    /// hangs there hangs alone.
    pub(super) fn free(&self, memory: PinnedMemory) {
        if matches!(self.config.nvenc.form, CallForm::Direct) {
            return drop(memory);
        }
        let freeing = thread::Builder::new().name("direct264-end".to_owned()).spawn(move || drop(memory));
        if let Err(error) = freeing {
            tracing::warn!(%error, "no thread to free memory on: it was freed on the caller's");
        }
    }

    /// Brings a frame to where the session takes it from.
    fn staged(&mut self, frame: &Frame<'_>) -> Result<Staged, Error> {
        let (Pixels::Cuda(image), Some(in_device_memory)) = (frame.pixels(), frame.in_device_memory()) else {
            return self.copied(frame);
        };
        let size = frame.size();
        if let Some(format) = SurfaceFormat::for_device(image.format(), self.config.colour) {
            let source = Source::Device { image: *image, size, format };
            return Ok(Staged { source, from: From::Device(in_device_memory), times: StageTimes::default() });
        }
        let start = Instant::now();
        let memory = self.fetch(image)?;
        let fetched = start.elapsed();
        let copied = match frame_in(&memory, image, size, frame.timestamp()) {
            Ok(frame) => self.copied(&frame),
            Err(error) => Err(error.into()),
        };
        self.fetched = Some(memory);
        let mut staged = copied?;
        staged.times.upload += fetched;
        Ok(staged)
    }

    /// Copies or converts a frame in host memory to the page-locked memory of the slot that is next.
    fn copied(&mut self, frame: &Frame<'_>) -> Result<Staged, Error> {
        let (format, size) = (frame.pixels().format(), frame.size());
        let (surface, as_it_is) = SurfaceFormat::for_frames(format, size, self.config.colour);
        let slot = self.pipe.next_slot;
        let mut staging = self.shared_staging(slot, surface)?;
        let times = match Arc::get_mut(&mut staging) {
            Some(staging) => self.fill(staging, frame, as_it_is),
            // A mistake of this crate: the session has read all that it shares of this slot.
            None => {
                return self.end(Err(Internal::new("the memory of a new picture is in use").into()));
            }
        };
        self.pipe.stagings[slot] = Some(Arc::clone(&staging));
        Ok(Staged { source: Source::Staged(staging), from: From::Slot(slot, size), times })
    }

    /// The memory of a slot, made ready for pictures of a format and the size in force.
    fn shared_staging(&mut self, slot: usize, format: SurfaceFormat) -> Result<Arc<Staging>, Error> {
        let coded = self.coded_size();
        let kept = self.pipe.stagings.get_mut(slot).and_then(Option::take);
        match kept {
            Some(kept) if (kept.layout.format, kept.layout.size) == (format, coded) => Ok(kept),
            kept => {
                if let Some(kept) = kept.and_then(Arc::into_inner) {
                    self.stagings[slot] = Some(kept);
                }
                Ok(Arc::new(self.staging(slot, format)?))
            }
        }
    }

    /// What came of a frame, counted.
    fn done(&mut self, flying: Flying) -> Done {
        self.watch_the_rate();
        let frame_id = FrameId(self.frames);
        let is_droppable = is_droppable(&self.out.bytes, &self.out.nals);
        self.references.coded(self.frames - self.first_picture, self.out.is_idr, is_droppable);
        self.frames += 1;
        self.is_first = false;
        let out = &self.out;
        if out.is_idr {
            // One more at most was submitted since.
            self.frames_since_idr = self.frames_since_idr.min(1 + u32::from(self.pipe.flying.is_some()));
        }
        let Flying { timestamp, mut times, start, .. } = flying;
        times.upload += out.upload;
        (times.submit, times.wait, times.copy) = (out.submit, out.wait, out.copy);
        times.total = start.elapsed();
        let qp = u8::try_from(out.qp).ok().filter(|&qp| qp <= QpRange::MAX_QP);
        let coded = Coded { frame_id, is_idr: out.is_idr, is_droppable, qp, times };
        Done { coded, timestamp, backend: Backend::Nvenc }
    }
}
