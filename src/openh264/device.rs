//! Fetches frames from CUDA device memory for an encoder that reads host memory.

use crate::config::CallForm;
#[cfg(nvenc)]
use crate::cuda::Reader;
use crate::error::FrameError;
use crate::frame::{Frame, Pixels};
use crate::remains::Remains;

/// A reader of frames in device memory; its objects are made with the first such frame.
#[derive(Debug)]
pub(super) struct DeviceReader {
    #[cfg(nvenc)]
    reader: Reader,
}

impl DeviceReader {
    /// Makes a reader; `form` chooses the thread of the driver calls.
    #[cfg_attr(not(nvenc), expect(unused_variables, reason = "there is no driver to call"))]
    pub(super) const fn new(form: CallForm) -> Self {
        Self {
            #[cfg(nvenc)]
            reader: Reader::new(form),
        }
    }

    /// Returns the frame in host memory; `None` if it is there already.
    ///
    /// # Errors
    /// [`FrameError`] for a frame that cannot be read, and for any frame in a build without CUDA.
    pub(super) fn fetch(&mut self, frame: &Frame<'_>) -> Result<Option<Frame<'_>>, FrameError> {
        match frame.pixels() {
            #[cfg(nvenc)]
            Pixels::Cuda(image) => self.reader.read(image, frame.size(), frame.timestamp()).map(Some),
            #[cfg(not(nvenc))]
            Pixels::Cuda(_) => Err(FrameError::NotInHostMemory),
            _ => Ok(None),
        }
    }

    /// The remains of a call that may still read a frame, dead once it cannot.
    #[cfg(nvenc)]
    pub(super) fn remains(&self) -> Remains {
        self.reader.remains()
    }

    /// A build without CUDA reads no frame.
    #[cfg(not(nvenc))]
    pub(super) fn remains(&self) -> Remains {
        std::sync::Weak::<()>::new()
    }
}
