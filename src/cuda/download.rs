//! Fetches a picture from device memory to page-locked memory, for encoding or conversion on the CPU.
#![expect(unsafe_code, reason = "a picture is copied from an address that the caller vouches for")]

use super::event::CudaEvent;
use super::memory::PinnedMemory;
use super::place::DevicePlace;
use super::stream::Stream;
use crate::error::{Error, FrameError};
use crate::format::PixelFormat;
use crate::frame::{CudaImage, Frame, Plane};
use crate::units::{FrameSize, Timestamp};

/// The number of bytes of a fetched picture: its rows, one behind the other.
pub(crate) fn bytes_of(image: &CudaImage, size: FrameSize) -> usize {
    image.planes(size).map(|plane| plane.row_bytes * plane.rows).sum()
}

/// Starts to fetch a picture at `place` to the start of `memory`, behind the work on the stream that writes the
/// picture. The context has to be current.
///
/// # Safety
/// The promises of [`Frame::cuda`] hold until the stream has passed the copies, and nobody looks at `memory` until then.
pub(crate) unsafe fn download(
    stream: &Stream,
    event: &CudaEvent,
    image: &CudaImage,
    size: FrameSize,
    place: &DevicePlace,
    memory: &mut PinnedMemory,
) -> Result<(), Error> {
    // SAFETY: the stream of the frame is alive: the caller's promise.
    unsafe { event.order(image.stream(), stream)? };
    let mut start = 0;
    for piece in image.pieces(size, place.holds_all) {
        // SAFETY: the caller's promise.
        unsafe { stream.download_rows(&piece, memory, start)? };
        start += piece.row_bytes * piece.rows;
    }
    Ok(())
}

/// Returns the picture that was fetched to the start of `memory`, as a frame.
pub(crate) fn frame_in<'a>(
    memory: &'a PinnedMemory,
    image: &CudaImage,
    size: FrameSize,
    timestamp: Timestamp,
) -> Result<Frame<'a>, FrameError> {
    let bytes = memory.as_slice();
    let mut planes = image.planes(size);
    let (first, second) = (planes.next(), planes.next());
    let row_bytes = first.map_or(0, |plane| plane.row_bytes);
    match (image.format(), second) {
        (PixelFormat::Rgb(order), _) => Frame::rgb(size, order, Plane::new(bytes, row_bytes), timestamp),
        (_, chroma) => {
            let luma_bytes = first.map_or(0, |plane| plane.row_bytes * plane.rows).min(bytes.len());
            let (y, uv) = bytes.split_at(luma_bytes);
            let chroma_row = chroma.map_or(0, |plane| plane.row_bytes);
            Frame::nv12(size, Plane::new(y, row_bytes), Plane::new(uv, chroma_row), timestamp)
        }
    }
}
