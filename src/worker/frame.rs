//! Frames that own their pixels and can move to another thread.

use std::fmt;
use std::sync::Arc;

use super::recycle::Recycler;
use crate::error::FrameError;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::units::{FrameSize, Timestamp};

/// An owner of pixels that a worker can encode as a [`Frame`].
///
/// The worker drops the owner once its frame is encoded. An owner that recycles its memory does so in `Drop`, as
/// [`HostFrame`] does. For pixels in CUDA memory, an implementation holds the allocation and calls [`Frame::cuda`].
///
/// ```
/// use direct264::error::FrameError;
/// use direct264::worker::ToFrame;
/// use direct264::{Frame, FrameSize, PixelFormat, Timestamp};
///
/// /// A picture of a camera whose driver wants its buffer back.
/// struct Captured {
///     size: FrameSize,
///     nv12: Vec<u8>,
///     taken: Timestamp,
/// }
///
/// impl ToFrame for Captured {
///     fn to_frame(&self) -> Result<Frame<'_>, FrameError> {
///         Frame::contiguous(self.size, PixelFormat::Nv12, &self.nv12, self.taken)
///     }
/// }
/// ```
pub trait ToFrame: Send + 'static {
    /// Returns the picture, for the length of one call to [`Encoder::encode`](crate::Encoder::encode).
    ///
    /// # Errors
    /// The error of the frame's constructor, which the worker delivers in the frame's place.
    fn to_frame(&self) -> Result<Frame<'_>, FrameError>;
}

/// A pool of memory for [`HostFrame`]s. A clone is the same pool.
#[derive(Debug, Clone)]
pub struct FramePool(Arc<Recycler<Vec<u8>>>);

impl FramePool {
    /// A pool that keeps up to `most` unused buffers. A worker and its capturing thread need one for the frame being
    /// encoded, one for the frame being written, and one for each frame that may wait.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Recycler::new(most)))
    }

    /// Returns a frame to write into, which holds the pixels of an earlier frame, or 0.
    #[must_use]
    pub fn frame(&self, size: FrameSize, format: PixelFormat, timestamp: Timestamp) -> HostFrame {
        let mut bytes = self.0.take().unwrap_or_default();
        bytes.resize(format.frame_bytes(size), 0);
        HostFrame { bytes, size, format, timestamp, home: Arc::clone(&self.0) }
    }
}

/// A frame in host memory that owns its pixels, without padding between rows and planes, as [`Frame::contiguous`]
/// expects. Its memory returns to its [`FramePool`] when dropped.
pub struct HostFrame {
    bytes: Vec<u8>,
    size: FrameSize,
    format: PixelFormat,
    timestamp: Timestamp,
    home: Arc<Recycler<Vec<u8>>>,
}

impl HostFrame {
    /// The pixels, for reading.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The pixels, for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Sets the caller's mark, for a timestamp that is known only after the memory is taken.
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
