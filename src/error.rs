//! What can go wrong, sorted by what the caller can do next.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::backend::Backend;
use crate::frame::PixelFormat;
use crate::reason::Reason;
use crate::units::FrameSize;

/// Why a call failed. The variant says what to do: fix the settings, fix the frame, take another backend, or
/// open another session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot work. No device was touched: fix the call.
    Config(ConfigError),
    /// This frame does not fit; the encoder is still good: fix the call.
    Frame(FrameError),
    /// No encoder of this kind here. Ordinary on most machines: try another backend.
    Unavailable(Unavailable),
    /// The driver or library refused a call. The session is spent: open another.
    Driver(DriverError),
}

impl Error {
    /// Whether the caller's call is at fault, and the encoder as good as before.
    pub(crate) const fn is_of_the_caller(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Frame(_))
    }

    /// Whether CUDA has given up the context that the call was in.
    pub(crate) fn is_context_lost(&self) -> bool {
        match self {
            Self::Driver(why) => why.is_context_lost,
            Self::Unavailable(why) => why.is_context_lost,
            Self::Frame(FrameError::Unreadable { status, .. }) => is_sticky(*status),
            Self::Frame(_) | Self::Config(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config(_) => "the settings cannot work",
            Self::Frame(_) => "the frame does not fit the encoder",
            Self::Unavailable(_) => "no such encoder is available here",
            Self::Driver(_) => "the encoder refused a call",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(match self {
            Self::Config(e) => e,
            Self::Frame(e) => e,
            Self::Unavailable(e) => e,
            Self::Driver(e) => e,
        })
    }
}

impl From<crate::backend::UnknownBackend> for ConfigError {
    fn from(e: crate::backend::UnknownBackend) -> Self {
        Self::UnknownBackend { word: e.word }
    }
}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}

impl From<FrameError> for Error {
    fn from(e: FrameError) -> Self {
        Self::Frame(e)
    }
}

impl From<Unavailable> for Error {
    fn from(e: Unavailable) -> Self {
        Self::Unavailable(e)
    }
}

impl From<DriverError> for Error {
    fn from(e: DriverError) -> Self {
        Self::Driver(e)
    }
}

/// A setting outside its range, with the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A side of the picture is out of range.
    Size {
        /// Pixels in a row, as given.
        width: u32,
        /// Rows, as given.
        height: u32,
        /// The shortest side taken, in pixels.
        min_side: u32,
        /// The longest side taken, in pixels.
        max_side: u32,
    },
    /// The picture has more macroblocks than the backend takes.
    Area {
        /// The size as given.
        size: FrameSize,
        /// Macroblocks of 16x16 in it.
        macroblocks: u32,
        /// The most that are taken.
        max_macroblocks: u32,
    },
    /// A picture of this size can need more memory than is allowed.
    Memory {
        /// The size as given.
        size: FrameSize,
        /// Bytes that it can need.
        bytes: u64,
        /// Bytes that are allowed.
        max_bytes: u64,
    },
    /// The bitrate is out of range.
    Bitrate {
        /// Bits per second, as given.
        bps: u64,
        /// The lowest rate taken, in bits per second.
        min: u32,
        /// The highest rate taken, in bits per second.
        max: u32,
    },
    /// The frame rate is out of range.
    FrameRate {
        /// The fraction's upper number, as given.
        numerator: u32,
        /// The fraction's lower number, as given.
        denominator: u32,
        /// The highest rate taken, in frames per second.
        max_hz: u32,
    },
    /// The quantiser range is empty or beyond H.264's.
    Qp {
        /// The finest quantiser, as given.
        min: u8,
        /// The coarsest quantiser, as given.
        max: u8,
        /// The coarsest there is.
        limit: u8,
    },
    /// A pixel without width or height.
    SampleAspect {
        /// The width, as given.
        width: u16,
        /// The height, as given.
        height: u16,
    },
    /// The number of slices is out of range.
    Slices {
        /// Slices a picture, as given.
        slices: u32,
        /// The most that are taken for this size.
        max: u32,
    },
    /// The number of threads is out of range.
    Threads {
        /// Threads, as given.
        threads: u32,
        /// The most that are taken.
        max: u32,
    },
    /// `max_size` is smaller than the opening size.
    MaxSize {
        /// The opening size, or the size asked for.
        size: FrameSize,
        /// The maximum, as given.
        max_size: FrameSize,
    },
    /// The VBV is too large.
    Vbv {
        /// Percent of one frame's share of the bitrate, as given.
        percent: u32,
        /// The most that is taken.
        max: u32,
    },
    /// More references than H.264 has room for.
    ReferenceFrames {
        /// The number given.
        frames: u8,
        /// The most that is taken.
        max: u8,
    },
    /// An intra refresh that has no length, or is not over before the next one begins.
    IntraRefresh {
        /// Frames from one refresh to the next, as given.
        period_frames: u32,
        /// Frames that one refresh takes, as given.
        length_frames: u32,
    },
    /// A back-off that starts at nothing, or is longer at first than at last.
    BackOff {
        /// The first wait, as given.
        first: Duration,
        /// The longest wait, as given.
        longest: Duration,
    },
    /// A text that names no GPU.
    UnknownGpu {
        /// The text, as given.
        text: String,
    },
    /// A word that names no backend.
    UnknownBackend {
        /// The word, as given.
        word: String,
    },
    /// A text that is no `profile-level-id`.
    ProfileLevelId {
        /// The text, as given.
        text: String,
    },
    /// The list of backends to try is empty.
    NoBackend,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { width, height, min_side, max_side } => {
                write!(f, "size {width}x{height} has a side outside {min_side} to {max_side} pixels")
            }
            Self::Area { size, macroblocks, max_macroblocks } => {
                write!(f, "size {size} has {macroblocks} macroblocks, more than {max_macroblocks}")
            }
            Self::Memory { size, bytes, max_bytes } => {
                write!(f, "size {size} can need {bytes} bytes of memory, more than {max_bytes}")
            }
            Self::Bitrate { bps, min, max } => write!(f, "bitrate {bps} is outside {min} to {max} bit/s"),
            Self::FrameRate { numerator, denominator, max_hz } => {
                write!(
                    f,
                    "frame rate {numerator}/{denominator} is outside 1/10 to {max_hz} frames per second"
                )
            }
            Self::Qp { min, max, limit } => {
                write!(f, "quantiser range {min} to {max} is empty or goes beyond {limit}")
            }
            Self::SampleAspect { width, height } => {
                write!(f, "sample aspect {width}:{height} has a side of 0")
            }
            Self::Slices { slices, max } => write!(f, "{slices} slices a picture is outside 1 to {max}"),
            Self::Threads { threads, max } => write!(f, "{threads} threads is outside 1 to {max}"),
            Self::MaxSize { size, max_size } => {
                write!(f, "size {size} does not fit within the maximum size {max_size}")
            }
            Self::Vbv { percent, max } => {
                write!(f, "a VBV of {percent} % of a frame is outside 1 to {max} %")
            }
            Self::ReferenceFrames { frames, max } => {
                write!(f, "{frames} reference frames are outside 1 to {max}")
            }
            Self::IntraRefresh { period_frames, length_frames } => write!(
                f,
                "an intra refresh of {length_frames} frames does not fit between 1 and its period of {period_frames}"
            ),
            Self::BackOff { first, longest } => {
                write!(
                    f,
                    "a back-off from {first:?} to {longest:?} starts below 1 ms or ends below its start"
                )
            }
            Self::UnknownGpu { text } => {
                write!(f, "\"{text}\" names no GPU: say any, an index or a UUID")
            }
            Self::UnknownBackend { word } => {
                write!(f, "\"{word}\" is no backend: say auto, nvenc or openh264")
            }
            Self::ProfileLevelId { text } => {
                write!(f, "\"{text}\" is no profile-level-id: say six hexadecimal digits")
            }
            Self::NoBackend => f.write_str("the list of backends to try is empty"),
        }
    }
}

impl StdError for ConfigError {}

/// A frame that does not fit, with the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The stride is shorter than a row.
    Stride {
        /// Which plane: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes between two rows, as given.
        stride_bytes: usize,
        /// Bytes in a row.
        row_bytes: usize,
    },
    /// The plane ends before its last row does.
    Plane {
        /// Which plane: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
        plane: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes needed: every row but the last at its stride, and the last row's pixels.
        needed: usize,
    },
    /// The stride is 2 GiB or more, or rows times stride is more than a `usize` holds.
    Overflow {
        /// Which plane: `"y"`, `"u"`, `"v"`, `"uv"` or `"rgb"`.
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
    /// A frame of a pipeline is in flight, or came out and was not taken: flush the pipeline first.
    InFlight,
    /// Every page-locked frame of the encoder is lent: encode or drop one.
    AllLent {
        /// How many there are.
        lent: usize,
    },
    /// The encoder cannot lend a frame of this format: it would have to convert it.
    NotLent {
        /// The format asked for.
        format: PixelFormat,
    },
    /// An address that is 0, wraps around, or is no device memory to the driver.
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
    /// The stream of the frame is the per-thread default stream, which means another one on every thread.
    PerThreadStream,
    /// No encoder reads this format from device memory: NV12, RGBA and BGRA are read.
    NotOnDevice {
        /// The format asked for.
        format: PixelFormat,
    },
    /// The frame lies in device memory, and this build reads none: it has no feature `nvenc`.
    NotInHostMemory,
    /// The frame lies in device memory, and CUDA does not let it be read.
    Unreadable {
        /// The call of the CUDA driver that failed.
        call: &'static str,
        /// What it returned.
        status: i64,
    },
    /// The frame lies in device memory, and CUDA did not bring it within [`CallLimits::first`](crate::CallLimits::first).
    /// The call that hangs may still read the memory: see [`Frame::cuda`](crate::Frame::cuda). Until it comes back, each
    /// further frame in device memory is refused with this at once.
    TimedOut {
        /// The call of the CUDA driver that did not return in time.
        call: &'static str,
        /// How long it was waited for.
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
                write!(
                    f,
                    "plane {plane}: {rows} rows of {stride_bytes} bytes are beyond what can be addressed"
                )
            }
            Self::Size { frame, encoder } => write!(f, "frame of {frame} for an encoder of {encoder}"),
            Self::InFlight => f.write_str("a frame of a pipeline is under way: flush the pipeline first"),
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
            Self::PerThreadStream => {
                f.write_str("the per-thread default stream is another one on every thread")
            }
            Self::NotOnDevice { format } => {
                write!(f, "frames in device memory are NV12, RGBA or BGRA, not {format:?}")
            }
            Self::NotInHostMemory => f.write_str(
                "the frame lies in device memory, which a build without the feature nvenc cannot read",
            ),
            Self::Unreadable { call, status } => {
                write!(f, "the frame in device memory cannot be read: {call} returned {status}")
            }
            Self::TimedOut { call, limit } => {
                let limit_ms = limit.as_millis();
                write!(
                    f,
                    "the frame in device memory was not read in time: {call} did not return, the limit is {limit_ms} ms"
                )
            }
            Self::Length { bytes, needed } => write!(f, "{bytes} bytes given for a frame of {needed}"),
        }
    }
}

impl StdError for FrameError {}

/// Why a backend cannot be had on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unavailable {
    /// The backend asked for; when every backend of a list failed, the one that tells most, as
    /// [`open`](crate::open) says.
    pub backend: Backend,
    /// The word for it, of a closed set.
    pub reason: Reason,
    /// What was seen: a library's name, two versions, a call and its status. May be empty.
    pub detail: String,
    /// What to do about the very status that the driver returned.
    pub(crate) closer_advice: Option<&'static str>,
    /// See [`DriverError::is_context_lost`].
    pub is_context_lost: bool,
}

impl Unavailable {
    pub(crate) fn new(backend: Backend, reason: Reason, detail: impl Into<String>) -> Self {
        Self { backend, reason, detail: detail.into(), is_context_lost: false, closer_advice: None }
    }

    /// Why a backend cannot be had where a call of it failed: all that is known of the failure, told as `detail`.
    pub(crate) fn after(error: &DriverError, backend: Backend, detail: impl Into<String>) -> Self {
        Self {
            is_context_lost: error.is_context_lost,
            closer_advice: error.closer_advice,
            ..Self::new(backend, error.reason, detail)
        }
    }

    /// The same with advice that knows more than the reason does.
    #[cfg(nvenc)]
    pub(crate) fn advising(self, closer_advice: Option<&'static str>) -> Self {
        Self { closer_advice, ..self }
    }

    /// What a person can do about it: for the very status that the driver returned where it is a known one, else for
    /// the reason. Empty where nothing needs doing.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.closer_advice.unwrap_or(self.reason.advice())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.reason.sentence())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl StdError for Unavailable {}

/// Whether a status of CUDA's is one that it gives for good in a context.
fn is_sticky(status: i64) -> bool {
    const STICKY: [i64; 12] = [214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721];
    STICKY.contains(&status)
}

/// A call that the driver or library refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverError {
    /// The backend whose call it was.
    pub backend: Backend,
    /// What kind of refusal it was: [`Reason::DriverError`] unless the status says more.
    pub reason: Reason,
    /// The function, by its C name. Of one that did not return in time: that one, or the next that is known to take
    /// long.
    pub call: &'static str,
    /// What it returned; 0 where it returned nothing, or nothing wrong but what it did is.
    pub status: i64,
    /// What the library said of it, where it said anything.
    pub detail: String,
    /// What to do about this very status.
    pub(crate) closer_advice: Option<&'static str>,
    /// CUDA has given up the context for good: bad memory or bad code on the GPU, whoever's it was, or a GPU that fell off
    /// the bus. Every call in it fails from now on, and frames in its memory are lost.
    pub is_context_lost: bool,
}

impl DriverError {
    pub(crate) fn new(
        backend: Backend,
        call: &'static str,
        status: impl Into<i64>,
        detail: impl Into<String>,
    ) -> Self {
        let (status, detail) = (status.into(), detail.into());
        let is_context_lost = call.starts_with("cu") && is_sticky(status);
        Self {
            backend,
            reason: Reason::DriverError,
            call,
            status,
            detail,
            is_context_lost,
            closer_advice: None,
        }
    }

    /// The same error for a reason that is known more closely.
    pub(crate) fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// The same with advice that knows more than the reason does.
    #[cfg(nvenc)]
    pub(crate) fn advising(self, closer_advice: Option<&'static str>) -> Self {
        Self { closer_advice, ..self }
    }

    /// What a person can do about it: for this very status where it is a known one, else for the reason.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.closer_advice.unwrap_or(self.reason.advice())
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::TimedOut => {
                write!(
                    f,
                    "{}: {}, or a call on the way to it, did not return in time",
                    self.backend, self.call
                )?;
            }
            _ => write!(f, "{}: {} returned {}", self.backend, self.call, self.status)?,
        }
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl StdError for DriverError {}
