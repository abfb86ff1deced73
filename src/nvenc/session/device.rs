//! One picture that the caller has in device memory: encoded from where it lies, or copied there once, or fetched.
#![expect(unsafe_code, reason = "memory is read that the caller vouches for: see `Frame::cuda`")]

use std::sync::Arc;
use std::time::Instant;

use super::{SLOTS, Session, no_such_slot};
use crate::cuda::{Event, PinnedMemory, Place, Stream, bytes_of, download};
use crate::error::{DriverError, Error};
use crate::frame::{CudaImage, DevicePlane};
use crate::nvenc::pixels::SurfaceFormat;
use crate::nvenc::progress::Step;
use crate::nvenc::session::Output;
use crate::nvenc::slot::{Input, Key, Slot};
use crate::units::FrameSize;

/// The slot of pictures in device memory, which no frame is ever lent of.
const DEVICE_SLOT: usize = SLOTS;
/// What a pitch must be a multiple of for NVENC to take it.
const PITCH_UNIT: usize = 4;
/// What an address must be a multiple of to be read in place, as every allocation and every row of a pitched one is.
const ADDRESS_UNIT: u64 = 256;

impl Session {
    /// Encodes a picture of `size` in device memory as pictures of `format`. It is not read any more when this
    /// returns, whatever came of it.
    ///
    /// # Errors
    /// [`Error::Frame`] for memory that is none, or another GPU's: nothing was submitted.
    pub(in crate::nvenc) fn encode_device(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        is_idr: bool,
        out: &mut Output,
    ) -> Result<(), Error> {
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let coded = self.encode_device_in_context(image, size, format, is_idr, out);
        if coded.is_err() {
            // A copy may still read the caller's memory.
            let _ = self.stream.synchronise();
        }
        coded
    }

    fn encode_device_in_context(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        is_idr: bool,
        out: &mut Output,
    ) -> Result<(), Error> {
        let start = Instant::now();
        self.progress.at(Step::Submit);
        let place = Place::of_image(image, size, self.open.context())?;
        if self.slots.len() <= DEVICE_SLOT {
            self.slots.push(Slot::new(&self.open)?);
        }
        self.wait_for(image)?;
        let input = match self.registered(image, size, format, &place)? {
            Some(input) => input,
            None => self.copied(DEVICE_SLOT, None, image, size, format, &place)?,
        };
        self.encode_input(DEVICE_SLOT, input, is_idr, out, start)?;
        Ok(())
    }

    /// Brings a picture to page-locked memory, which is what was `kept` where that is large enough. Kept is what the
    /// stream may still write to, whatever came of it.
    ///
    /// # Errors
    /// As [`Session::encode_device`].
    pub(in crate::nvenc) fn fetch(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        kept: &mut Option<PinnedMemory>,
    ) -> Result<(), Error> {
        self.progress.at(Step::Download);
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let place = Place::of_image(image, size, &context)?;
        let memory = PinnedMemory::at_least(kept.take(), &context, bytes_of(image, size))?;
        let memory = kept.insert(memory);
        let event = event(&mut self.written, &context)?;
        // SAFETY: whoever made the frame vouches for its memory and its stream until `encode` returns, and this is
        // inside it. The memory written to is waited for before anybody sees it, and freed after the session.
        let fetched = unsafe { download(&self.stream, event, image, size, &place, memory) };
        self.stream.synchronise()?;
        Ok(fetched?)
    }

    /// Lets go of the caller's memory in the allocation at an address; of all of it without one.
    pub(in crate::nvenc) fn forget(&mut self, address: Option<u64>) -> Result<(), Error> {
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let Some(address) = address else { return Ok(self.foreign.forget(|_| true)?) };
        let byte = DevicePlane { address, pitch: 1, row_bytes: 1, rows: 1 };
        let allocation = match Place::of(context.functions(), &byte) {
            Ok(place) => Some(place.allocation),
            // It is freed already.
            Err(Error::Frame(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(self.foreign.forget(|key| key.address == address || Some(key.allocation) == allocation)?)
    }

    /// Has the session's stream wait for what writes the picture.
    pub(super) fn wait_for(&mut self, image: &CudaImage) -> Result<(), DriverError> {
        let event = event(&mut self.written, self.open.context())?;
        // SAFETY: whoever made the frame vouches for its stream.
        unsafe { event.order(image.stream(), &self.stream) }
    }

    /// The picture as NVENC reads it where it lies; `None` where it cannot.
    pub(super) fn registered(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        place: &Place,
    ) -> Result<Option<Input>, DriverError> {
        let pitch = u32::try_from(image.pitch_bytes()).ok().filter(|_| {
            image.is_kept()
                && !place.is_pooled()
                && size == size.padded_to_even()
                && image.is_in_one_piece(size)
                && image.pitch_bytes().is_multiple_of(PITCH_UNIT)
                && image.address().is_multiple_of(ADDRESS_UNIT)
        });
        let Some(pitch) = pitch else { return Ok(None) };
        let key = Key { address: image.address(), pitch, format, size, allocation: place.allocation };
        // SAFETY: the rows are there, as the driver says, and whoever made the frame has promised to have them
        // forgotten before they are freed. No picture is in flight between two calls of `encode`; in
        // the pipelined form the one in flight is from the place used last, which is never the one to make room.
        unsafe { self.foreign.input(&self.open, key) }
    }

    /// The picture as a copy in memory of the session, made on a stream of its own or on the session's; its sides padded
    /// to even by repeating the last column and row.
    pub(super) fn copied(
        &mut self,
        slot: usize,
        on: Option<&Stream>,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        place: &Place,
    ) -> Result<Input, Error> {
        self.prepare_surface(slot, format)?;
        let surface = self.slots.get(slot).and_then(|slot| slot.surface.as_ref()).ok_or_else(no_such_slot)?;
        let stream = on.unwrap_or(&self.stream);
        let coded = surface.size();
        let pitch = surface.memory().pitch() as usize;
        let mut to = surface.memory().address();
        let copy = |from: DevicePlane, to| {
            // SAFETY: the surface has room for a picture of the coded size, and is not freed before the stream was
            // waited for; whoever made the frame vouches for the rest until its access unit is out, and by then
            // the picture is encoded or the stream was waited for.
            unsafe { stream.copy_rows(&from, to, pitch) }
        };
        if size == coded {
            for piece in image.pieces(size, place.holds_all) {
                copy(piece, to)?;
                to += (pitch * piece.rows) as u64;
            }
            return Ok(surface.input());
        }
        for (number, plane) in image.planes(size).enumerate() {
            copy(plane, to)?;
            if number == 0 {
                pad(&copy, plane, to, pitch, size, coded)?;
                to += (pitch * coded.height() as usize) as u64;
            }
        }
        Ok(surface.input())
    }
}

/// Repeats the last column and the last row of a plane of `size` that lies at `to`, where `coded` has one more. Chroma
/// planes are whole as they come.
fn pad(
    copy: &impl Fn(DevicePlane, u64) -> Result<(), DriverError>,
    plane: DevicePlane,
    to: u64,
    pitch: usize,
    size: FrameSize,
    coded: FrameSize,
) -> Result<(), DriverError> {
    let pixel_bytes = plane.row_bytes / size.width() as usize;
    if coded.width() > size.width() {
        let behind = to + plane.row_bytes as u64;
        let address = behind - pixel_bytes as u64;
        copy(DevicePlane { address, pitch, row_bytes: pixel_bytes, rows: plane.rows }, behind)?;
    }
    if coded.height() > size.height() {
        let behind = to + (pitch * plane.rows) as u64;
        let row_bytes = pixel_bytes * coded.width() as usize;
        copy(DevicePlane { address: behind - pitch as u64, pitch, row_bytes, rows: 1 }, behind)?;
    }
    Ok(())
}

fn event<'a>(
    kept: &'a mut Option<Event>,
    context: &Arc<crate::cuda::Context>,
) -> Result<&'a Event, DriverError> {
    Ok(match kept.take() {
        Some(event) => kept.insert(event),
        None => kept.insert(Event::new(context)?),
    })
}
