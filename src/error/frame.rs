//! The errors of a frame.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::driver::DriverError;
use super::internal::Internal;
use super::no_thread::NoThread;
use super::unavailable::Unavailable;
use crate::format::PixelFormat;
use crate::units::FrameSize;

/// A frame that does not fit, with the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The stride is shorter than a row.
    Stride {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes between two rows, as given.
        stride_bytes: usize,
        /// Bytes in a row.
        row_bytes: usize,
    },
    /// The plane ends before its last row does.
    Plane {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes needed: every row but the last at its stride, and the last row's pixels.
        needed: usize,
    },
    /// The stride is 2 GiB or more, or rows times stride is more than a `usize` holds.
    Overflow {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes between two rows, as given.
        stride_bytes: usize,
        /// Rows in the plane.
        rows: usize,
    },
    /// The frame has another size than the encoder.
    Size {
        /// The frame's size.
        frame: FrameSize,
        /// The encoder's size.
        encoder: FrameSize,
    },
    /// A frame of a pipeline is in flight, or its access unit was not taken: flush the pipeline first.
    InFlight,
    /// Every page-locked frame of the encoder is lent: encode or drop one.
    AllLent {
        /// The number of lent frames.
        lent: usize,
    },
    /// The encoder cannot lend a frame of this format, which it would have to convert.
    NotLent {
        /// The format asked for.
        format: PixelFormat,
    },
    /// The address is 0, wraps around, or is no device memory to the driver.
    NoDeviceMemory {
        /// The address, as given.
        address: u64,
    },
    /// A plane in device memory reaches beyond its allocation.
    Allocation {
        /// Bytes of the allocation from the start of the plane on.
        bytes: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The frame lies on another GPU than the encoder.
    OtherGpu {
        /// The frame's GPU, in CUDA's order.
        frame: i32,
        /// The encoder's GPU, in CUDA's order.
        encoder: i32,
    },
    /// The frame lies in a CUDA context that is not the primary one of its GPU.
    OtherContext {
        /// The frame's GPU, in CUDA's order.
        gpu: i32,
    },
    /// The frame's stream is the per-thread default stream, which differs on every thread.
    PerThreadStream,
    /// No encoder reads this format from device memory: NV12, RGBA and BGRA are read.
    NotOnDevice {
        /// The format asked for.
        format: PixelFormat,
    },
    /// The frame lies in device memory, which a build without the feature `nvenc` cannot read.
    NotInHostMemory,
    /// The frame lies in device memory and cannot be read there.
    Unreadable(Unreadable),
    /// CUDA did not copy the frame from device memory within [`CallLimits::first`](crate::config::CallLimits::first).
    /// The hanging call may still read the memory: see [`Frame::cuda`](crate::Frame::cuda). Until that call returns,
    /// each further frame in device memory fails with this error at once.
    TimedOut {
        /// The CUDA driver call that did not return in time, or the next one that can take long.
        call: &'static str,
        /// The limit of the wait.
        limit: Duration,
    },
    /// The contiguous buffer has another length than the frame.
    Length {
        /// Bytes given.
        bytes: usize,
        /// Bytes of one frame.
        needed: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stride { plane, stride_bytes, row_bytes } => {
                write!(
                    f,
                    "plane {plane}: stride of {stride_bytes} bytes is shorter than a row of {row_bytes}"
                )
            }
            Self::Plane { plane, bytes, needed } => {
                write!(f, "plane {plane}: {bytes} bytes given, {needed} needed")
            }
            Self::Overflow { plane, stride_bytes, rows } => {
                write!(f, "plane {plane}: {rows} rows of {stride_bytes} bytes exceed the address range")
            }
            Self::Size { frame, encoder } => write!(f, "frame of {frame} for an encoder of {encoder}"),
            Self::InFlight => f.write_str("a frame of a pipeline is in flight: flush the pipeline first"),
            Self::AllLent { lent } => write!(f, "all {lent} frames of the encoder are lent"),
            Self::NotLent { format } => {
                write!(
                    f,
                    "the encoder lends no frame of the format {format:?}, which it would have to convert"
                )
            }
            Self::NoDeviceMemory { address } => write!(f, "address {address:#x} is no CUDA device memory"),
            Self::Allocation { bytes, needed } => {
                write!(
                    f,
                    "the allocation in device memory ends after {bytes} of the {needed} bytes of a plane"
                )
            }
            Self::OtherGpu { frame, encoder } => {
                write!(f, "the frame lies on GPU {frame} and the encoder runs on GPU {encoder}")
            }
            Self::OtherContext { gpu } => {
                write!(f, "the frame lies in a CUDA context other than the primary one of GPU {gpu}")
            }
            Self::PerThreadStream => f.write_str("the per-thread default stream differs on every thread"),
            Self::NotOnDevice { format } => {
                write!(f, "frames in device memory are NV12, RGBA or BGRA, not {format:?}")
            }
            Self::NotInHostMemory => f.write_str(
                "the frame lies in device memory, which a build without the feature nvenc cannot read",
            ),
            Self::Unreadable(_) => f.write_str("the frame in device memory cannot be read"),
            Self::TimedOut { call, limit } => {
                let limit_ms = limit.as_millis();
                write!(
                    f,
                    "the frame in device memory was not read in time: {call}, or a call on the way to it, \
                     did not return within {limit_ms} ms"
                )
            }
            Self::Length { bytes, needed } => write!(f, "{bytes} bytes given for a frame of {needed}"),
        }
    }
}

impl StdError for FrameError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable(why) => Some(why),
            _ => None,
        }
    }
}

impl From<Unreadable> for FrameError {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(why)
    }
}

/// The cause for which a frame in device memory cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// A call of CUDA failed.
    Driver(DriverError),
    /// CUDA is not available in this process, for example after a fork.
    Unavailable(Unavailable),
    /// The thread that reads frames could not be started.
    NoThread(NoThread),
    /// A mistake in this crate was found.
    Internal(Internal),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(why) => why.fmt(f),
            Self::Unavailable(why) => why.fmt(f),
            Self::NoThread(why) => why.fmt(f),
            Self::Internal(why) => why.fmt(f),
        }
    }
}

impl StdError for Unreadable {}
