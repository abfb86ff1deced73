//! The pictures in flight: submitted, and not read yet.
#![expect(unsafe_code, reason = "pictures are uploaded from memory that is shared with the caller's side")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::next::{Next, Source};
use super::picture::Output;
use super::{SLOTS, Session, no_such_slot};
use crate::cuda::{Context, CudaEvent, Stream};
use crate::error::{DriverError, Error};
use crate::frame::CudaImage;
use crate::nvenc::pixels::{Layout, Staging};
use crate::nvenc::progress::SessionStep;
use crate::nvenc::slot::Input;

/// The pictures in flight, oldest first: at most one between two calls, two within.
#[derive(Debug)]
pub(super) struct Flight {
    pictures: VecDeque<Submitted>,
    copies: Copies,
}

/// A picture that was submitted and not read yet.
#[derive(Debug)]
struct Submitted {
    slot: usize,
    number: u64,
    is_idr: bool,
    upload: Duration,
    submit: Duration,
    staging: Option<Arc<Staging>>,
}

/// A stream that brings a picture to its surface while another is in flight. Work on the session's own stream may wait
/// until the encoder has read the picture in flight. A session makes the stream at its opening: the call that begins a
/// pipeline has the time limit of a frame, and making a stream may wait for the device.
#[derive(Debug)]
struct Copies {
    done: CudaEvent,
    stream: Stream,
}

impl Copies {
    fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        let stream = Stream::new(context)?;
        Ok(Self { done: CudaEvent::new(context)?, stream })
    }

    /// Makes another stream of the context wait for all work on this one. The context has to be current.
    fn before(&self, stream: &Stream) -> Result<(), DriverError> {
        // SAFETY: this stream is alive.
        unsafe { self.done.order(self.stream.handle().addr(), stream) }
    }

    /// Makes this stream wait for the stream that writes a picture. The context has to be current.
    fn after(&self, image: &CudaImage) -> Result<(), DriverError> {
        // SAFETY: the maker of the frame vouches for its stream.
        unsafe { self.done.order(image.stream(), &self.stream) }
    }
}

impl Session {
    /// Submits a picture if there is one, then reads the oldest one to `out` if more than `keep` are in flight. The
    /// picture and its share of memory have to live until this returns.
    ///
    /// # Errors
    /// [`Error::Frame`] for an address that is no device memory, or another GPU's: nothing was submitted or read.
    /// After any other error no source memory of a picture is read any more.
    pub(in crate::nvenc) fn advance(
        &mut self,
        next: Option<&Next>,
        keep: usize,
        out: &mut Output,
    ) -> Result<(), Error> {
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let advanced = self.advance_in_context(next, keep, out);
        if advanced.as_ref().is_err_and(|error| !error.leaves_encoder_usable()) {
            self.let_go();
        }
        advanced
    }

    fn advance_in_context(
        &mut self,
        next: Option<&Next>,
        keep: usize,
        out: &mut Output,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let submitted = match next {
            Some(next) => self.submit(next, start)?,
            None => start,
        };
        if self.flight.pictures.len() > keep {
            self.read_oldest(submitted, out)?;
        }
        Ok(())
    }

    /// Submits a picture, and returns the time at which that was done.
    fn submit(&mut self, next: &Next, start: Instant) -> Result<Instant, Error> {
        let (slot, input, staging) = match &next.source {
            Source::Staged(staging) => {
                self.progress.at(SessionStep::Upload);
                (next.slot, self.upload(next.slot, staging)?, Some(Arc::clone(staging)))
            }
            &Source::Device { image, size, format } => {
                self.progress.at(SessionStep::Submit);
                // The slots behind those of host pictures, so that alternating between the two changes no surface.
                let slot = SLOTS + next.slot;
                (slot, self.device_input(slot, &image, size, format)?, None)
            }
        };
        // Waiting for the upload belongs to this step.
        self.progress.at(SessionStep::Submit);
        if !self.ordered {
            self.stream.synchronise()?;
        }
        let uploaded = Instant::now();

        let number = self.pictures;
        self.submit_picture(slot, input, next)?;
        let submitted = Instant::now();
        let (upload, submit) = (uploaded - start, submitted - uploaded);
        self.flight.pictures.push_back(Submitted {
            slot,
            number,
            is_idr: next.is_idr,
            upload,
            submit,
            staging,
        });
        Ok(submitted)
    }

    /// Starts to upload a picture from page-locked memory: on the session's stream, or beside a picture in flight.
    fn upload(&mut self, slot: usize, staging: &Staging) -> Result<Input, Error> {
        let surface = self.slots.get(slot).and_then(|slot| slot.surface.as_ref()).ok_or_else(no_such_slot)?;
        let Layout { format, size, pitch } = staging.layout;
        if (surface.format(), surface.size(), surface.memory().pitch() as usize) != (format, size, pitch) {
            return Err(no_such_slot());
        }
        // SAFETY: the staging memory is shared and not written to until the session drops its share. That is after the
        // picture was read, and with it the surface behind the upload, or after the stream was waited for. The surface
        // is not freed before either: see `Drop`, and `prepare`, which is for slots without a picture in flight.
        unsafe { self.copy_stream().upload(&staging.memory, surface.memory(), staging.layout.bytes())? };
        self.end_copy()?;
        Ok(surface.input())
    }

    /// Makes the stream of [`copy_stream`](Session::copy_stream) wait for the work that writes a picture.
    pub(super) fn begin_copy(&mut self, image: &CudaImage) -> Result<(), DriverError> {
        if self.flight.pictures.is_empty() { self.wait_for(image) } else { self.flight.copies.after(image) }
    }

    /// The stream for a copy to the next surface: the session's, or the second one while a picture is in flight.
    pub(super) fn copy_stream(&self) -> &Stream {
        if self.flight.pictures.is_empty() { &self.stream } else { &self.flight.copies.stream }
    }

    /// Makes the session's stream wait for the copy.
    pub(super) fn end_copy(&self) -> Result<(), DriverError> {
        if self.flight.pictures.is_empty() { Ok(()) } else { self.flight.copies.before(&self.stream) }
    }

    /// Waits for the oldest picture in flight and copies its access unit out; `start` is the start of the wait.
    fn read_oldest(&mut self, start: Instant, out: &mut Output) -> Result<(), Error> {
        self.progress.at(SessionStep::Wait);
        let slot = self.flight.pictures.front().ok_or_else(no_such_slot)?.slot;
        let locked = self.lock(slot)?;
        let waited = Instant::now();
        // The picture leaves the queue first, so that it is not locked again after an error.
        let flying = self.flight.pictures.pop_front().ok_or_else(no_such_slot)?;

        self.progress.at(SessionStep::Unlock);
        let taken = self.take(slot, &locked, flying.number, flying.is_idr, out);
        // Unlocks the buffer even if its content was faulty.
        self.unlock(slot)?;
        taken?;
        out.qp = locked.qp;
        (out.upload, out.submit) = (flying.upload, flying.submit);
        out.wait = waited - start;
        out.copy = waited.elapsed();
        Ok(())
    }

    /// Waits, after an error, until no source memory of a picture is read any more.
    fn let_go(&mut self) {
        let _ = self.flight.copies.stream.synchronise();
        self.synchronise();
        for flying in &mut self.flight.pictures {
            flying.staging = None;
        }
    }

    /// Reads the pictures in flight after the end of stream, so that every buffer is returned as the driver wants it. A
    /// picture whose event has not come by then is left.
    /// The context has to be current.
    pub(super) fn end_flight(&mut self) {
        for at in 0..self.flight.pictures.len() {
            let Some(slot) = self.flight.pictures.get(at).map(|flying| flying.slot) else { continue };
            let is_complete = self.slots.get_mut(slot).is_some_and(|slot| slot.completion.has_come());
            if is_complete && self.lock(slot).is_ok() {
                let _ = self.unlock(slot);
            }
        }
        let _ = self.flight.copies.stream.synchronise();
    }
}

impl Flight {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        Ok(Self { pictures: VecDeque::with_capacity(SLOTS), copies: Copies::new(context)? })
    }
}
