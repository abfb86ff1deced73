//! Values with a unit: sizes in pixels, rates in bits and frames per second, timestamps, quantisers.
//!
//! Each value is checked when it is made, so that later code may rely on it.

mod out_of_range;

pub use out_of_range::OutOfRange;

use std::fmt;

/// Width and height of a picture, in luma pixels: 1 to [`FrameSize::MAX_SIDE`] each.
///
/// ```
/// use direct264::FrameSize;
///
/// let size = FrameSize::new(1281, 720)?;
/// // A stream in 4:2:0 has even sides only.
/// assert_eq!(size.padded_to_even(), FrameSize::new(1282, 720)?);
/// assert!(FrameSize::new(0, 720).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameSize {
    width: u32,
    height: u32,
}

impl FrameSize {
    /// The longest side that any H.264 level has room for, rounded down to a power of two (level 6.2,
    /// ITU-T H.264 table A-1 and A.3.1: `PicWidthInMbs` at most `sqrt(8 * MaxFS)`).
    pub const MAX_SIDE: u32 = 16_384;

    /// A size of `width` by `height` pixels.
    ///
    /// # Errors
    /// [`OutOfRange::Size`] when a side is 0 or more than [`FrameSize::MAX_SIDE`].
    pub const fn new(width: u32, height: u32) -> Result<Self, OutOfRange> {
        if width == 0 || height == 0 || width > Self::MAX_SIDE || height > Self::MAX_SIDE {
            return Err(OutOfRange::Size { width, height, min_side: 1, max_side: Self::MAX_SIDE });
        }
        Ok(Self { width, height })
    }

    /// Pixels in a row.
    #[must_use]
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Rows of pixels.
    #[must_use]
    pub const fn height(self) -> u32 {
        self.height
    }

    /// Returns this size with odd sides rounded up to even, since 4:2:0 has no odd sides: the coded size.
    #[must_use]
    pub const fn padded_to_even(self) -> Self {
        Self { width: self.width.next_multiple_of(2), height: self.height.next_multiple_of(2) }
    }

    /// Returns the smallest size that holds both.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self {
            width: if self.width > other.width { self.width } else { other.width },
            height: if self.height > other.height { self.height } else { other.height },
        }
    }

    /// Columns and rows of one 4:2:0 chroma plane: half the luma, rounded up.
    #[must_use]
    pub const fn chroma(self) -> (u32, u32) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    /// Macroblocks (16x16) in a row and in a column, rounded up.
    #[must_use]
    pub const fn macroblocks(self) -> (u32, u32) {
        (self.width.div_ceil(16), self.height.div_ceil(16))
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Bits per second, [`Bitrate::MIN`] to [`Bitrate::MAX`].
///
/// ```
/// use direct264::Bitrate;
///
/// assert_eq!(Bitrate::from_mbps(3)?, Bitrate::from_kbps(3_000)?);
/// assert_eq!(Bitrate::from_kbps(800)?.bps(), 800_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u32);

impl Bitrate {
    /// 1 kbit/s: below this not even the slice headers of a few frames fit.
    pub const MIN: Self = Self(1_000);
    /// 800 Mbit/s, the most that any level allows (ITU-T H.264 table A-1, level 6.2).
    pub const MAX: Self = Self(800_000_000);

    /// A rate in bits per second.
    ///
    /// # Errors
    /// [`OutOfRange::Bitrate`] outside [`Bitrate::MIN`] to [`Bitrate::MAX`].
    pub const fn from_bps(bps: u64) -> Result<Self, OutOfRange> {
        if bps < Self::MIN.0 as u64 || bps > Self::MAX.0 as u64 {
            return Err(OutOfRange::Bitrate { bps, min: Self::MIN.0, max: Self::MAX.0 });
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most Self::MAX, which is a u32")]
        Ok(Self(bps as u32))
    }

    /// A rate in units of 1000 bits per second.
    ///
    /// # Errors
    /// As [`Bitrate::from_bps`].
    pub const fn from_kbps(kbps: u64) -> Result<Self, OutOfRange> {
        Self::from_bps(kbps.saturating_mul(1_000))
    }

    /// A rate in units of 1,000,000 bits per second.
    ///
    /// # Errors
    /// As [`Bitrate::from_bps`].
    pub const fn from_mbps(mbps: u64) -> Result<Self, OutOfRange> {
        Self::from_bps(mbps.saturating_mul(1_000_000))
    }

    /// Bits per second.
    #[must_use]
    pub const fn bps(self) -> u32 {
        self.0
    }

    /// Returns the bits of a VBV that holds `percent` of one frame's share, within the buffer of level 5.2: many decoders
    /// refuse a higher level.
    pub(crate) fn vbv_bits(self, frame_rate: FrameRate, percent: u32) -> u32 {
        const LARGEST: u32 = 240_000_000;
        let bits = u128::from(self.0) * u128::from(frame_rate.denominator()) * u128::from(percent)
            / (u128::from(frame_rate.numerator()) * 100);
        u32::try_from(bits).unwrap_or(LARGEST).clamp(1, LARGEST)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bit/s", self.0)
    }
}

/// A frame rate in frames per second, as a fraction from 1/10 to [`FrameRate::MAX_HZ`].
///
/// Rate control shares the bits out by it, and the stream does not carry it. Every frame is encoded, and timestamps
/// are opaque.
///
/// ```
/// use direct264::FrameRate;
///
/// let ntsc = FrameRate::new(30_000, 1_001)?;
/// assert!((ntsc.as_f64() - 29.97).abs() < 0.001);
/// assert_eq!(FrameRate::hz(60)?.as_f64(), 60.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

impl FrameRate {
    /// The highest rate allowed, in frames per second.
    pub const MAX_HZ: u32 = 1_000;

    /// A rate of `numerator / denominator` frames per second, such as `30000 / 1001`.
    ///
    /// # Errors
    /// [`OutOfRange::FrameRate`] when either is 0 or the rate lies outside 1/10 to [`FrameRate::MAX_HZ`].
    pub const fn new(numerator: u32, denominator: u32) -> Result<Self, OutOfRange> {
        let too_slow = (numerator as u64) * 10 < denominator as u64;
        let too_fast = numerator as u64 > (denominator as u64) * (Self::MAX_HZ as u64);
        if numerator == 0 || denominator == 0 || too_slow || too_fast {
            return Err(OutOfRange::FrameRate { numerator, denominator, max_hz: Self::MAX_HZ });
        }
        Ok(Self { numerator, denominator })
    }

    /// A rate of a whole number of frames per second.
    ///
    /// # Errors
    /// As [`FrameRate::new`].
    pub const fn hz(hz: u32) -> Result<Self, OutOfRange> {
        Self::new(hz, 1)
    }

    /// The fraction's upper number.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// The fraction's lower number.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// Frames per second.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

/// The caller's own mark on a frame, in the caller's unit. The access unit carries the same value, and the encoder
/// never reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The number of an access unit, counted by the encoder from 0 across changes of backend and of session. A receiver
/// that knows the numbers can report lost ones: see [`Encoder::invalidate`](crate::Encoder::invalidate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u64);

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}", self.0)
    }
}

/// A QP range of the rate control: 0 (finest) to 51 (coarsest), 10 to 51 unless set.
///
/// ```
/// use direct264::QpRange;
///
/// let range = QpRange::new(18, 40)?;
/// assert_eq!((range.min(), range.max()), (18, 40));
/// assert!(QpRange::new(40, 18).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QpRange {
    min: u8,
    max: u8,
}

impl QpRange {
    /// The coarsest quantiser of 8-bit H.264.
    pub const MAX_QP: u8 = 51;
    /// The range of [`EncoderConfig::new`](crate::EncoderConfig::new): below 10 the eye gains nothing, and one frame
    /// could fill a link.
    pub const DEFAULT: Self = Self { min: 10, max: Self::MAX_QP };

    /// Quantisers `min` to `max`, both included.
    ///
    /// # Errors
    /// [`OutOfRange::Qp`] when `min` is above `max` or `max` above 51.
    pub const fn new(min: u8, max: u8) -> Result<Self, OutOfRange> {
        if min > max || max > Self::MAX_QP {
            return Err(OutOfRange::Qp { min, max, limit: Self::MAX_QP });
        }
        Ok(Self { min, max })
    }

    /// The finest quantiser allowed.
    #[must_use]
    pub const fn min(self) -> u8 {
        self.min
    }

    /// The coarsest quantiser allowed.
    #[must_use]
    pub const fn max(self) -> u8 {
        self.max
    }
}

/// A sample aspect ratio, width to height, written into the VUI for players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleAspect {
    width: u16,
    height: u16,
}

impl SampleAspect {
    /// A pixel `width` wide and `height` high, in any unit.
    ///
    /// # Errors
    /// [`OutOfRange::SampleAspect`] when either is 0.
    pub const fn new(width: u16, height: u16) -> Result<Self, OutOfRange> {
        if width == 0 || height == 0 {
            return Err(OutOfRange::SampleAspect { width, height });
        }
        Ok(Self { width, height })
    }

    /// The pixel's width, in the unit of its height.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// The pixel's height, in the unit of its width.
    #[must_use]
    pub const fn height(self) -> u16 {
        self.height
    }
}
