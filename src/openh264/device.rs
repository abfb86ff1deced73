//! Frames in CUDA device memory, for an encoder that reads host memory.

use crate::config::CallForm;
#[cfg(nvenc)]
use crate::cuda::Reader;
use crate::error::FrameError;
use crate::frame::{Frame, Pixels};
use crate::remains::Remains;

/// Fetches them; what that takes is made with the first one.
#[derive(Debug)]
pub(super) struct DeviceReader {
    #[cfg(nvenc)]
    reader: Reader,
}

impl DeviceReader {
    /// `form` says who makes the calls of the driver.
    #[cfg_attr(not(nvenc), expect(unused_variables, reason = "there is no driver to call"))]
    pub(super) const fn new(form: CallForm) -> Self {
        Self {
            #[cfg(nvenc)]
            reader: Reader::new(form),
        }
    }

    /// The frame in host memory; `None` for one that is there already.
    ///
    /// # Errors
    /// [`FrameError`] for a frame that cannot be read, or by a build without CUDA.
    pub(super) fn fetch(&mut self, frame: &Frame<'_>) -> Result<Option<Frame<'_>>, FrameError> {
        match frame.pixels() {
            #[cfg(nvenc)]
            Pixels::Cuda(image) => self.reader.read(image, frame.size(), frame.timestamp()).map(Some),
            #[cfg(not(nvenc))]
            Pixels::Cuda(_) => Err(FrameError::NotInHostMemory),
            _ => Ok(None),
        }
    }

    /// What is left of a call that may still read a frame; gone once it does not.
    #[cfg(nvenc)]
    pub(super) fn remains(&self) -> Remains {
        self.reader.remains()
    }

    /// No frame is ever read.
    #[cfg(not(nvenc))]
    pub(super) fn remains(&self) -> Remains {
        std::sync::Weak::<()>::new()
    }
}
