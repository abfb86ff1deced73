//! The errors of settings.

use std::time::Duration;

use crate::backend::UnknownBackend;
use crate::units::{FrameSize, OutOfRange};

/// A setting outside its range, with the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value is outside what its unit or the backend allows.
    #[error("{0}")]
    OutOfRange(OutOfRange),
    /// The picture has more macroblocks than the backend takes.
    #[error("size {size} has {macroblocks} macroblocks, more than {max_macroblocks}")]
    Area {
        /// The size as given.
        size: FrameSize,
        /// The number of its 16x16 macroblocks.
        macroblocks: u32,
        /// The most macroblocks allowed.
        max_macroblocks: u32,
    },
    /// A picture of this size can need more memory than the limit.
    #[error("size {size} can need {bytes} bytes of memory, more than {max_bytes}")]
    Memory {
        /// The size as given.
        size: FrameSize,
        /// The bytes that it can need.
        bytes: u64,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// The number of slices is out of range.
    #[error("{slices} slices a picture is outside 1 to {max}")]
    Slices {
        /// Slices a picture, as given.
        slices: u32,
        /// The most slices allowed for this size.
        max: u32,
    },
    /// The number of threads is out of range.
    #[error("{threads} threads is outside 1 to {max}")]
    Threads {
        /// Threads, as given.
        threads: u32,
        /// The most threads allowed.
        max: u32,
    },
    /// `max_size` is smaller than the opening size.
    #[error("size {size} does not fit within the maximum size {max_size}")]
    MaxSize {
        /// The opening size, or the size asked for in flight.
        size: FrameSize,
        /// The maximum, as given.
        max_size: FrameSize,
    },
    /// The VBV is too large.
    #[error("a VBV of {percent} % of a frame is outside 1 to {max} %")]
    Vbv {
        /// Percent of one frame's share of the bitrate, as given.
        percent: u32,
        /// The highest percentage allowed.
        max: u32,
    },
    /// The number of reference frames is more than H.264 has room for.
    #[error("{frames} reference frames are outside 1 to {max}")]
    ReferenceFrames {
        /// The number given.
        frames: u8,
        /// The most allowed.
        max: u8,
    },
    /// The intra refresh has no length, or does not end before the next one begins.
    #[error(
        "an intra refresh of {length_frames} frames does not fit between 1 and its period of {period_frames}"
    )]
    IntraRefresh {
        /// Frames from one refresh to the next, as given.
        period_frames: u32,
        /// Frames that one refresh takes, as given.
        length_frames: u32,
    },
    /// The back-off starts at 0, or its first wait is longer than its longest.
    #[error("a back-off from {first:?} to {longest:?} starts below 1 ms or ends below its start")]
    BackOff {
        /// The first wait, as given.
        first: Duration,
        /// The longest wait, as given.
        longest: Duration,
    },
    /// The text names no GPU.
    #[error("\"{text}\" names no GPU: say any, an index or a UUID")]
    UnknownGpu {
        /// The text, as given.
        text: String,
    },
    /// The word names no backend.
    #[error("\"{word}\" is no backend: say auto, nvenc or openh264")]
    UnknownBackend {
        /// The word, as given.
        word: String,
    },
    /// The text is no `profile-level-id`.
    #[error("\"{text}\" is no profile-level-id: say six hexadecimal digits")]
    ProfileLevelId {
        /// The text, as given.
        text: String,
    },
    /// The list of backends to try is empty.
    #[error("the list of backends to try is empty")]
    NoBackend,
}

impl From<OutOfRange> for ConfigError {
    fn from(error: OutOfRange) -> Self {
        Self::OutOfRange(error)
    }
}

impl From<UnknownBackend> for ConfigError {
    fn from(error: UnknownBackend) -> Self {
        Self::UnknownBackend { word: error.word }
    }
}
