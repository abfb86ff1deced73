//! The layout of a picture in the memory that is uploaded, and the one copy that brings a frame there.

use crate::colour::{Colour, ColourMatrix, ColourRange};
use crate::config::EncoderConfig;
use crate::convert::PlanesMut;
use crate::cuda::PinnedMemory;
use crate::error::FrameError;
use crate::format::{PixelFormat, RgbOrder};
use crate::frame::{Frame, Pixels, Plane};
use crate::units::{FrameSize, Timestamp};

/// The colour to which NVENC converts RGB in any case.
const HARDWARE_COLOUR: Colour = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };

/// A format that NVENC reads without conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SurfaceFormat {
    Nv12,
    I420,
    Bgra,
    Rgba,
}

/// The formats of a stream's frames that NVENC takes unconverted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unconverted {
    /// Whether both sides are even. Pictures of an odd size are padded on the CPU.
    is_even: bool,
    /// Whether NVENC converts RGB to the colour of the stream.
    is_rgb_too: bool,
}

impl Unconverted {
    pub(super) fn of(config: &EncoderConfig) -> Self {
        let size = config.size();
        Self {
            is_even: size == size.padded_to_even(),
            is_rgb_too: config.nvenc.converts_rgb || config.colour == HARDWARE_COLOUR,
        }
    }

    /// The formats of frames that have the coded size, which is even.
    pub(super) const fn padded(self) -> Self {
        Self { is_even: true, ..self }
    }

    /// Returns the surface format for frames of this format, and whether the frames go there unconverted.
    pub(super) fn for_frames(self, format: PixelFormat) -> (SurfaceFormat, bool) {
        let as_it_is = match format {
            PixelFormat::I420 => Some(SurfaceFormat::I420),
            other => self.for_device(other),
        };
        as_it_is.filter(|_| self.is_even).map_or((SurfaceFormat::I420, false), |format| (format, true))
    }

    /// Returns the surface format for pictures of this format in device memory; `None` if they have to be converted on
    /// the CPU.
    pub(super) fn for_device(self, format: PixelFormat) -> Option<SurfaceFormat> {
        match format {
            PixelFormat::Nv12 => Some(SurfaceFormat::Nv12),
            PixelFormat::Rgb(RgbOrder::Bgra) if self.is_rgb_too => Some(SurfaceFormat::Bgra),
            PixelFormat::Rgb(RgbOrder::Rgba) if self.is_rgb_too => Some(SurfaceFormat::Rgba),
            _ => None,
        }
    }
}

impl SurfaceFormat {
    /// The bytes of a row of the first plane.
    pub(super) fn row_bytes(self, size: FrameSize) -> usize {
        let width = size.width() as usize;
        match self {
            Self::Nv12 | Self::I420 => width,
            Self::Bgra | Self::Rgba => 4 * width,
        }
    }

    /// The rows of the whole picture, in rows of the first plane.
    pub(super) fn rows(self, size: FrameSize) -> usize {
        let height = size.height() as usize;
        match self {
            Self::Nv12 | Self::I420 => height + height.div_ceil(2),
            Self::Bgra | Self::Rgba => height,
        }
    }

    /// Whether pictures of the other format take the same memory.
    pub(super) const fn has_layout_of(self, other: Self) -> bool {
        matches!(self, Self::Bgra | Self::Rgba) == matches!(other, Self::Bgra | Self::Rgba)
    }

    pub(super) const fn pixel_format(self) -> PixelFormat {
        match self {
            Self::Nv12 => PixelFormat::Nv12,
            Self::I420 => PixelFormat::I420,
            Self::Bgra => PixelFormat::Rgb(RgbOrder::Bgra),
            Self::Rgba => PixelFormat::Rgb(RgbOrder::Rgba),
        }
    }
}

/// The driver's layout of a picture on the device: planes one after the other, rows `pitch` bytes apart (half that for
/// the chroma planes of I420).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: SurfaceFormat,
    /// The coded size: both sides even.
    pub(super) size: FrameSize,
    /// The pitch in bytes; even.
    pub(super) pitch: usize,
}

impl Layout {
    pub(super) fn bytes(self) -> usize {
        self.pitch * self.format.rows(self.size)
    }
}

/// A plane to write.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) stride: usize,
}

/// Page-locked memory with a picture's layout, uploaded with one copy.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) memory: PinnedMemory,
    pub(super) layout: Layout,
}

impl Staging {
    /// The planes, one to three of them.
    pub(super) fn planes(&mut self) -> [Option<Target<'_>>; 3] {
        let Layout { format, size, pitch } = self.layout;
        let height = size.height() as usize;
        let bytes = self.memory.as_mut_slice();
        let all = bytes.len().min(self.layout.bytes());
        let (first, rest) = bytes[..all].split_at_mut((pitch * height).min(all));
        let first = Some(Target { bytes: first, stride: pitch });
        match format {
            SurfaceFormat::Bgra | SurfaceFormat::Rgba => [first, None, None],
            SurfaceFormat::Nv12 => [first, Some(Target { bytes: rest, stride: pitch }), None],
            SurfaceFormat::I420 => {
                let stride = pitch / 2;
                let (second, third) = rest.split_at_mut((stride * height.div_ceil(2)).min(rest.len()));
                [first, Some(Target { bytes: second, stride }), Some(Target { bytes: third, stride })]
            }
        }
    }

    /// Copies a frame whose format needs no conversion.
    pub(super) fn copy_frame(&mut self, frame: &Frame<'_>) {
        let [first, second, third] = self.planes();
        let size = frame.size();
        let width = size.width() as usize;
        let (chroma_width, _) = size.chroma();
        let chroma_width = chroma_width as usize;
        match *frame.pixels() {
            Pixels::Nv12 { y, uv } => {
                copy_plane(y, first, width);
                copy_plane(uv, second, 2 * chroma_width);
            }
            Pixels::I420 { y, u, v } => {
                copy_plane(y, first, width);
                copy_plane(u, second, chroma_width);
                copy_plane(v, third, chroma_width);
            }
            Pixels::Rgb { order, plane } => copy_plane(plane, first, width * order.bytes_per_pixel()),
            // Device memory never comes here: see `NvencEncoder::bring`.
            Pixels::Cuda(_) => {}
        }
    }

    /// Returns the picture as a frame of `size`, which may be smaller than the layout by the padding to even.
    pub(super) fn frame(&self, size: FrameSize, timestamp: Timestamp) -> Result<Frame<'_>, FrameError> {
        let Layout { format, size: coded, pitch } = self.layout;
        let bytes = self.memory.as_slice();
        let all = bytes.len().min(self.layout.bytes());
        let height = coded.height() as usize;
        let (first, rest) = bytes[..all].split_at((pitch * height).min(all));
        let first = Plane::new(first, pitch);
        match format {
            SurfaceFormat::Bgra => Frame::rgb(size, RgbOrder::Bgra, first, timestamp),
            SurfaceFormat::Rgba => Frame::rgb(size, RgbOrder::Rgba, first, timestamp),
            SurfaceFormat::Nv12 => Frame::nv12(size, first, Plane::new(rest, pitch), timestamp),
            SurfaceFormat::I420 => {
                let stride = pitch / 2;
                let (second, third) = rest.split_at((stride * height.div_ceil(2)).min(rest.len()));
                Frame::i420(size, first, Plane::new(second, stride), Plane::new(third, stride), timestamp)
            }
        }
    }

    /// The planes of I420 to convert to; `None` for any other format.
    pub(super) fn planar(&mut self) -> Option<PlanesMut<'_>> {
        match self.planes() {
            [Some(y), Some(u), Some(v)] => Some(PlanesMut {
                y: y.bytes,
                u: u.bytes,
                v: v.bytes,
                y_stride: y.stride,
                chroma_stride: u.stride,
            }),
            _ => None,
        }
    }
}

/// Copies row by row; the frame was checked to have all its rows when it was made.
fn copy_plane(from: Plane<'_>, to: Option<Target<'_>>, row_bytes: usize) {
    if let Some(to) = to {
        from.copy_rows(0, to.bytes, to.stride, row_bytes);
    }
}
