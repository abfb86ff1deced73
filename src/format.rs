//! Formats of the pixels of a frame.

use crate::units::FrameSize;

/// The order of the bytes of a packed RGB pixel, as they lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RgbOrder {
    /// Red, green, blue: 3 bytes.
    Rgb24,
    /// Blue, green, red: 3 bytes.
    Bgr24,
    /// Red, green, blue, and a byte that is ignored: 4 bytes.
    Rgba,
    /// Blue, green, red, and a byte that is ignored: 4 bytes.
    Bgra,
}

impl RgbOrder {
    /// Bytes of one pixel: 3 or 4.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Rgb24 | Self::Bgr24 => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// How the pixels of a frame lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Three planes: luma, then Cb and Cr at half width and height (rounded up).
    I420,
    /// Two planes: luma, then Cb and Cr interleaved at half width and height (rounded up).
    Nv12,
    /// One plane of packed pixels.
    Rgb(RgbOrder),
}

impl PixelFormat {
    /// Every format of frames in host memory, with the name that the command line knows it by.
    pub const NAMED: [(&'static str, Self); 6] = [
        ("i420", Self::I420),
        ("nv12", Self::Nv12),
        ("rgb24", Self::Rgb(RgbOrder::Rgb24)),
        ("bgr24", Self::Rgb(RgbOrder::Bgr24)),
        ("rgba", Self::Rgb(RgbOrder::Rgba)),
        ("bgra", Self::Rgb(RgbOrder::Bgra)),
    ];

    /// Bytes of one frame without padding between rows or planes.
    #[must_use]
    pub const fn frame_bytes(self, size: FrameSize) -> usize {
        let luma = size.width() as usize * size.height() as usize;
        let (chroma_columns, chroma_rows) = size.chroma();
        match self {
            Self::I420 | Self::Nv12 => luma + 2 * chroma_columns as usize * chroma_rows as usize,
            Self::Rgb(order) => luma * order.bytes_per_pixel(),
        }
    }
}
