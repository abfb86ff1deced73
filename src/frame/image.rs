//! Description of a picture in CUDA device memory.

use crate::error::FrameError;
use crate::format::{PixelFormat, RgbOrder};
use crate::units::FrameSize;

/// The layout of a picture in CUDA device memory, and the stream that writes it.
///
/// ```
/// # let (address, pitch_bytes, stream) = (0x7f00_0000_0000, 2048, 0);
/// use direct264::frame::CudaImage;
/// let image = CudaImage::nv12(address, pitch_bytes).written_on(stream);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CudaImage {
    format: PixelFormat,
    address: u64,
    pitch_bytes: usize,
    /// Address and pitch of the chroma plane of NV12 where it does not follow the luma plane.
    chroma: Option<(u64, usize)>,
    stream: usize,
    /// Whether the memory outlives the call, so that it may be registered.
    is_kept: bool,
}

impl CudaImage {
    /// Describes NV12 at an address in device memory: rows of luma `pitch_bytes` apart, and behind the last one the
    /// rows of chroma at the same pitch.
    #[must_use]
    pub const fn nv12(address: u64, pitch_bytes: usize) -> Self {
        Self { format: PixelFormat::Nv12, address, pitch_bytes, chroma: None, stream: 0, is_kept: true }
    }

    /// Describes pixels of red, green, blue and an ignored byte, in rows `pitch_bytes` apart.
    #[must_use]
    pub const fn rgba(address: u64, pitch_bytes: usize) -> Self {
        Self { format: PixelFormat::Rgb(RgbOrder::Rgba), ..Self::nv12(address, pitch_bytes) }
    }

    /// Describes pixels of blue, green, red and an ignored byte, in rows `pitch_bytes` apart.
    #[must_use]
    pub const fn bgra(address: u64, pitch_bytes: usize) -> Self {
        Self { format: PixelFormat::Rgb(RgbOrder::Bgra), ..Self::nv12(address, pitch_bytes) }
    }

    /// Sets the place of NV12's chroma plane, where it does not lie behind the luma plane. Such a picture is copied
    /// on the GPU before it is encoded. RGB has no chroma plane, so nothing changes for it.
    #[must_use]
    pub const fn chroma_at(mut self, address: u64, pitch_bytes: usize) -> Self {
        if matches!(self.format, PixelFormat::Nv12) {
            self.chroma = Some((address, pitch_bytes));
        }
        self
    }

    /// Sets the handle (`CUstream`) of the stream on which the picture was written; the default stream unless set. The
    /// encoder's work on the GPU waits for the work that is on that stream when `encode` is called. No thread waits.
    #[must_use]
    pub const fn written_on(mut self, stream: usize) -> Self {
        self.stream = stream;
        self
    }

    /// The format: NV12, RGBA or BGRA.
    #[must_use]
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// The address of the first row.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Bytes from the start of a row to the start of the next.
    #[must_use]
    pub const fn pitch_bytes(&self) -> usize {
        self.pitch_bytes
    }

    /// The handle of the stream on which the picture was written; 0 is the default stream.
    #[must_use]
    pub const fn stream(&self) -> usize {
        self.stream
    }

    /// Lets the caller free the memory as soon as `encode` has returned, and in a pipeline as soon as the access unit
    /// has come out. The picture is copied on the GPU and never registered with a session, so
    /// [`forget_cuda`](crate::Encoder::forget_cuda) is needed only after a call that timed out.
    #[must_use]
    pub const fn freed_soon(mut self) -> Self {
        self.is_kept = false;
        self
    }

    #[cfg(nvenc)]
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns the planes of a picture of `size`: one or two.
    pub(crate) fn planes(&self, size: FrameSize) -> impl Iterator<Item = DevicePlane> + use<> {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let plane = |address, pitch, row_bytes, rows| DevicePlane { address, pitch, row_bytes, rows };
        let (first, second) = match self.format {
            PixelFormat::Rgb(order) => {
                (plane(self.address, self.pitch_bytes, width * order.bytes_per_pixel(), height), None)
            }
            PixelFormat::Nv12 | PixelFormat::I420 => {
                let (columns, rows) = size.chroma();
                let behind = self.address.saturating_add(self.pitch_bytes.saturating_mul(height) as u64);
                let (address, pitch) = self.chroma.unwrap_or((behind, self.pitch_bytes));
                (
                    plane(self.address, self.pitch_bytes, width, height),
                    Some(plane(address, pitch, 2 * columns as usize, rows as usize)),
                )
            }
        };
        std::iter::once(first).chain(second)
    }

    /// Returns the pieces of a picture of `size` that copies take: one where chroma follows luma in rows of the same
    /// length, else one for each plane. No copy may reach from one allocation into the next.
    #[cfg(nvenc)]
    pub(crate) fn pieces(
        &self,
        size: FrameSize,
        is_one_allocation: bool,
    ) -> impl Iterator<Item = DevicePlane> + use<> {
        let mut planes = self.planes(size);
        let (first, second) = (planes.next(), planes.next());
        match (first, second) {
            (Some(luma), Some(chroma))
                if is_one_allocation && luma.row_bytes == chroma.row_bytes && self.is_in_one_piece(size) =>
            {
                let whole = DevicePlane { rows: luma.rows + chroma.rows, ..luma };
                Some(whole).into_iter().chain(None)
            }
            planes => planes.0.into_iter().chain(planes.1),
        }
    }

    /// The bytes from the start of the first row to the end of the last, where the planes follow each other.
    #[cfg(nvenc)]
    pub(crate) fn span(&self, size: FrameSize) -> usize {
        let (planes, mut bytes) = (self.planes(size), 0);
        for plane in planes {
            let start = usize::try_from(plane.address.saturating_sub(self.address)).unwrap_or(usize::MAX);
            bytes = start.saturating_add(plane.span());
        }
        bytes
    }

    /// Whether the chroma plane of a picture of `size` starts right behind the luma plane, at the same pitch.
    #[cfg(nvenc)]
    pub(crate) fn is_in_one_piece(&self, size: FrameSize) -> bool {
        let luma = self.pitch_bytes.checked_mul(size.height() as usize);
        let behind = luma.and_then(|bytes| self.address.checked_add(bytes as u64));
        self.chroma.is_none_or(|(address, pitch)| Some(address) == behind && pitch == self.pitch_bytes)
    }
}

/// A plane in device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DevicePlane {
    pub(crate) address: u64,
    /// Bytes from the start of a row to the start of the next.
    pub(crate) pitch: usize,
    pub(crate) row_bytes: usize,
    pub(crate) rows: usize,
}

impl DevicePlane {
    /// The bytes from the start of the first row to the end of the last.
    #[cfg(nvenc)]
    pub(crate) const fn span(&self) -> usize {
        self.pitch * self.rows.saturating_sub(1) + self.row_bytes
    }

    pub(super) fn check(&self, name: &'static str) -> Result<(), FrameError> {
        let Self { address, pitch, row_bytes, rows } = *self;
        if pitch < row_bytes {
            return Err(FrameError::Stride { plane: name, stride_bytes: pitch, row_bytes });
        }
        let overflow = FrameError::Overflow { plane: name, stride_bytes: pitch, rows };
        let span = i32::try_from(pitch).ok().and_then(|_| pitch.checked_mul(rows)).ok_or(overflow)?;
        match address.checked_add(span as u64) {
            Some(_) if address != 0 => Ok(()),
            _ => Err(FrameError::NoDeviceMemory { address }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> FrameSize {
        FrameSize::new(64, 32).unwrap()
    }

    #[test]
    fn chroma_follows_luma_unless_said_otherwise() {
        let image = CudaImage::nv12(4096, 128);
        let chroma = image.planes(size()).nth(1).unwrap();
        assert_eq!((chroma.address, chroma.row_bytes, chroma.rows), (4096 + 128 * 32, 64, 16));
        assert_eq!(CudaImage::rgba(4096, 256).chroma_at(8, 8).planes(size()).count(), 1);
    }

    #[cfg(nvenc)]
    #[test]
    fn two_planes_are_one_piece_when_chroma_starts_where_luma_ends() {
        let image = CudaImage::nv12(4096, 128);
        assert!(image.is_in_one_piece(size()));
        assert!(image.chroma_at(4096 + 128 * 32, 128).is_in_one_piece(size()));
        assert!(!image.chroma_at(1 << 20, 128).is_in_one_piece(size()));
        assert!(!image.chroma_at(4096 + 128 * 32, 256).is_in_one_piece(size()));
    }

    #[cfg(nvenc)]
    #[test]
    fn rows_of_one_length_are_one_piece_of_memory() {
        let pieces = |image: CudaImage, width| {
            let size = FrameSize::new(width, 33).unwrap();
            image.pieces(size, true).map(|piece| (piece.row_bytes, piece.rows)).collect::<Vec<_>>()
        };
        let image = CudaImage::nv12(4096, 128);
        assert_eq!(pieces(image, 64), [(64, 33 + 17)]);
        // Of an odd width chroma has a column more.
        assert_eq!(pieces(image, 63), [(63, 33), (64, 17)]);
        assert_eq!(pieces(image.chroma_at(1 << 20, 128), 64), [(64, 33), (64, 17)]);
        assert_eq!(pieces(CudaImage::rgba(4096, 256), 64), [(256, 33)]);
        assert_eq!(image.pieces(size(), false).count(), 2);
    }
}
