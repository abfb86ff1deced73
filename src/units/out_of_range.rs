//! The error of a value that its unit does not allow.

/// A value outside its range, with the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfRange {
    /// A side of the picture is out of range.
    #[error("size {width}x{height} has a side outside {min_side} to {max_side} pixels")]
    Size {
        /// Pixels in a row, as given.
        width: u32,
        /// Rows, as given.
        height: u32,
        /// The shortest side allowed, in pixels.
        min_side: u32,
        /// The longest side allowed, in pixels.
        max_side: u32,
    },
    /// The bitrate is out of range.
    #[error("bitrate {bps} is outside {min} to {max} bit/s")]
    Bitrate {
        /// Bits per second, as given.
        bps: u64,
        /// The lowest rate allowed, in bits per second.
        min: u32,
        /// The highest rate allowed, in bits per second.
        max: u32,
    },
    /// The frame rate is out of range.
    #[error("frame rate {numerator}/{denominator} is outside 1/10 to {max_hz} frames per second")]
    FrameRate {
        /// The fraction's upper number, as given.
        numerator: u32,
        /// The fraction's lower number, as given.
        denominator: u32,
        /// The highest rate allowed, in frames per second.
        max_hz: u32,
    },
    /// The quantiser range is empty or beyond H.264's.
    #[error("quantiser range {min} to {max} is empty or goes beyond {limit}")]
    Qp {
        /// The finest quantiser, as given.
        min: u8,
        /// The coarsest quantiser, as given.
        max: u8,
        /// The coarsest quantiser of H.264.
        limit: u8,
    },
    /// The pixel has no width or no height.
    #[error("sample aspect {width}:{height} has a side of 0")]
    SampleAspect {
        /// The width, as given.
        width: u16,
        /// The height, as given.
        height: u16,
    },
}
