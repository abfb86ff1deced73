//! Pictures one behind the other: the next one is submitted before the one in flight is waited for.
#![expect(unsafe_code, reason = "pictures are uploaded from memory that is shared with the caller's side")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Output, SLOTS, Session, no_such_slot};
use crate::cuda::{Context, Event, Place, Stream};
use crate::error::{DriverError, Error};
use crate::frame::CudaImage;
use crate::nvenc::pixels::{Layout, Staging, SurfaceFormat};
use crate::nvenc::progress::Step;
use crate::nvenc::slot::{Input, Slot};
use crate::units::FrameSize;

/// A picture that is to be submitted.
#[derive(Debug)]
pub(in crate::nvenc) struct Next {
    /// Less than [`SLOTS`], and not that of the picture in flight.
    pub(in crate::nvenc) slot: usize,
    pub(in crate::nvenc) source: Source,
    pub(in crate::nvenc) is_idr: bool,
}

/// Where a picture's pixels are.
#[derive(Debug)]
pub(in crate::nvenc) enum Source {
    /// Shared for as long as the picture is in flight: the session lets go of it when nothing reads it any more, and
    /// until then nobody writes to it.
    Staged(Arc<Staging>),
    /// In device memory of the caller's, a picture of this size.
    Device { image: CudaImage, size: FrameSize, format: SurfaceFormat },
}

/// The pictures in flight, oldest first: one between two calls, two within.
#[derive(Debug, Default)]
pub(super) struct Flight {
    pictures: VecDeque<Flying>,
    /// Made with the first picture that needs it.
    copies: Option<Copies>,
}

/// A picture that was submitted and not read.
#[derive(Debug)]
struct Flying {
    slot: usize,
    number: u64,
    is_idr: bool,
    upload: Duration,
    submit: Duration,
    staging: Option<Arc<Staging>>,
}

/// A stream for bringing pictures to their surfaces. What is on the session's own stream may wait for the picture in
/// flight, since the encoder orders its output there.
#[derive(Debug)]
struct Copies {
    done: Event,
    stream: Stream,
}

impl Copies {
    fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        let stream = Stream::new(context)?;
        Ok(Self { done: Event::new(context)?, stream })
    }

    /// Has another stream of the context wait for all that is on this one. The context has to be current.
    fn before(&self, stream: &Stream) -> Result<(), DriverError> {
        // SAFETY: this stream is alive.
        unsafe { self.done.order(self.stream.handle().addr(), stream) }
    }

    /// Has this stream wait for what writes a picture. The context has to be current.
    fn after(&self, image: &CudaImage) -> Result<(), DriverError> {
        // SAFETY: whoever made the frame vouches for its stream.
        unsafe { self.done.order(image.stream(), &self.stream) }
    }
}

impl Session {
    /// Submits a picture if there is one, and then waits for the one that was in flight before and copies it to `out`.
    ///
    /// # Errors
    /// [`Error::Frame`] for device memory that is none, or another GPU's: nothing was submitted or waited for. After
    /// any other error nothing that pictures came from is read any more.
    pub(in crate::nvenc) fn pipe(&mut self, next: Option<Next>, out: &mut Output) -> Result<(), Error> {
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let is_due = !self.flight.pictures.is_empty();
        // `next` lives until uploads were waited for.
        let mut done = next.as_ref().map_or(Ok(()), |next| self.submit_next(next));
        if done.is_ok() && is_due {
            done = self.read_oldest(out);
        }
        if done.as_ref().is_err_and(|error| !error.leaves_encoder_usable()) {
            self.let_go();
        }
        done
    }

    fn submit_next(&mut self, next: &Next) -> Result<(), Error> {
        let start = Instant::now();
        self.progress.at(Step::Upload);
        let (slot, input, staging) = match &next.source {
            Source::Staged(staging) => {
                (next.slot, self.upload(next.slot, staging)?, Some(Arc::clone(staging)))
            }
            &Source::Device { image, size, format } => {
                self.progress.at(Step::Submit);
                // Beside the slots of pictures from the host, so that turns between the two change no surface.
                let slot = SLOTS + next.slot;
                (slot, self.device_input(slot, &image, size, format)?, None)
            }
        };
        if !self.ordered {
            self.stream.synchronise()?;
        }
        let uploaded = Instant::now();

        self.progress.at(Step::Submit);
        let number = self.pictures;
        self.submit(slot, input, next.is_idr)?;
        self.in_flight = None;
        let (upload, submit) = (uploaded - start, uploaded.elapsed());
        let is_idr = next.is_idr;
        self.flight.pictures.push_back(Flying { slot, number, is_idr, upload, submit, staging });
        Ok(())
    }

    /// Starts to upload a picture from page-locked memory.
    fn upload(&mut self, slot: usize, staging: &Staging) -> Result<Input, Error> {
        let copies = copies(&mut self.flight.copies, self.open.context())?;
        let surface = self.slots.get(slot).and_then(|slot| slot.surface.as_ref()).ok_or_else(no_such_slot)?;
        let Layout { format, size, pitch } = staging.layout;
        if (surface.format(), surface.size(), surface.memory().pitch() as usize) != (format, size, pitch) {
            return Err(no_such_slot());
        }
        // SAFETY: the staging memory is shared and not written to until the session lets go of it, which it does when
        // the picture was read, and with it the surface that is behind the upload, or when the stream was waited for.
        // The surface is not freed before either: see `Drop`, and `prepare`, which is for slots without a picture in
        // flight.
        unsafe { copies.stream.upload(&staging.memory, surface.memory(), staging.layout.bytes())? };
        copies.before(&self.stream)?;
        Ok(surface.input())
    }

    /// A picture in device memory as NVENC reads it: where it lies, or as a copy.
    fn device_input(
        &mut self,
        slot: usize,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
    ) -> Result<Input, Error> {
        let place = Place::of_image(image, size, self.open.context())?;
        while self.slots.len() <= slot {
            self.slots.push(Slot::new(&self.open)?);
        }
        if let Some(input) = self.registered(image, size, format, &place)? {
            self.wait_for(image)?;
            return Ok(input);
        }
        copies(&mut self.flight.copies, self.open.context())?;
        let Some(copies) = self.flight.copies.take() else { return Err(no_such_slot()) };
        let copied = copies
            .after(image)
            .map_err(Error::from)
            .and_then(|()| self.copied(slot, Some(&copies.stream), image, size, format, &place))
            .and_then(|input| Ok(copies.before(&self.stream).map(|()| input)?));
        self.flight.copies = Some(copies);
        copied
    }

    /// Waits for the oldest picture in flight and copies what came of it.
    fn read_oldest(&mut self, out: &mut Output) -> Result<(), Error> {
        let start = Instant::now();
        self.progress.at(Step::Wait);
        let slot = self.flight.pictures.front().ok_or_else(no_such_slot)?.slot;
        let locked = self.lock(slot)?;
        let waited = Instant::now();
        // From here on it is not locked again, whatever comes of it.
        let flying = self.flight.pictures.pop_front().ok_or_else(no_such_slot)?;

        self.progress.at(Step::Unlock);
        let taken = self.take(slot, &locked, flying.number, flying.is_idr, out);
        self.unlock(slot)?;
        taken?;
        out.qp = locked.qp;
        (out.upload, out.submit) = (flying.upload, flying.submit);
        out.wait = waited - start;
        out.copy = waited.elapsed();
        Ok(())
    }

    /// After an error: what pictures came from is not read any more when this returns.
    fn let_go(&mut self) {
        if let Some(copies) = &self.flight.copies {
            let _ = copies.stream.synchronise();
        }
        let _ = self.stream.synchronise();
        for flying in &mut self.flight.pictures {
            flying.staging = None;
        }
    }

    /// At the end, and after the end of stream: reads what is in flight, so that every buffer is given back as the
    /// driver wants it. The context has to be current.
    pub(super) fn end_flight(&mut self) {
        for at in 0..self.flight.pictures.len() {
            let Some(slot) = self.flight.pictures.get(at).map(|flying| flying.slot) else { continue };
            if self.lock(slot).is_ok() {
                let _ = self.unlock(slot);
            }
        }
        if let Some(copies) = &self.flight.copies {
            let _ = copies.stream.synchronise();
        }
    }
}

fn copies<'a>(kept: &'a mut Option<Copies>, context: &Arc<Context>) -> Result<&'a Copies, DriverError> {
    Ok(match kept.take() {
        Some(copies) => kept.insert(copies),
        None => kept.insert(Copies::new(context)?),
    })
}
