//! Page-locked frames that a caller writes in place, so that nothing has to be copied on the host.

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
/// It has the encoder's [`coded_size`](crate::Encoder::coded_size): where that is larger than the encoder's size, the
/// last column and row are the caller's to fill, best by repeating the ones before. Its first bytes are those of an
/// earlier frame. It may be written on any thread, also while the encoder encodes another frame, but not in a process
/// that was forked after it was lent, which need not have the memory. Dropped, it goes back to the encoder; it may
/// outlive the encoder too.
#[derive(Debug)]
pub struct LentFrame {
    /// Nobody shares it. `None` only once it is handed back.
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

    /// How the pixels lie in memory.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.layout().map_or(PixelFormat::Nv12, |layout| layout.format.pixel_format())
    }

    /// The planes, to be written.
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

    /// The slot, and a share of the memory for the time that the GPU reads it.
    pub(super) fn share(&self) -> Option<(usize, Arc<Staging>)> {
        self.staging.as_ref().map(|staging| (self.slot, Arc::clone(staging)))
    }

    /// Slot and memory, which then do not go back by themselves.
    pub(super) fn take(mut self) -> Option<(usize, Arc<Staging>)> {
        self.staging.take().map(|staging| (self.slot, staging))
    }

    /// The pixels as a frame of `size`, which is the lent frame's own but for what pads that to even.
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

/// One plane to be written.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PlaneMut<'a> {
    /// The plane's bytes, from the first row on, whole rows of `stride_bytes`.
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

/// The planes of a lent frame, to be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum PixelsMut<'a> {
    /// See [`Pixels::I420`](crate::frame::Pixels::I420).
    I420 {
        /// Luma.
        y: PlaneMut<'a>,
        /// Cb.
        u: PlaneMut<'a>,
        /// Cr.
        v: PlaneMut<'a>,
    },
    /// See [`Pixels::Nv12`](crate::frame::Pixels::Nv12).
    Nv12 {
        /// Luma.
        y: PlaneMut<'a>,
        /// Cb and Cr by turns.
        uv: PlaneMut<'a>,
    },
    /// See [`Pixels::Rgb`](crate::frame::Pixels::Rgb).
    Rgb {
        /// The order of the bytes of a pixel.
        order: RgbOrder,
        /// The pixels.
        plane: PlaneMut<'a>,
    },
}

/// Where lent frames come back to that were not encoded. One for each session.
#[derive(Debug)]
pub(super) struct Pool {
    size: FrameSize,
    returned: Mutex<[Option<Arc<Staging>>; SLOTS]>,
    /// The session hangs, and so might the call that frees its memory.
    is_lost: AtomicBool,
}

impl Pool {
    pub(super) fn new(size: FrameSize) -> Arc<Self> {
        Arc::new(Self { size, returned: Mutex::default(), is_lost: AtomicBool::new(false) })
    }

    /// Where `slot`'s memory is if it came back.
    pub(super) fn take(&self, slot: usize) -> Option<Arc<Staging>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).get_mut(slot)?.take()
    }

    /// From now on what comes back is leaked.
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
