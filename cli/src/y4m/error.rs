//! Why a y4m header is refused, with the value and the limit.

use std::error::Error;
use std::{fmt, io};

use direct264::ConfigError;

/// Why a stream header is refused. `Display` is one clause that names the value and what is taken instead.
#[derive(Debug)]
pub enum HeaderError {
    /// The input failed.
    Io(io::Error),
    /// The input does not begin with the magic word.
    Magic {
        /// Whether there was nothing at all.
        is_empty: bool,
    },
    /// The header has no end within the limit, or none before the input's.
    Unended {
        /// Bytes looked at.
        bytes: u64,
        /// The most that are.
        limit: u64,
    },
    /// A tag that must be there is not.
    Missing {
        /// The tag's letter and what it stands for.
        tag: &'static str,
    },
    /// A tag stands there more than once, so that one of the two lies.
    Twice {
        /// The tag's letter.
        tag: char,
    },
    /// A tag's value is not what it should be.
    Value {
        /// The tag with its value, shortened.
        token: String,
        /// What it should be.
        wants: &'static str,
    },
    /// A side is out of range.
    Size(ConfigError),
    /// The pixels are not 8-bit 4:2:0.
    Pixels {
        /// The tag with its value, shortened.
        token: String,
        /// What they are.
        are: String,
    },
    /// The pictures are interlaced.
    Interlaced {
        /// The tag with its value.
        token: String,
        /// In which way.
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
