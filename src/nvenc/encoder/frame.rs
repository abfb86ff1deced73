//! Brings a frame to memory that the GPU reads, submits it, and counts its access unit.

use std::sync::Arc;
use std::time::Instant;

use super::NvencEncoder;
use super::in_flight::{FrameInFlight, Origin};
use super::memory::{SlotMemory, nothing};
use crate::access_unit::{AccessUnitInfo, StageTimes};
use crate::backend::Backend;
use crate::cuda::{PinnedMemory, Process, frame_in};
use crate::engine::Depth;
use crate::error::{Error, FrameError, Internal};
use crate::event::EventKind;
use crate::frame::{CudaImage, Frame, Pixels};
use crate::nvenc::job::{Carried, Job, Reply};
use crate::nvenc::session::{Next, Output, Source};
use crate::picture::Picture;
use crate::units::{FrameId, FrameSize, QpRange, Timestamp};

/// A frame in memory that the GPU reads, ready to submit.
pub(super) struct Brought {
    pub(super) source: Source,
    pub(super) slot: usize,
    pub(super) times: StageTimes,
    pub(super) start: Instant,
}

impl NvencEncoder {
    /// Makes the session ready for a frame, and returns whether its picture is an IDR. This comes before the frame is
    /// brought to memory that a call which hangs would leave for the caller's thread to free.
    ///
    /// # Errors
    /// [`FrameError::InFlight`] for a frame that is to be encoded to its access unit while another is in flight.
    pub(super) fn prepare(&mut self, picture: Picture, depth: Depth) -> Result<bool, Error> {
        if depth == Depth::One && self.in_flight.is_some() {
            return Err(FrameError::InFlight.into());
        }
        let is_idr = self.idr_is_due(picture);
        if is_idr {
            self.raise_level()?;
        }
        Ok(is_idr)
    }

    /// Brings a frame to memory that the GPU reads.
    pub(super) fn bring(&mut self, frame: &Frame<'_>, start: Instant) -> Result<Brought, Error> {
        let Pixels::Cuda(image) = frame.pixels() else { return self.copy(frame, start) };
        if let Some(format) = self.unconverted.for_device(image.format()) {
            let slot = match &self.in_flight {
                Some(FrameInFlight { slot: 0, origin: Origin::Device(_), .. }) => 1,
                _ => 0,
            };
            return Ok(Brought {
                source: Source::Device { image: *image, size: frame.size(), format },
                slot,
                times: StageTimes::default(),
                start,
            });
        }
        self.fetch_and_convert(image, frame, start)
    }

    /// Converts a picture on the CPU if the GPU would convert it to a colour that was not asked for.
    fn fetch_and_convert(
        &mut self,
        image: &CudaImage,
        frame: &Frame<'_>,
        start: Instant,
    ) -> Result<Brought, Error> {
        let memory = self.fetch(image, frame.size())?;
        let fetched = start.elapsed();
        let copied = match frame_in(&memory, image, frame.size(), frame.timestamp()) {
            Ok(frame) => self.copy(&frame, start),
            Err(error) => Err(error.into()),
        };
        self.fetched = Some(memory);
        let mut brought = copied?;
        brought.times.upload += fetched;
        Ok(brought)
    }

    /// Copies a picture in device memory to page-locked memory.
    fn fetch(&mut self, image: &CudaImage, size: FrameSize) -> Result<PinnedMemory, Error> {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                "RGB in device memory is downloaded, converted and uploaded, since the colour is not BT.601 at limited \
                 range: `NvencConfig::converts_rgb` leaves the conversion to NVENC"
            );
        }
        let memory = self.fetched.take();
        let Reply { result, carried } = self.run(Job::Fetch { image: *image, size, memory })?;
        if let Carried::Fetched(memory) = carried {
            self.fetched = memory;
        }
        self.end(result)?;
        self.fetched.take().ok_or_else(nothing)
    }

    /// Copies or converts a frame in host memory to the page-locked memory of a free slot.
    pub(super) fn copy(&mut self, frame: &Frame<'_>, start: Instant) -> Result<Brought, Error> {
        let format = frame.pixels().format();
        let (surface, as_it_is) = self.unconverted.for_frames(format);
        let slot = self.free_slot()?;
        let mut staging = self.staging(slot, surface)?;
        let Some(unshared) = Arc::get_mut(&mut staging) else {
            return self.end(Err(Internal::new("the memory of a free slot is in use").into()));
        };
        let prepared = Instant::now();
        let converted = if as_it_is {
            unshared.copy_frame(frame);
            prepared
        } else {
            if let Some(mut planes) = unshared.planar() {
                self.converter.write(frame, &mut planes);
            }
            Instant::now()
        };
        let times = StageTimes {
            convert: converted - prepared,
            upload: converted.elapsed(),
            ..StageTimes::default()
        };
        self.slots[slot] = SlotMemory::Here(Arc::clone(&staging));
        Ok(Brought { source: Source::Staged(staging), slot, times, start })
    }

    /// Submits a frame, and reads the access unit that is due. `frame` tells where a frame that stays in flight came
    /// from; `is_idr` is the answer of [`prepare`](NvencEncoder::prepare).
    pub(super) fn submit_brought(
        &mut self,
        brought: Brought,
        timestamp: Timestamp,
        (picture, is_idr): (Picture, bool),
        depth: Depth,
        frame: Option<&Frame<'_>>,
    ) -> Result<(), Error> {
        let Brought { source, slot, times, start } = brought;
        // Two tests for all that an ordinary picture has nothing to do with.
        let is_plain = picture == Picture::Auto && !is_idr && !self.waves.are_active();
        let refresh_frames = if is_plain { 0 } else { self.waves.begin(picture, is_idr, self.config.size()) };
        let keep = depth.kept();
        let is_read = usize::from(self.in_flight.is_some()) + 1 > keep;
        let is_in_device_memory = matches!(source, Source::Device { .. });
        let is_behind_others = is_in_device_memory || self.is_in_device_memory();
        let next = Some(Next { slot, source, is_idr, refresh_frames });
        let out = self.advance(next, keep, is_behind_others, is_read)?;
        if !is_plain {
            self.submitted(picture, is_idr);
        }
        self.taken += 1;
        self.frames_since_idr = self.frames_since_idr.saturating_add(1);
        if depth == Depth::One {
            self.count(timestamp, times, start, out);
            return Ok(());
        }
        let in_device_memory = frame.filter(|_| is_in_device_memory).and_then(Frame::in_device_memory);
        let origin = match in_device_memory {
            Some(frame) => Origin::Device(frame),
            None => Origin::Host(self.config.size()),
        };
        match self.in_flight.replace(FrameInFlight { slot, origin, timestamp, times, start }) {
            Some(FrameInFlight { timestamp, times, start, .. }) => self.count(timestamp, times, start, out),
            None => self.output = Some(out),
        }
        Ok(())
    }

    /// Waits for the frame in flight.
    pub(super) fn read_flying(&mut self) -> Result<(), Error> {
        let is_behind_others = self.is_in_device_memory();
        let out = self.advance(None, 0, is_behind_others, true)?;
        if let Some(FrameInFlight { timestamp, times, start, .. }) = self.in_flight.take() {
            self.count(timestamp, times, start, out);
        }
        Ok(())
    }

    /// Records that a picture was submitted that is an IDR or may belong to an intra refresh.
    #[cold]
    fn submitted(&mut self, picture: Picture, is_idr: bool) {
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        if is_idr {
            self.idr_due = false;
            self.frames_since_idr = 0;
        }
        self.waves.submitted(picture, is_idr, self.config.size());
    }

    fn advance(
        &mut self,
        next: Option<Next>,
        keep: usize,
        is_behind_others: bool,
        is_read: bool,
    ) -> Result<Box<Output>, Error> {
        let mut out = self.output.take().unwrap_or_default();
        if is_read {
            out.buffer = self.ready.take_buffer();
        }
        let Reply { result, carried } = self.run(Job::Advance { next, keep, is_behind_others, out })?;
        let Carried::Output(out) = carried else { return Err(nothing()) };
        match self.end(result) {
            Ok(()) => Ok(out),
            Err(error) => {
                if is_read {
                    self.ready.give_back(out.buffer);
                }
                Err(error)
            }
        }
    }

    fn is_in_device_memory(&self) -> bool {
        matches!(&self.in_flight, Some(FrameInFlight { origin: Origin::Device(_), .. }))
    }

    /// The frame in flight, available after an error too.
    pub(super) fn frame_in_flight(&self) -> Option<Frame<'_>> {
        // The memory may not exist in a forked child.
        let flying = self.in_flight.as_ref().filter(|_| Process::current() == self.process)?;
        match flying.origin {
            Origin::Device(frame) => Some(frame),
            Origin::Host(size) => self.slots.get(flying.slot)?.staging()?.frame(size, flying.timestamp).ok(),
        }
    }

    /// Counts an access unit, and queues it for the caller.
    fn count(&mut self, timestamp: Timestamp, mut times: StageTimes, start: Instant, mut out: Box<Output>) {
        let buffer = std::mem::take(&mut out.buffer);
        let Output { is_idr, is_droppable, qp, upload, submit, wait, copy, .. } = *out;
        self.output = Some(out);
        self.watch_the_rate(buffer.bytes.len(), qp);
        let frame_id = FrameId(self.frames);
        let picture = self.frames - self.first_picture;
        self.references.coded(picture, is_idr, is_droppable);
        let refresh = if self.waves.are_active() { self.refreshed(picture, is_idr) } else { None };
        self.frames += 1;
        self.is_first = false;
        if is_idr {
            // At most one more frame was submitted since.
            self.frames_since_idr = self.frames_since_idr.min(1 + u32::from(self.in_flight.is_some()));
        }
        times.upload += upload;
        (times.submit, times.wait, times.copy) = (submit, wait, copy);
        times.total = start.elapsed();
        let qp = u8::try_from(qp).ok().filter(|&qp| qp <= QpRange::MAX_QP);
        let known = AccessUnitInfo::new(Backend::Nvenc, frame_id, timestamp);
        let info = AccessUnitInfo { is_idr, is_droppable, refresh, qp, times, ..known };
        self.ready.push(buffer, info);
    }

    /// Reports that the pictures of the last second exceed the target bitrate and cannot be coarser.
    fn watch_the_rate(&mut self, bytes: usize, qp: u32) {
        // The driver returns the mean QP of a picture, and some macroblocks can be finer.
        let is_coarsest =
            qp < u32::from(QpRange::MAX_QP + 1) && qp + 1 >= u32::from(self.config.settings.qp_range.max());
        self.window.push(bytes);
        if let Some(unmet) = self.window.newly_unmet(is_coarsest) {
            self.events.note(FrameId(self.frames), Backend::Nvenc, unmet);
        }
    }

    fn idr_is_due(&self, picture: Picture) -> bool {
        let period_is_over =
            self.config.idr_period_frames.is_some_and(|period| self.frames_since_idr >= period.get());
        let is_asked_for = match picture {
            Picture::Auto => false,
            Picture::Idr => true,
            Picture::IntraRefresh { .. } => !self.setup.refreshes_on_request(&self.config),
        };
        self.idr_due || is_asked_for || period_is_over
    }
}
