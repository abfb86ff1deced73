//! Encodes a picture in the caller's device memory: in place, from a copy on the device, or fetched to the host.
#![expect(unsafe_code, reason = "memory is read that the caller vouches for: see `Frame::cuda`")]

use std::sync::Arc;

use super::{Session, no_such_slot};
use crate::cuda::{CudaEvent, DevicePlace, PinnedMemory, bytes_of, download};
use crate::error::{DriverError, Error};
use crate::frame::{CudaImage, DevicePlane};
use crate::nvenc::pixels::SurfaceFormat;
use crate::nvenc::progress::SessionStep;
use crate::nvenc::slot::{Input, Key, Slot};
use crate::units::FrameSize;

/// The unit of a pitch that is read in place. A kernel of NVENC's reads 16 bytes at a time, and with another pitch it
/// kills the caller's context (`CUDA_ERROR_MISALIGNED_ADDRESS`).
const PITCH_UNIT: usize = 16;
/// The alignment of an address that is read in place, which every allocation and every row of a pitched one has.
const ADDRESS_UNIT: u64 = 256;

impl Session {
    /// Returns a picture in device memory as an input for NVENC: in place, or as a copy in the surface of a slot. The
    /// session's stream waits for the stream that writes the picture. The context has to be current.
    ///
    /// # Errors
    /// [`Error::Frame`] for an address that is no device memory, or another GPU's.
    pub(super) fn device_input(
        &mut self,
        slot: usize,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
    ) -> Result<Input, Error> {
        let place = DevicePlace::of_image(image, size, self.open.context())?;
        while self.slots.len() <= slot {
            self.slots.push(Slot::new(&self.open, self.completions)?);
        }
        if let Some(input) = self.registered(image, size, format, &place)? {
            self.wait_for(image)?;
            return Ok(input);
        }
        self.copied(slot, image, size, format, &place)
    }

    /// Copies a picture to page-locked memory, which reuses the memory in `kept` if that is large enough. After any
    /// outcome `kept` holds the memory that the stream may still write to.
    ///
    /// # Errors
    /// As [`Session::device_input`].
    pub(in crate::nvenc) fn fetch(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        kept: &mut Option<PinnedMemory>,
    ) -> Result<(), Error> {
        self.progress.at(SessionStep::Download);
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let place = DevicePlace::of_image(image, size, &context)?;
        let memory = PinnedMemory::at_least(kept.take(), &context, bytes_of(image, size))?;
        let memory = kept.insert(memory);
        let event = event(&mut self.written, &context)?;
        // SAFETY: the frame's maker vouches for its memory and its stream until `encode` returns, and this is inside
        // it. The memory written to is waited for before it is seen, and freed after the session.
        let fetched = unsafe { download(&self.stream, event, image, size, &place, memory) };
        self.stream.synchronise()?;
        fetched
    }

    /// Releases the caller's memory in the allocation at an address, or all of it without one.
    pub(in crate::nvenc) fn forget(&mut self, address: Option<u64>) -> Result<(), Error> {
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        let Some(address) = address else { return Ok(self.foreign.forget(|_| true)?) };
        let byte = DevicePlane { address, pitch: 1, row_bytes: 1, rows: 1 };
        let allocation = match DevicePlace::of(context.functions(), &byte) {
            Ok(place) => Some(place.allocation),
            // The memory is freed already.
            Err(Error::Frame(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(self.foreign.forget(|key| key.address == address || Some(key.allocation) == allocation)?)
    }

    /// Makes the session's stream wait for the work that writes the picture.
    pub(super) fn wait_for(&mut self, image: &CudaImage) -> Result<(), DriverError> {
        let event = event(&mut self.written, self.open.context())?;
        // SAFETY: the frame's maker vouches for its stream.
        unsafe { event.order(image.stream(), &self.stream) }
    }

    /// Returns the picture as an input in place; `None` where NVENC cannot read it there.
    fn registered(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        place: &DevicePlace,
    ) -> Result<Option<Input>, DriverError> {
        let pitch = u32::try_from(image.pitch_bytes()).ok().filter(|_| {
            image.is_kept()
                && !place.is_pooled()
                && size == size.padded_to_even()
                && image.is_in_one_piece(size)
                && image.pitch_bytes().is_multiple_of(PITCH_UNIT)
                && image.address().is_multiple_of(ADDRESS_UNIT)
        });
        let Some(pitch) = pitch else {
            self.tell_of_copy(image);
            return Ok(None);
        };
        let key = Key { address: image.address(), pitch, format, size, allocation: place.allocation };
        // SAFETY: the driver says that the rows are there, and the frame's maker has promised to have them forgotten
        // before they are freed. No picture is in flight between two calls of `encode`. In the pipelined form the
        // picture in flight is from the place used last, which is never the one to make room.
        unsafe { self.foreign.input(&self.open, key) }
    }

    /// Warns once in a session of pictures that are copied for their alignment, which the caller can change.
    fn tell_of_copy(&mut self, image: &CudaImage) {
        let (address, pitch_bytes) = (image.address(), image.pitch_bytes());
        let is_aligned = pitch_bytes.is_multiple_of(PITCH_UNIT) && address.is_multiple_of(ADDRESS_UNIT);
        if !is_aligned && !std::mem::replace(&mut self.has_told_of_copy, true) {
            tracing::warn!(
                address = format_args!("{address:#x}"),
                pitch_bytes,
                "pictures are copied on the GPU: NVENC reads in place where the pitch is a multiple of 16 and the \
                 address of 256"
            );
        }
    }

    /// Copies the picture to memory of the session, on the session's stream or on a second one. Odd sides are padded
    /// to even by repeating the last column and row.
    fn copied(
        &mut self,
        slot: usize,
        image: &CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        place: &DevicePlace,
    ) -> Result<Input, Error> {
        self.prepare_surface(slot, format)?;
        self.begin_copy(image)?;
        let surface = self.slots.get(slot).and_then(|slot| slot.surface.as_ref()).ok_or_else(no_such_slot)?;
        let stream = self.copy_stream();
        let coded = surface.size();
        let pitch = surface.memory().pitch() as usize;
        let mut to = surface.memory().address();
        let copy = |from: DevicePlane, to| {
            // SAFETY: the surface has room for a picture of the coded size, and is not freed before the stream was
            // waited for. The frame's maker vouches for the rest until its access unit is out. By then the picture is
            // encoded or the stream was waited for.
            unsafe { stream.copy_rows(&from, to, pitch) }
        };
        if size == coded {
            for piece in image.pieces(size, place.holds_all) {
                copy(piece, to)?;
                to += (pitch * piece.rows) as u64;
            }
            self.end_copy()?;
            return Ok(surface.input());
        }
        for (number, plane) in image.planes(size).enumerate() {
            copy(plane, to)?;
            if number == 0 {
                pad(&copy, plane, to, pitch, size, coded)?;
                to += (pitch * coded.height() as usize) as u64;
            }
        }
        self.end_copy()?;
        Ok(surface.input())
    }
}

/// Repeats the last column and the last row of a plane of `size` at `to`, where `coded` has one more. Chroma planes
/// need no padding.
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
    kept: &'a mut Option<CudaEvent>,
    context: &Arc<crate::cuda::Context>,
) -> Result<&'a CudaEvent, DriverError> {
    Ok(match kept.take() {
        Some(event) => kept.insert(event),
        None => kept.insert(CudaEvent::new(context)?),
    })
}
