//! Why reading video ends before the video does, with the place and the limit.

use std::error::Error;
use std::{fmt, io};

/// Why reading ends before the input does. `Display` is one clause that names the frame, from 0, and the byte of
/// the input, from 0.
#[derive(Debug)]
pub enum ReadError {
    /// The input failed.
    Io {
        /// The frame that was being read.
        frame: u64,
        /// The first byte that was not read.
        byte: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The input ends within a frame's pixels.
    Truncated {
        /// The frame.
        frame: u64,
        /// Where the input ends.
        byte: u64,
        /// Bytes of pixels that are there.
        got: usize,
        /// Bytes of pixels of a whole frame.
        needed: usize,
    },
    /// The input ends within a frame's header.
    TruncatedHeader {
        /// The frame.
        frame: u64,
        /// Where the input ends.
        byte: u64,
    },
    /// Something else stands where a frame should begin.
    NoFrame {
        /// The frame.
        frame: u64,
        /// Where it should begin.
        byte: u64,
    },
    /// A frame's header is longer than the limit.
    LongFrameHeader {
        /// The frame.
        frame: u64,
        /// Where it begins.
        byte: u64,
        /// The most bytes that are taken.
        limit: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { frame, byte, source } => {
                write!(f, "frame {frame} cannot be read at byte {byte}: {source}")
            }
            Self::Truncated { frame, byte, got, needed } => {
                write!(f, "frame {frame} ends after {got} of its {needed} bytes, at byte {byte}")
            }
            Self::TruncatedHeader { frame, byte } => {
                write!(f, "frame {frame} ends within its header, at byte {byte}")
            }
            Self::NoFrame { frame, byte } => {
                write!(f, "no FRAME where frame {frame} should begin, at byte {byte}")
            }
            Self::LongFrameHeader { frame, byte, limit } => {
                write!(f, "the header of frame {frame}, at byte {byte}, is longer than {limit} bytes")
            }
        }
    }
}

impl Error for ReadError {}
