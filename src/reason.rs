//! The closed set of reasons for which a backend is passed over or left, each with advice.

use std::fmt;

/// A reason why a backend was passed over or left. [`Reason::as_str`] is stable, and programs may match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// libcuda cannot be loaded.
    NoDriver,
    /// The feature of the backend is not in this build.
    NotBuilt,
    /// libcuda loads, but libnvidia-encode (or the libnvcuvid it needs) does not.
    NoVideoCapability,
    /// A library loads but lacks a required function.
    MissingSymbol,
    /// The driver's API is below 11.0.
    DriverTooOld,
    /// `cuInit` fails or there is no device.
    NoGpu,
    /// Opening is refused as unsupported, and the driver knows more GPUs than this process was handed.
    GpusHidden,
    /// CUDA works, but no NVENC session can be opened or H.264 is not among its codecs.
    NoEncoderOnGpu,
    /// Opening is refused because too many sessions are open.
    SessionLimit,
    /// An allocation was refused after a session was opened.
    OutOfMemory,
    /// The size is outside the encoder's limits.
    UnsupportedSize,
    /// A setting is outside the encoder's capabilities.
    UnsupportedSetting,
    /// The process was forked after CUDA was initialised.
    Forked,
    /// The wait for an access unit, or for the driver's answer to a probe, passed its limit.
    TimedOut,
    /// Any other failure.
    DriverError,
    /// The caller or the environment chose otherwise.
    ByRequest,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::NoDriver,
        Self::NotBuilt,
        Self::NoVideoCapability,
        Self::MissingSymbol,
        Self::DriverTooOld,
        Self::NoGpu,
        Self::GpusHidden,
        Self::NoEncoderOnGpu,
        Self::SessionLimit,
        Self::OutOfMemory,
        Self::UnsupportedSize,
        Self::UnsupportedSetting,
        Self::Forked,
        Self::TimedOut,
        Self::DriverError,
        Self::ByRequest,
    ];

    /// The stable word of the reason, such as `no_driver`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoDriver => "no_driver",
            Self::NotBuilt => "not_built",
            Self::NoVideoCapability => "no_video_capability",
            Self::MissingSymbol => "missing_symbol",
            Self::DriverTooOld => "driver_too_old",
            Self::NoGpu => "no_gpu",
            Self::GpusHidden => "gpus_hidden",
            Self::NoEncoderOnGpu => "no_encoder_on_gpu",
            Self::SessionLimit => "session_limit",
            Self::OutOfMemory => "out_of_memory",
            Self::UnsupportedSize => "unsupported_size",
            Self::UnsupportedSetting => "unsupported_setting",
            Self::Forked => "forked",
            Self::TimedOut => "timed_out",
            Self::DriverError => "driver_error",
            Self::ByRequest => "by_request",
        }
    }

    /// Whether nothing is wrong: the backend is absent or not wanted. With any other reason the backend is there and
    /// fails.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::NoDriver | Self::NotBuilt | Self::NoGpu | Self::NoEncoderOnGpu | Self::ByRequest)
    }

    /// Whether the condition can pass without an action. A stream that fell back for such a reason retries.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::SessionLimit | Self::OutOfMemory | Self::TimedOut | Self::DriverError)
    }

    /// One clause for people: the finding.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoDriver => "no NVIDIA driver is installed (libcuda cannot be loaded)",
            Self::NotBuilt => "this build does not contain the backend",
            Self::NoVideoCapability => "the NVIDIA driver is here, its encode library is not",
            Self::MissingSymbol => "a driver library lacks a function that is needed",
            Self::DriverTooOld => "the NVIDIA driver is too old: its encode API is below 11.0",
            Self::NoGpu => "the NVIDIA driver finds no GPU that it can use",
            Self::GpusHidden => "the driver opens no session, since some of its GPUs are hidden from here",
            Self::NoEncoderOnGpu => "the GPU has no H.264 encoder that can be reached from here",
            Self::SessionLimit => "every encode session that the driver allows is in use",
            Self::OutOfMemory => "the GPU has no memory left for an encoder",
            Self::UnsupportedSize => "the encoder does not take pictures of this size",
            Self::UnsupportedSetting => "the encoder cannot do one of the settings",
            Self::Forked => "this process was forked after CUDA was initialised, so CUDA is lost to it",
            Self::TimedOut => "the driver did not answer within the limit",
            Self::DriverError => "a call of the encoder failed",
            Self::ByRequest => "another backend was asked for",
        }
    }

    /// An action for a person. Empty when none is needed. An error may know more of its own case:
    /// [`Unavailable::advice`](crate::error::Unavailable::advice).
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NoDriver => "install the NVIDIA driver if this machine has an NVIDIA GPU",
            Self::NotBuilt => "build with the feature of that name",
            Self::NoVideoCapability => {
                "in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility,video; else install libnvidia-encode1 and libnvcuvid1 of the driver's version"
            }
            Self::MissingSymbol => "install the driver's libraries anew, all of one version",
            Self::DriverTooOld => "install driver 455.28 or newer",
            Self::NoGpu => {
                "check that nvidia-smi lists a GPU, and that the container was given one; after a driver update, reboot"
            }
            Self::GpusHidden => {
                "hand all GPUs into the container, or install driver 610 or newer; A100, H100 and the like have no encoder in any case"
            }
            Self::NoEncoderOnGpu => {
                "A100, A30, H100, H200, B200 and some laptop parts have none: take a GPU with NVENC, such as T4, L4, L40S or A10"
            }
            Self::SessionLimit => {
                "close other encoders on this machine, or take a data-centre GPU, which has no limit"
            }
            Self::OutOfMemory => "free memory on the GPU, or open a smaller picture",
            Self::UnsupportedSize => "scale the picture; `direct264 probe` lists the limits",
            Self::UnsupportedSetting => "leave the setting out, or take another backend",
            Self::Forked => "start encoders after the fork, or start workers by spawn and not by fork",
            Self::TimedOut => "look for a hung GPU in the kernel log; a longer limit is a setting",
            Self::DriverError => {
                "the detail says which call failed and how; look for GPU errors in the kernel log"
            }
            Self::ByRequest => "",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
