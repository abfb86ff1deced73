//! The colour of YUV pixels: matrix and range.

/// The matrix between RGB and YUV, and the primaries and transfer that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColourMatrix {
    /// ITU-R BT.709, for HD. Code point 1.
    Bt709,
    /// ITU-R BT.601 in its 525-line form, for SD. Code point 6.
    Bt601,
}

impl ColourMatrix {
    /// The code point of primaries, transfer and matrix in the VUI (ITU-T H.264 tables E-3 to E-5).
    #[must_use]
    pub const fn code_point(self) -> u8 {
        match self {
            Self::Bt709 => 1,
            Self::Bt601 => 6,
        }
    }
}

/// The range of sample values between black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColourRange {
    /// Luma 16 to 235, chroma 16 to 240: video range.
    Limited,
    /// 0 to 255: full or JPEG range.
    Full,
}

/// Matrix and range of a stream, fixed at opening and the same on every backend. The VUI signals the colour that the
/// conversion used.
///
/// ```
/// use direct264::colour::{Colour, ColourMatrix, ColourRange};
///
/// let jpeg = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Full };
/// assert_ne!(jpeg, Colour::BT709_LIMITED);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// The matrix.
    pub matrix: ColourMatrix,
    /// The range.
    pub range: ColourRange,
}

impl Colour {
    /// BT.709 at limited range, the default.
    pub const BT709_LIMITED: Self = Self { matrix: ColourMatrix::Bt709, range: ColourRange::Limited };
}
