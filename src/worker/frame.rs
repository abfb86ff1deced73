//! Frames that own their pixels, and so can be handed to another thread.

use std::fmt;
use std::sync::Arc;

use super::recycle::Recycler;
use crate::error::FrameError;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::units::{FrameSize, Timestamp};

/// What can be handed to a worker: something that owns pixels, or keeps them alive, and shows them as a [`Frame`].
///
/// The worker drops it when it was encoded, so whoever wants the memory back says so in `Drop`, as [`HostFrame`] does.
/// Pixels in CUDA memory come in by an implementation that holds the allocation and calls [`Frame::cuda`].
pub trait ToFrame: Send + 'static {
    /// The picture, for the length of one call to [`Encoder::encode`](crate::Encoder::encode).
    ///
    /// # Errors
    /// What the constructor of the frame says; it comes out of the worker in the frame's place.
    fn to_frame(&self) -> Result<Frame<'_>, FrameError>;
}

/// Where the memory of [`HostFrame`]s comes from and goes back to. A clone is the same pool.
#[derive(Debug, Clone)]
pub struct FramePool(Arc<Recycler<Vec<u8>>>);

impl FramePool {
    /// A pool that keeps at most so many buffers that nobody uses. A worker and who captures for it need one each for
    /// the frame that is encoded and the one that is written, and one for each that may wait.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Recycler::new(most)))
    }

    /// A frame to write into. What is in it is what was in it last, or 0.
    #[must_use]
    pub fn frame(&self, size: FrameSize, format: PixelFormat, timestamp: Timestamp) -> HostFrame {
        let mut bytes = self.0.take().unwrap_or_default();
        bytes.resize(format.frame_bytes(size), 0);
        HostFrame { bytes, size, format, timestamp, home: Arc::clone(&self.0) }
    }
}

/// A frame in host memory that owns its pixels: rows and planes follow each other without padding, as
/// [`Frame::contiguous`] has them. Its memory goes back to its [`FramePool`] when it is dropped.
pub struct HostFrame {
    bytes: Vec<u8>,
    size: FrameSize,
    format: PixelFormat,
    timestamp: Timestamp,
    home: Arc<Recycler<Vec<u8>>>,
}

impl HostFrame {
    /// The pixels.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The pixels, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Sets the caller's mark, where it is known later than the memory is wanted.
    pub const fn set_timestamp(&mut self, timestamp: Timestamp) {
        self.timestamp = timestamp;
    }
}

impl ToFrame for HostFrame {
    fn to_frame(&self) -> Result<Frame<'_>, FrameError> {
        Frame::contiguous(self.size, self.format, &self.bytes, self.timestamp)
    }
}

impl Drop for HostFrame {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

impl fmt::Debug for HostFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFrame")
            .field("size", &self.size)
            .field("format", &self.format)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_no_more_than_the_pool_keeps() {
        let pool = FramePool::new(1);
        let size = FrameSize::new(64, 48).unwrap();
        let frames = [0, 1].map(|number| pool.frame(size, PixelFormat::Nv12, Timestamp(number)));
        let first = frames[0].bytes().as_ptr();
        drop(frames);
        let half = FrameSize::new(32, 24).unwrap();
        let mut again = pool.frame(half, PixelFormat::I420, Timestamp(2));
        assert_eq!((again.bytes().as_ptr(), again.bytes().len()), (first, 32 * 24 * 3 / 2));
        assert!(pool.0.take().is_none());
        again.set_timestamp(Timestamp(7));
        let frame = again.to_frame().unwrap();
        assert_eq!((frame.size(), frame.timestamp()), (half, Timestamp(7)));
    }
}
