//! The errors of a frame.

use std::time::Duration;

use super::driver::DriverError;
use super::internal::Internal;
use super::no_thread::NoThread;
use super::unavailable::Unavailable;
use crate::format::PixelFormat;
use crate::units::FrameSize;

/// A frame that does not fit, with the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stride is shorter than a row.
    #[error("plane {plane}: stride of {stride_bytes} bytes is shorter than a row of {row_bytes}")]
    Stride {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes between two rows, as given.
        stride_bytes: usize,
        /// Bytes in a row.
        row_bytes: usize,
    },
    /// The plane ends before its last row does.
    #[error("plane {plane}: {bytes} bytes given, {needed} needed")]
    Plane {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes needed: every row but the last at its stride, and the last row's pixels.
        needed: usize,
    },
    /// The stride is 2 GiB or more, or rows times stride is more than a `usize` holds.
    #[error("plane {plane}: {rows} rows of {stride_bytes} bytes exceed the address range")]
    Overflow {
        /// The plane's name: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes between two rows, as given.
        stride_bytes: usize,
        /// Rows in the plane.
        rows: usize,
    },
    /// The frame has another size than the encoder.
    #[error("frame of {frame} for an encoder of {encoder}")]
    Size {
        /// The frame's size.
        frame: FrameSize,
        /// The encoder's size.
        encoder: FrameSize,
    },
    /// A frame of a pipeline is in flight, or its access unit was not taken: flush the pipeline first.
    #[error("a frame of a pipeline is in flight: flush the pipeline first")]
    InFlight,
    /// Every page-locked frame of the encoder is lent: encode or drop one.
    #[error("all {lent} frames of the encoder are lent")]
    AllLent {
        /// The number of lent frames.
        lent: usize,
    },
    /// The encoder cannot lend a frame of this format, which it would have to convert.
    #[error("the encoder lends no frame of the format {format:?}, which it would have to convert")]
    NotLent {
        /// The format asked for.
        format: PixelFormat,
    },
    /// The address is 0, wraps around, or is no device memory to the driver.
    #[error("address {address:#x} is no CUDA device memory")]
    NoDeviceMemory {
        /// The address, as given.
        address: u64,
    },
    /// A plane in device memory reaches beyond its allocation.
    #[error("the allocation in device memory ends after {bytes} of the {needed} bytes of a plane")]
    Allocation {
        /// Bytes of the allocation from the start of the plane on.
        bytes: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The frame lies on another GPU than the encoder.
    #[error("the frame lies on GPU {frame} and the encoder runs on GPU {encoder}")]
    OtherGpu {
        /// The frame's GPU, in CUDA's order.
        frame: i32,
        /// The encoder's GPU, in CUDA's order.
        encoder: i32,
    },
    /// The frame lies in a CUDA context that is not the primary one of its GPU.
    #[error("the frame lies in a CUDA context other than the primary one of GPU {gpu}")]
    OtherContext {
        /// The frame's GPU, in CUDA's order.
        gpu: i32,
    },
    /// The frame's stream is the per-thread default stream, which differs on every thread.
    #[error("the per-thread default stream differs on every thread")]
    PerThreadStream,
    /// No encoder reads this format from device memory: NV12, RGBA and BGRA are read.
    #[error("frames in device memory are NV12, RGBA or BGRA, not {format:?}")]
    NotOnDevice {
        /// The format asked for.
        format: PixelFormat,
    },
    /// The frame lies in device memory, which a build without the feature `nvenc` cannot read.
    #[error("the frame lies in device memory, which a build without the feature nvenc cannot read")]
    NotInHostMemory,
    /// The frame lies in device memory and cannot be read there.
    #[error("the frame in device memory cannot be read")]
    Unreadable(#[from] Unreadable),
    /// CUDA did not copy the frame from device memory within [`CallLimits::first`](crate::config::CallLimits::first).
    /// The hanging call may still read the memory: see [`Frame::cuda`](crate::Frame::cuda). Until that call returns,
    /// each further frame in device memory fails with this error at once.
    #[error(
        "the frame in device memory was not read in time: {call}, or a call on the way to it, did not return within \
         {} ms", limit.as_millis()
    )]
    TimedOut {
        /// The CUDA driver call that did not return in time, or the next one that can take long.
        call: &'static str,
        /// The limit of the wait.
        limit: Duration,
    },
    /// The contiguous buffer has another length than the frame.
    #[error("{bytes} bytes given for a frame of {needed}")]
    Length {
        /// Bytes given.
        bytes: usize,
        /// Bytes of one frame.
        needed: usize,
    },
}

/// The cause for which a frame in device memory cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A call of CUDA failed.
    #[error("{0}")]
    Driver(DriverError),
    /// CUDA is not available in this process, for example after a fork.
    #[error("{0}")]
    Unavailable(Unavailable),
    /// The thread that reads frames could not be started.
    #[error("{0}")]
    NoThread(NoThread),
    /// A mistake in this crate was found.
    #[error("{0}")]
    Internal(Internal),
}
