//! A picture in host memory that Python owns, or in a copy of it.
//!
//! Views of the buffer protocol keep the memory alive. Nothing keeps another thread from writing it meanwhile, so the
//! planes are [`Plane::from_raw`]: the picture is then a mixture, and nothing else goes wrong.

#![expect(unsafe_code, reason = "memory that Python owns may change while it is read")]

use direct264::error::FrameError;
use direct264::frame::Plane;
use direct264::{Frame, FrameSize, PixelFormat, Timestamp};
use pyo3::PyResult;
use pyo3::buffer::PyUntypedBuffer;

use super::Told;
use super::dlpack::Tensor;
use super::gather::gather;
use super::layout::{Layout, of_array};

/// A plane that Python owns.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawPlane {
    pub(super) start: *const u8,
    pub(super) len: usize,
    pub(super) stride: usize,
}

impl RawPlane {
    pub(super) const NONE: Self = Self { start: std::ptr::null(), len: 0, stride: 0 };
}

/// The owner of a picture's memory, dropped by a thread that holds the GIL.
#[derive(Debug)]
#[expect(dead_code, reason = "kept alive, and never looked at")]
pub(super) enum Keeper {
    Views(Vec<PyUntypedBuffer>),
    Tensor(Tensor),
}

/// A picture in host memory.
#[derive(Debug)]
pub(crate) struct HostFrame {
    size: FrameSize,
    format: PixelFormat,
    pixels: Pixels,
}

#[derive(Debug)]
enum Pixels {
    /// In memory that the keeper keeps alive.
    InPlace {
        planes: [RawPlane; 3],
        #[expect(dead_code, reason = "kept alive, and never looked at")]
        keeper: Keeper,
    },
    /// Without padding, in a copy.
    Copied(Vec<u8>),
}

impl HostFrame {
    /// # Safety
    /// The planes lie in memory that `keeper` keeps readable.
    pub(super) unsafe fn in_place(
        size: FrameSize,
        format: PixelFormat,
        planes: [RawPlane; 3],
        keeper: Keeper,
    ) -> Self {
        Self { size, format, pixels: Pixels::InPlace { planes, keeper } }
    }

    /// The picture of an array of bytes: in place where its rows lie one behind the other, else in a copy.
    ///
    /// # Safety
    /// Every index within `shape` names a readable byte at `start` plus the sum of index times stride, which `keeper`
    /// keeps.
    pub(super) unsafe fn of_array(
        start: *const u8,
        shape: &[usize],
        strides: &[isize],
        told: &Told,
        keeper: Keeper,
    ) -> PyResult<Self> {
        let Layout { size, format, start: back, stride } = of_array(shape, strides, told)?;
        match stride {
            Some(stride) => {
                let planes = planes(size, format, start.wrapping_offset(back), stride);
                // SAFETY: an array of this shape and these strides has items at every byte of the planes.
                Ok(unsafe { Self::in_place(size, format, planes, keeper) })
            }
            // SAFETY: as the caller promises.
            None => Ok(Self::copied(size, format, unsafe { gather(start, shape, strides) })),
        }
    }

    const fn copied(size: FrameSize, format: PixelFormat, pixels: Vec<u8>) -> Self {
        Self { size, format, pixels: Pixels::Copied(pixels) }
    }

    pub(super) fn frame(&self, timestamp: Timestamp) -> Result<Frame<'_>, FrameError> {
        let planes = match &self.pixels {
            Pixels::InPlace { planes, .. } => planes,
            Pixels::Copied(bytes) => return Frame::contiguous(self.size, self.format, bytes, timestamp),
        };
        let [first, second, third] = planes.map(|RawPlane { start, len, stride }| {
            // SAFETY: the keeper keeps the memory readable for as long as `self` lives.
            unsafe { Plane::from_raw(start, len, stride) }
        });
        match self.format {
            PixelFormat::I420 => Frame::i420(self.size, first, second, third, timestamp),
            PixelFormat::Nv12 => Frame::nv12(self.size, first, second, timestamp),
            PixelFormat::Rgb(order) => Frame::rgb(self.size, order, first, timestamp),
            other => Err(FrameError::NotOnDevice { format: other }),
        }
    }
}

/// The planes of a picture whose planes follow each other, in rows `stride` bytes apart, from `start` on. Chroma rows of
/// I420 have half the stride.
pub(super) fn planes(size: FrameSize, format: PixelFormat, start: *const u8, stride: usize) -> [RawPlane; 3] {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let (columns, rows) = size.chroma();
    let (columns, rows) = (columns as usize, rows as usize);
    let plane = |offset: usize, stride: usize, row_bytes: usize, rows: usize| RawPlane {
        start: start.wrapping_add(offset),
        len: stride.saturating_mul(rows.saturating_sub(1)).saturating_add(row_bytes),
        stride,
    };
    let behind_luma = stride.saturating_mul(height);
    match format {
        PixelFormat::I420 => {
            let chroma = |offset| plane(offset, columns, columns, rows);
            [plane(0, stride, width, height), chroma(behind_luma), chroma(behind_luma + columns * rows)]
        }
        PixelFormat::Nv12 => {
            let chroma_stride = stride.max(2 * columns);
            [
                plane(0, stride, width, height),
                plane(behind_luma, chroma_stride, 2 * columns, rows),
                RawPlane::NONE,
            ]
        }
        PixelFormat::Rgb(order) => {
            [plane(0, stride, width * order.bytes_per_pixel(), height), RawPlane::NONE, RawPlane::NONE]
        }
        _ => [RawPlane::NONE; 3],
    }
}
