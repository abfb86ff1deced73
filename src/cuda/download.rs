//! Fetches a picture from device memory to page-locked memory, for who encodes or converts it on the CPU.
#![expect(unsafe_code, reason = "a picture is copied from an address that the caller vouches for")]

use super::{Event, PinnedMemory, Stream};
use crate::error::{DriverError, FrameError};
use crate::frame::{CudaImage, Frame, PixelFormat, Plane};
use crate::units::{FrameSize, Timestamp};

/// Bytes that a fetched picture takes: its rows, one behind the other.
pub(crate) fn bytes_of(image: &CudaImage, size: FrameSize) -> usize {
    image.planes(size).map(|plane| plane.row_bytes * plane.rows).sum()
}

/// Starts to fetch a picture to the start of `memory`, after what is on the stream that writes it. The context has to be
/// current.
///
/// # Safety
/// The promises of [`Frame::cuda`] hold until the stream has passed the copies, and nobody looks at `memory` until then.
pub(crate) unsafe fn download(
    stream: &Stream,
    event: &Event,
    image: &CudaImage,
    size: FrameSize,
    memory: &mut PinnedMemory,
) -> Result<(), DriverError> {
    // SAFETY: the stream of the frame is alive: the caller's promise.
    unsafe { event.order(image.stream(), stream)? };
    let mut start = 0;
    for plane in image.planes(size) {
        // SAFETY: the caller's promise.
        unsafe { stream.download_rows(&plane, memory, start)? };
        start += plane.row_bytes * plane.rows;
    }
    Ok(())
}

/// A picture that was fetched to the start of `memory`.
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

#[cfg(openh264)]
mod reader {
    use std::sync::Arc;
    use std::time::Duration;

    use direct264_sys::cuda::CUDA_ERROR_NOT_READY;

    use super::{bytes_of, download, frame_in};
    use crate::cuda::{Context, Event, PinnedMemory, Place, Stream};
    use crate::error::{DriverError, Error, FrameError};
    use crate::frame::{CudaImage, Frame};
    use crate::units::{FrameSize, Timestamp};

    /// How long a picture is waited for. It comes after all that is on the stream that writes it.
    const LONGEST: Duration = Duration::from_secs(1);

    /// What it takes to read pictures from the memory of one GPU. Drops from top to bottom.
    #[derive(Debug)]
    pub(crate) struct Reader {
        memory: Option<PinnedMemory>,
        event: Event,
        stream: Stream,
        context: Arc<Context>,
    }

    impl Reader {
        /// Reads a picture with `kept`, or with a new reader where that is of another GPU.
        ///
        /// # Errors
        /// [`FrameError`] for a picture that is not there or cannot be read.
        pub(crate) fn read<'a>(
            kept: &'a mut Option<Self>,
            image: &CudaImage,
            size: FrameSize,
            timestamp: Timestamp,
        ) -> Result<Frame<'a>, FrameError> {
            Self::fetch(kept, image, size).map_err(|error| match error {
                Error::Frame(error) => error,
                Error::Driver(DriverError { call, status, .. }) => {
                    if let Some(reader) = kept.take() {
                        reader.leave(status == i64::from(CUDA_ERROR_NOT_READY.0));
                    }
                    FrameError::Unreadable { call, status }
                }
                // CUDA is not there: what the address is worth, nobody can say.
                _ => FrameError::NoDeviceMemory { address: image.address() },
            })?;
            let memory = kept.as_ref().and_then(|reader| reader.memory.as_ref());
            let memory = memory.ok_or(FrameError::NoDeviceMemory { address: image.address() })?;
            frame_in(memory, image, size, timestamp)
        }

        fn fetch(kept: &mut Option<Self>, image: &CudaImage, size: FrameSize) -> Result<(), Error> {
            let driver = crate::cuda::driver()?;
            let nothing = || FrameError::NoDeviceMemory { address: image.address() };
            let first = image.planes(size).next().ok_or_else(nothing)?;
            let device = Place::of(driver.functions(), &first)?.device;
            if kept.as_ref().is_none_or(|reader| reader.context.device() != device) {
                *kept = None;
                *kept = Some(Self::new(Context::primary(driver, device)?)?);
            }
            let Some(reader) = kept else { return Ok(()) };
            Place::of_image(image, size, &reader.context)?;
            reader.download(image, size)?;
            Ok(())
        }

        fn new(context: Arc<Context>) -> Result<Self, DriverError> {
            let stream = Stream::new(&context)?;
            let event = Event::new(&context)?;
            Ok(Self { memory: None, event, stream, context })
        }

        fn download(&mut self, image: &CudaImage, size: FrameSize) -> Result<(), DriverError> {
            let memory = PinnedMemory::at_least(self.memory.take(), &self.context, bytes_of(image, size))?;
            let memory = self.memory.insert(memory);
            let _entered = self.context.enter()?;
            // SAFETY: whoever made the frame vouches for its memory and its stream until `encode` returns, and this is
            // inside it. The memory written to is waited for before anybody sees it.
            let fetched = unsafe { download(&self.stream, &self.event, image, size, memory) };
            self.stream.synchronise_within(LONGEST)?;
            fetched
        }

        /// What is still busy is left as it is: to give it back would take as long as it does.
        fn leave(self, is_busy: bool) {
            if is_busy {
                std::mem::forget(self);
            }
        }
    }

    impl Drop for Reader {
        /// A copy that was not waited for may still write to the memory.
        fn drop(&mut self) {
            let _ = self.stream.synchronise();
        }
    }
}

#[cfg(openh264)]
pub(crate) use reader::Reader;
