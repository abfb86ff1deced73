//! Frames in CUDA device memory, for an encoder that reads host memory.

#[cfg(nvenc)]
use crate::cuda::Reader;
use crate::error::FrameError;
use crate::frame::{Frame, Pixels};

/// Fetches them; what that takes is made with the first one.
#[derive(Debug, Default)]
pub(super) struct DeviceReader {
    #[cfg(nvenc)]
    reader: Option<Reader>,
}

impl DeviceReader {
    /// The frame in host memory; `None` for one that is there already.
    ///
    /// # Errors
    /// [`FrameError`] for a frame that cannot be read, or by a build without CUDA.
    pub(super) fn fetch(&mut self, frame: &Frame<'_>) -> Result<Option<Frame<'_>>, FrameError> {
        match frame.pixels() {
            #[cfg(nvenc)]
            Pixels::Cuda(image) => {
                Reader::read(&mut self.reader, image, frame.size(), frame.timestamp()).map(Some)
            }
            #[cfg(not(nvenc))]
            Pixels::Cuda(_) => Err(FrameError::NotInHostMemory),
            _ => Ok(None),
        }
    }
}
