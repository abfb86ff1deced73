//! The errors of y4m stream headers.

use std::error::Error;
use std::{fmt, io};

use direct264::units::OutOfRange;

/// An error of a y4m stream header. `Display` is one clause that names the value and the accepted ones.
#[derive(Debug)]
pub enum HeaderError {
    /// The system reported an error.
    Io(io::Error),
    /// The input does not begin with `YUV4MPEG2`.
    Magic {
        /// Whether the input is empty.
        is_empty: bool,
    },
    /// The header has no line feed within the limit, or the input ends before it.
    Unended {
        /// The bytes that were read.
        bytes: u64,
        /// The longest accepted header in bytes.
        limit: u64,
    },
    /// A required tag is missing.
    Missing {
        /// The tag's letter and its meaning.
        tag: &'static str,
    },
    /// A tag comes more than once.
    Twice {
        /// The tag's letter.
        tag: char,
    },
    /// A tag has a malformed value.
    Value {
        /// The tag with its value, shortened.
        token: String,
        /// The form of a correct value.
        wants: &'static str,
    },
    /// The size is out of range.
    Size(OutOfRange),
    /// The pixels are not 8-bit 4:2:0.
    Pixels {
        /// The tag with its value, shortened.
        token: String,
        /// The pixels' kind in words.
        are: String,
    },
    /// The pictures are interlaced.
    Interlaced {
        /// The tag with its value.
        token: String,
        /// The order of the fields in words.
        how: &'static str,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(source) => write!(f, "cannot be read: {source}"),
            Self::Magic { is_empty: true } => f.write_str("is empty"),
            Self::Magic { is_empty: false } => f.write_str("is not y4m (it does not begin with YUV4MPEG2)"),
            Self::Unended { bytes, limit } => {
                write!(f, "has a y4m header without an end ({bytes} bytes read, {limit} is the limit)")
            }
            Self::Missing { tag } => write!(f, "has a y4m header without {tag}"),
            Self::Twice { tag } => write!(f, "has a y4m header with two tags {tag}"),
            Self::Value { token, wants } => write!(f, "says {token} in its y4m header, which is not {wants}"),
            Self::Size(source) => write!(f, "says in its y4m header: {source}"),
            Self::Pixels { token, are } => write!(
                f,
                "says {token} in its y4m header: {are}, and only 8-bit 4:2:0 is taken: convert it, for example with \
                 ffmpeg -pix_fmt yuv420p"
            ),
            Self::Interlaced { token, how } => write!(
                f,
                "says {token} in its y4m header: interlaced, {how}, and only progressive video is taken: \
                 deinterlace it, for example with ffmpeg -vf yadif"
            ),
        }
    }
}

impl Error for HeaderError {}
