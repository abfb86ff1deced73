//! Page-locked frames that a caller writes in place, which saves a copy on the host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::pixels::{Layout, Staging, SurfaceFormat, Target};
use super::session::SLOTS;
use crate::cuda::forked;
use crate::error::FrameError;
use crate::format::{PixelFormat, RgbOrder};
use crate::frame::{Frame, Plane};
use crate::units::{FrameSize, Timestamp};

/// A frame in page-locked memory of an [`NvencEncoder`](super::NvencEncoder), from which the GPU reads directly.
///
/// A lent frame has the encoder's [`coded_size`](crate::Encoder::coded_size). If that is larger than the encoder's
/// size, the caller fills the last column and row, best by repeating the ones before. The memory holds the pixels of
/// an earlier frame.
///
/// Any thread may write the frame, also while the encoder encodes another one. A process that was forked after the
/// lending may not, since it need not have the memory. A dropped frame goes back to the encoder, and may outlive it.
#[derive(Debug)]
pub struct LentFrame {
    /// The memory, not shared. `None` only once it is handed back.
    staging: Option<Arc<Staging>>,
    slot: usize,
    pool: Arc<Pool>,
}

impl LentFrame {
    pub(super) fn new(staging: Arc<Staging>, slot: usize, pool: Arc<Pool>) -> Self {
        Self { staging: Some(staging), slot, pool }
    }

    /// Width and height in pixels, both even.
    #[must_use]
    pub fn size(&self) -> FrameSize {
        self.layout().map_or(self.pool.size, |layout| layout.size)
    }

    /// The format of the pixels.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.layout().map_or(PixelFormat::Nv12, |layout| layout.format.pixel_format())
    }

    /// The planes, for writing.
    pub fn pixels_mut(&mut self) -> PixelsMut<'_> {
        let format = self.layout().map_or(SurfaceFormat::Nv12, |layout| layout.format);
        let [first, second, third] =
            self.staging.as_mut().and_then(Arc::get_mut).map(Staging::planes).unwrap_or_default();
        let (first, second, third) = (first.into(), second.into(), third.into());
        match format {
            SurfaceFormat::Nv12 => PixelsMut::Nv12 { y: first, uv: second },
            SurfaceFormat::I420 => PixelsMut::I420 { y: first, u: second, v: third },
            SurfaceFormat::Bgra => PixelsMut::Rgb { order: RgbOrder::Bgra, plane: first },
            SurfaceFormat::Rgba => PixelsMut::Rgb { order: RgbOrder::Rgba, plane: first },
        }
    }

    fn layout(&self) -> Option<Layout> {
        self.staging.as_ref().map(|staging| staging.layout)
    }

    pub(super) fn is_of(&self, pool: &Arc<Pool>) -> bool {
        Arc::ptr_eq(&self.pool, pool)
    }

    /// Returns the slot, and a share of the memory for as long as the GPU reads it.
    pub(super) fn share(&self) -> Option<(usize, Arc<Staging>)> {
        self.staging.as_ref().map(|staging| (self.slot, Arc::clone(staging)))
    }

    /// Takes slot and memory, which then do not go back by themselves.
    pub(super) fn take(mut self) -> Option<(usize, Arc<Staging>)> {
        self.staging.take().map(|staging| (self.slot, staging))
    }

    /// Returns the pixels as a frame of `size`, which may be smaller than the lent frame by the padding to even.
    pub(crate) fn as_frame(&self, size: FrameSize, timestamp: Timestamp) -> Result<Frame<'_>, FrameError> {
        match &self.staging {
            // A forked child need not have the memory.
            Some(staging) if staging.memory.is_forked() => {
                Err(forked("the lent frame is in the process that this one was forked from").into())
            }
            Some(staging) => staging.frame(size, timestamp),
            None => Err(FrameError::AllLent { lent: SLOTS }),
        }
    }
}

impl Drop for LentFrame {
    fn drop(&mut self) {
        if let Some(staging) = self.staging.take() {
            self.pool.give_back(self.slot, staging);
        }
    }
}

/// A plane to write.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PlaneMut<'a> {
    /// The plane's bytes: whole rows of `stride_bytes`, from the first row on.
    pub bytes: &'a mut [u8],
    /// Bytes from the start of a row to the start of the next.
    pub stride_bytes: usize,
}

impl<'a> From<Option<Target<'a>>> for PlaneMut<'a> {
    fn from(target: Option<Target<'a>>) -> Self {
        target.map_or_else(Self::default, |target| Self { bytes: target.bytes, stride_bytes: target.stride })
    }
}

impl<'a> From<PlaneMut<'a>> for Plane<'a> {
    fn from(plane: PlaneMut<'a>) -> Self {
        Self::new(plane.bytes, plane.stride_bytes)
    }
}

/// The planes of a lent frame, for writing.
#[derive(Debug)]
#[non_exhaustive]
pub enum PixelsMut<'a> {
    /// The planes of [`Pixels::I420`](crate::frame::Pixels::I420).
    I420 {
        /// Luma.
        y: PlaneMut<'a>,
        /// Cb.
        u: PlaneMut<'a>,
        /// Cr.
        v: PlaneMut<'a>,
    },
    /// The planes of [`Pixels::Nv12`](crate::frame::Pixels::Nv12).
    Nv12 {
        /// Luma.
        y: PlaneMut<'a>,
        /// Cb and Cr interleaved.
        uv: PlaneMut<'a>,
    },
    /// The plane of [`Pixels::Rgb`](crate::frame::Pixels::Rgb).
    Rgb {
        /// The order of the bytes of a pixel.
        order: RgbOrder,
        /// The pixels.
        plane: PlaneMut<'a>,
    },
}

/// The return box of lent frames that were not encoded, one for each session.
#[derive(Debug)]
pub(super) struct Pool {
    size: FrameSize,
    returned: Mutex<[Option<Arc<Staging>>; SLOTS]>,
    /// Whether the session hangs, and so might the call that frees its memory.
    is_lost: AtomicBool,
}

impl Pool {
    pub(super) fn new(size: FrameSize) -> Arc<Self> {
        Arc::new(Self { size, returned: Mutex::default(), is_lost: AtomicBool::new(false) })
    }

    /// Takes the memory of `slot`, if it came back.
    pub(super) fn take(&self, slot: usize) -> Option<Arc<Staging>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).get_mut(slot)?.take()
    }

    /// Leaks all memory that comes back from now on.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    fn give_back(&self, slot: usize, staging: Arc<Staging>) {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = returned.get_mut(slot) {
            *place = Some(staging);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.is_lost.load(Ordering::Relaxed) {
            std::mem::forget(std::mem::take(&mut self.returned));
        }
    }
}
