//! Frames of borrowed pixels. The constructors check every plane, so that an encoder never reads beyond one.

mod bytes;
mod cuda;
#[cfg(feature = "cudarc")]
mod cudarc;
mod image;

pub use image::CudaImage;

pub use crate::format::{PixelFormat, RgbOrder};
pub(crate) use bytes::PlaneBytes;
#[cfg(nvenc)]
pub(crate) use image::DevicePlane;

use bytes::SharedBytes;

use crate::error::FrameError;
use crate::units::{FrameSize, Timestamp};

/// One plane of pixels in host memory: borrowed from the caller, or memory that may change while it is read.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    bytes: PlaneBytes<'a>,
    stride_bytes: usize,
}

impl<'a> Plane<'a> {
    /// Makes a plane of `bytes`, which start with the first row; each row starts `stride_bytes` after the one before.
    /// The last row need not reach the stride. The constructors of [`Frame`] check whether the rows fit.
    #[must_use]
    pub const fn new(bytes: &'a [u8], stride_bytes: usize) -> Self {
        Self { bytes: PlaneBytes::Borrowed(bytes), stride_bytes }
    }

    /// Makes a plane of the `len` bytes from `start` on, as [`Plane::new`], for memory that another thread or process
    /// may write while it is read. The picture is then a mixture of what was there before and after, and nothing else
    /// goes wrong. Packed RGB costs a copy of a few rows at a time.
    ///
    /// # Safety
    /// For all of the lifetime `'a` the bytes are readable: mapped, and not freed.
    #[expect(unsafe_code, reason = "nothing can check how long memory of others is readable")]
    #[must_use]
    pub const unsafe fn from_raw(start: *const u8, len: usize, stride_bytes: usize) -> Self {
        // SAFETY: the caller promises that the bytes are readable while the plane lives.
        let shared = unsafe { SharedBytes::new(start, len) };
        Self { bytes: PlaneBytes::Shared(shared), stride_bytes }
    }

    /// The plane's bytes, from the first row on; `None` for memory that may change while it is read.
    #[must_use]
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        match self.bytes {
            PlaneBytes::Borrowed(bytes) => Some(bytes),
            PlaneBytes::Shared(_) => None,
        }
    }

    /// Bytes from the start of a row to the start of the next.
    #[must_use]
    pub const fn stride_bytes(&self) -> usize {
        self.stride_bytes
    }

    /// The plane's bytes in either kind of memory.
    #[cfg(openh264)]
    pub(crate) const fn memory(&self) -> PlaneBytes<'a> {
        self.bytes
    }

    /// Calls `visit` with the first `row_bytes` bytes of each of the first `rows` rows; empty beyond the plane. Memory
    /// that may change is copied to `scratch` first.
    pub(crate) fn each_row(
        &self,
        rows: usize,
        row_bytes: usize,
        scratch: &mut Vec<u8>,
        visit: impl FnMut(&[u8]),
    ) {
        let stride = self.stride_bytes;
        self.bytes.each((0..rows).map(|row| row.saturating_mul(stride)), row_bytes, scratch, visit);
    }

    /// Copies the first `row_bytes` bytes of each row from the row `first` on, to rows of `to` that begin `to_stride`
    /// bytes apart. Leaves rows beyond the plane as they are. The frame's constructor has checked that the plane's stride
    /// is not 0.
    pub(crate) fn copy_rows(&self, first: usize, to: &mut [u8], to_stride: usize, row_bytes: usize) {
        self.bytes.copy_rows((first, self.stride_bytes), to, to_stride, row_bytes);
    }

    fn check(&self, name: &'static str, row_bytes: usize, rows: usize) -> Result<(), FrameError> {
        let stride_bytes = self.stride_bytes;
        if stride_bytes < row_bytes {
            return Err(FrameError::Stride { plane: name, stride_bytes, row_bytes });
        }
        let needed = i32::try_from(stride_bytes)
            .ok()
            .and_then(|_| stride_bytes.checked_mul(rows.saturating_sub(1)))
            .and_then(|up_to_last_row| up_to_last_row.checked_add(row_bytes))
            .ok_or(FrameError::Overflow { plane: name, stride_bytes, rows })?;
        if self.bytes.len() < needed {
            return Err(FrameError::Plane { plane: name, bytes: self.bytes.len(), needed });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Plane<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane")
            .field("bytes", &self.bytes.len())
            .field("stride_bytes", &self.stride_bytes)
            .finish()
    }
}

/// The planes of a frame.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Pixels<'a> {
    /// Planar 4:2:0.
    I420 {
        /// Luma, one byte a pixel.
        y: Plane<'a>,
        /// Cb, half width and half height, rounded up.
        u: Plane<'a>,
        /// Cr, half width and half height, rounded up.
        v: Plane<'a>,
    },
    /// Semi-planar 4:2:0.
    Nv12 {
        /// Luma, one byte a pixel.
        y: Plane<'a>,
        /// Cb and Cr interleaved, half width and half height, rounded up.
        uv: Plane<'a>,
    },
    /// Packed RGB.
    Rgb {
        /// The order of the bytes of a pixel.
        order: RgbOrder,
        /// The pixels.
        plane: Plane<'a>,
    },
    /// A picture in CUDA device memory: see [`Frame::cuda`].
    Cuda(CudaImage),
}

impl Pixels<'_> {
    /// The layout in memory.
    #[must_use]
    pub const fn format(&self) -> PixelFormat {
        match self {
            Self::I420 { .. } => PixelFormat::I420,
            Self::Nv12 { .. } => PixelFormat::Nv12,
            Self::Rgb { order, .. } => PixelFormat::Rgb(*order),
            Self::Cuda(image) => image.format(),
        }
    }
}

/// A picture to encode: size, pixels and the caller's timestamp.
///
/// A frame borrows its pixels for the length of the call to [`Encoder::encode`](crate::Encoder::encode) and no longer.
///
/// ```
/// use direct264::{Frame, FrameSize, PixelFormat, Timestamp};
///
/// let size = FrameSize::new(640, 360)?;
/// let grey = vec![128; PixelFormat::I420.frame_bytes(size)];
/// // The planes lie one behind the other, without padding.
/// let frame = Frame::contiguous(size, PixelFormat::I420, &grey, Timestamp(0))?;
/// assert_eq!(frame.size(), size);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    size: FrameSize,
    timestamp: Timestamp,
    pixels: Pixels<'a>,
}

impl<'a> Frame<'a> {
    /// Makes a planar 4:2:0 frame. Chroma planes have `size.chroma()` columns and rows.
    ///
    /// # Errors
    /// [`FrameError`] when a stride is shorter than its row or a plane ends before its last row.
    pub fn i420(
        size: FrameSize,
        y: Plane<'a>,
        u: Plane<'a>,
        v: Plane<'a>,
        timestamp: Timestamp,
    ) -> Result<Self, FrameError> {
        let (columns, rows) = size.chroma();
        y.check("y", size.width() as usize, size.height() as usize)?;
        u.check("u", columns as usize, rows as usize)?;
        v.check("v", columns as usize, rows as usize)?;
        Ok(Self { size, timestamp, pixels: Pixels::I420 { y, u, v } })
    }

    /// Makes a semi-planar 4:2:0 frame. A row of `uv` has `2 * size.chroma().0` bytes.
    ///
    /// # Errors
    /// As [`Frame::i420`].
    pub fn nv12(
        size: FrameSize,
        y: Plane<'a>,
        uv: Plane<'a>,
        timestamp: Timestamp,
    ) -> Result<Self, FrameError> {
        let (columns, rows) = size.chroma();
        y.check("y", size.width() as usize, size.height() as usize)?;
        uv.check("uv", 2 * columns as usize, rows as usize)?;
        Ok(Self { size, timestamp, pixels: Pixels::Nv12 { y, uv } })
    }

    /// Makes a frame of packed RGB pixels.
    ///
    /// # Errors
    /// As [`Frame::i420`].
    pub fn rgb(
        size: FrameSize,
        order: RgbOrder,
        plane: Plane<'a>,
        timestamp: Timestamp,
    ) -> Result<Self, FrameError> {
        plane.check("rgb", size.width() as usize * order.bytes_per_pixel(), size.height() as usize)?;
        Ok(Self { size, timestamp, pixels: Pixels::Rgb { order, plane } })
    }

    /// Makes a frame whose rows and planes follow each other without padding, as in raw files.
    ///
    /// # Errors
    /// [`FrameError::Length`] when `bytes` is not exactly one frame long.
    pub fn contiguous(
        size: FrameSize,
        format: PixelFormat,
        bytes: &'a [u8],
        timestamp: Timestamp,
    ) -> Result<Self, FrameError> {
        let needed = format.frame_bytes(size);
        if bytes.len() != needed {
            return Err(FrameError::Length { bytes: bytes.len(), needed });
        }
        let width = size.width() as usize;
        let (chroma_columns, chroma_rows) = size.chroma();
        let (chroma_columns, chroma_rows) = (chroma_columns as usize, chroma_rows as usize);
        match format {
            PixelFormat::I420 => {
                let (y, chroma) = bytes.split_at(width * size.height() as usize);
                let (u, v) = chroma.split_at(chroma_columns * chroma_rows);
                Self::i420(
                    size,
                    Plane::new(y, width),
                    Plane::new(u, chroma_columns),
                    Plane::new(v, chroma_columns),
                    timestamp,
                )
            }
            PixelFormat::Nv12 => {
                let (y, uv) = bytes.split_at(width * size.height() as usize);
                Self::nv12(size, Plane::new(y, width), Plane::new(uv, 2 * chroma_columns), timestamp)
            }
            PixelFormat::Rgb(order) => {
                Self::rgb(size, order, Plane::new(bytes, width * order.bytes_per_pixel()), timestamp)
            }
        }
    }

    /// The width and height in pixels.
    #[must_use]
    pub const fn size(&self) -> FrameSize {
        self.size
    }

    /// Returns a frame in device memory without a lifetime, because it borrows nothing; `None` for host memory.
    #[cfg(nvenc)]
    pub(crate) const fn in_device_memory(&self) -> Option<Frame<'static>> {
        match self.pixels {
            Pixels::Cuda(image) => {
                Some(Frame { size: self.size, timestamp: self.timestamp, pixels: Pixels::Cuda(image) })
            }
            _ => None,
        }
    }

    /// The caller's timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The pixels.
    #[must_use]
    pub const fn pixels(&self) -> &Pixels<'a> {
        &self.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> FrameSize {
        FrameSize::new(width, height).unwrap()
    }

    #[test]
    fn the_last_row_need_not_reach_the_stride() {
        let bytes = [0; 8 * 3 + 5];
        assert!(Frame::rgb(size(1, 4), RgbOrder::Rgb24, Plane::new(&bytes, 8), Timestamp(0)).is_ok());
        let refused = Frame::rgb(size(2, 4), RgbOrder::Rgb24, Plane::new(&bytes, 8), Timestamp(0));
        assert_eq!(refused.unwrap_err(), FrameError::Plane { plane: "rgb", bytes: 29, needed: 30 });
    }

    #[test]
    fn a_stride_shorter_than_the_row_is_refused_with_both() {
        let bytes = [0; 64];
        let refused = Frame::rgb(size(3, 2), RgbOrder::Rgba, Plane::new(&bytes, 11), Timestamp(0));
        assert_eq!(
            refused.unwrap_err(),
            FrameError::Stride { plane: "rgb", stride_bytes: 11, row_bytes: 12 }
        );
    }

    #[test]
    fn a_stride_that_overflows_is_refused() {
        let bytes = [0; 64];
        let refused =
            Frame::rgb(size(1, 4), RgbOrder::Rgba, Plane::new(&bytes, usize::MAX / 2), Timestamp(0));
        assert!(matches!(refused.unwrap_err(), FrameError::Overflow { plane: "rgb", .. }));
    }

    #[test]
    fn odd_sizes_have_chroma_rounded_up() {
        let bytes = [0; 15 + 2 * 3 * 2];
        assert!(Frame::contiguous(size(5, 3), PixelFormat::I420, &bytes, Timestamp(0)).is_ok());
        assert!(Frame::contiguous(size(5, 3), PixelFormat::Nv12, &bytes, Timestamp(0)).is_ok());
        let refused = Frame::contiguous(size(5, 3), PixelFormat::I420, &bytes[1..], Timestamp(0));
        assert_eq!(refused.unwrap_err(), FrameError::Length { bytes: 26, needed: 27 });
    }

    #[test]
    fn a_row_beyond_the_plane_is_empty() {
        let plane = Plane::new(&[1, 2, 3, 4], 2);
        let mut read = Vec::new();
        plane.each_row(3, 2, &mut Vec::new(), |row| read.push(row.to_vec()));
        assert_eq!(read, [vec![1, 2], vec![3, 4], vec![]]);
    }
}
