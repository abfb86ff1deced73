//! The errors of the video readers.

use std::error::Error;
use std::{fmt, io};

/// An error of a video reader. `Display` is one clause that names the frame and the byte of the input, both from 0.
#[derive(Debug)]
pub enum ReadError {
    /// The system reported an error.
    Io {
        /// The frame, from 0.
        frame: u64,
        /// The first unread byte of the input, from 0.
        byte: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The input ends within the pixels of a frame.
    Truncated {
        /// The frame, from 0.
        frame: u64,
        /// The length of the input in bytes.
        byte: u64,
        /// The bytes of pixels that were read.
        got: usize,
        /// The bytes of pixels of a whole frame.
        needed: usize,
    },
    /// The input ends within the header of a frame.
    TruncatedHeader {
        /// The frame, from 0.
        frame: u64,
        /// The length of the input in bytes.
        byte: u64,
    },
    /// Other bytes stand where a frame header should begin.
    NoFrame {
        /// The frame, from 0.
        frame: u64,
        /// The byte where the header should begin, from 0.
        byte: u64,
    },
    /// The header of a frame is longer than the limit.
    LongFrameHeader {
        /// The frame, from 0.
        frame: u64,
        /// The byte where the header begins, from 0.
        byte: u64,
        /// The longest accepted header in bytes.
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
