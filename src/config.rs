//! What an encoder is opened with, and the only set of defaults.

#[cfg(feature = "cudarc")]
mod cudarc;
mod failover;
mod nvenc;
mod settings;

pub use failover::{BackOff, FailoverConfig};
pub use nvenc::{
    CallForm, CallLimits, GpuChoice, GpuUuid, IntraRefresh, MultiPass, NvencConfig, NvencPreset,
};
pub use settings::{Settings, SettingsChange};

pub use crate::level::Level;
pub use crate::profile::Profile;

use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};

use crate::colour::Colour;
use crate::error::ConfigError;
use crate::units::{Bitrate, FrameRate, FrameSize, SampleAspect};

/// How the frames depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TemporalLayers {
    /// Each frame is predicted from the one before: the fewest bits.
    #[default]
    One,
    /// Every second frame is predicted from the one before, and nothing from it: it can be dropped on the way
    /// ([`is_droppable`](crate::access_unit::AccessUnitInfo::is_droppable)), and half the frame rate is left. The others reach
    /// one frame further back, which costs some bits.
    Two,
}

/// Settings of an encoder, the same for every backend.
///
/// Size, frame rate and bitrate have no honest default and must be given; everything else is chained:
///
/// ```
/// # fn main() -> Result<(), direct264::error::ConfigError> {
/// use direct264::config::Profile;
/// use direct264::{Bitrate, EncoderConfig, FrameRate, FrameSize};
/// let config = EncoderConfig::new(FrameSize::new(1920, 1080)?, FrameRate::hz(60)?, Bitrate::from_mbps(6)?)
///     .profile(Profile::High);
/// # let _ = config; Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderConfig {
    pub(crate) settings: Settings,
    pub(crate) max_size: FrameSize,
    pub(crate) max_memory_bytes: Option<NonZeroU64>,
    pub(crate) idr_period_frames: Option<NonZeroU32>,
    pub(crate) profile: Profile,
    pub(crate) colour: Colour,
    pub(crate) sample_aspect: Option<SampleAspect>,
    pub(crate) temporal_layers: TemporalLayers,
    pub(crate) slices: Option<NonZeroU8>,
    pub(crate) threads: Option<NonZeroU8>,
    pub(crate) nvenc: NvencConfig,
    pub(crate) failover: FailoverConfig,
}

impl EncoderConfig {
    /// Settings for low latency: constrained baseline, BT.709 limited range, an IDR at the start and then only on
    /// request, quantisers 10 to 51, slices and threads chosen by the backend for the size.
    #[must_use]
    pub const fn new(size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate) -> Self {
        Self {
            settings: Settings::new(size, frame_rate, bitrate),
            max_size: size,
            max_memory_bytes: None,
            idr_period_frames: None,
            profile: Profile::ConstrainedBaseline,
            colour: Colour::BT709_LIMITED,
            sample_aspect: None,
            temporal_layers: TemporalLayers::One,
            slices: None,
            threads: None,
            nvenc: NvencConfig::new(),
            failover: FailoverConfig::new(),
        }
    }

    /// The largest size that [`Encoder::set_size`](crate::Encoder::set_size) will be asked for; the opening size
    /// unless set. Within it a backend need not open a new session.
    #[must_use]
    pub const fn max_size(mut self, max_size: FrameSize) -> Self {
        self.max_size = max_size;
        self
    }

    /// What one encoder for pictures of this size takes of the host's memory at the most, whichever backend, threads and
    /// access units included, in a [`Pipeline`](crate::Pipeline) or not: 8 MiB, and 32 bytes for each pixel of whole
    /// macroblocks. With one slice it is about half of that, and less on NVENC, whose driver has memory of its own on the host and the GPU that is not counted here.
    ///
    /// A [`FailoverEncoder`](crate::FailoverEncoder) can have two encoders at a time, and for a moment one more that
    /// ends.
    #[must_use]
    pub const fn memory_bytes(size: FrameSize) -> u64 {
        let (columns, rows) = size.macroblocks();
        Self::MEMORY_BYTES + Self::MEMORY_BYTES_PER_MACROBLOCK * columns as u64 * rows as u64
    }

    const MEMORY_BYTES: u64 = 8 << 20;
    const MEMORY_BYTES_PER_MACROBLOCK: u64 = 32 * 16 * 16;

    /// A limit to [`memory_bytes`](EncoderConfig::memory_bytes), in bytes; `None` (the default) for no other limit than
    /// the sizes that the backends take. A size that could need more is refused before anything is allocated for it, at
    /// opening and in flight, with [`ConfigError::Memory`].
    #[must_use]
    pub const fn max_memory_bytes(mut self, bytes: Option<NonZeroU64>) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// An IDR every so many frames; `None` (the default) for none but the first and those asked for.
    #[must_use]
    pub const fn idr_period_frames(mut self, frames: Option<NonZeroU32>) -> Self {
        self.idr_period_frames = frames;
        self
    }

    /// The profile; [`Profile::ConstrainedBaseline`] unless set.
    #[must_use]
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The colour that YUV input is in, that RGB input is converted to, and that the stream says it has;
    /// [`Colour::BT709_LIMITED`] unless set.
    #[must_use]
    pub const fn colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    /// The shape of a pixel; `None` (the default) says nothing of it, which players take for square.
    #[must_use]
    pub const fn sample_aspect(mut self, aspect: Option<SampleAspect>) -> Self {
        self.sample_aspect = aspect;
        self
    }

    /// Temporal layers; [`TemporalLayers::One`] unless set. On a GPU that cannot do it there is one, which is told as a
    /// warning in the log; [`Capabilities`](crate::nvenc::Capabilities) tells beforehand, and each access unit whether it is
    /// droppable.
    #[must_use]
    pub const fn temporal_layers(mut self, layers: TemporalLayers) -> Self {
        self.temporal_layers = layers;
        self
    }

    /// Slices a picture; `None` (the default) leaves it to the backend. A slice is what one thread of the software
    /// backend can work on, and what a receiver can decode by itself.
    #[must_use]
    pub const fn slices(mut self, slices: Option<NonZeroU8>) -> Self {
        self.slices = slices;
        self
    }

    /// Threads of the software backend; `None` (the default) leaves it to the backend. More threads than slices
    /// are not used.
    #[must_use]
    pub const fn threads(mut self, threads: Option<NonZeroU8>) -> Self {
        self.threads = threads;
        self
    }

    /// Settings that only NVENC has; [`NvencConfig::new`] unless set. Other backends ignore them.
    #[must_use]
    pub const fn nvenc(mut self, nvenc: NvencConfig) -> Self {
        self.nvenc = nvenc;
        self
    }

    /// What happens when the better backend fails in mid-stream; [`FailoverConfig::new`] unless set. A backend that is
    /// opened by itself, without [`open`](crate::open), ignores it.
    #[must_use]
    pub const fn failover(mut self, failover: FailoverConfig) -> Self {
        self.failover = failover;
        self
    }

    /// Whether the settings go together, whatever the backend.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let (size, max_size) = (self.settings.size, self.max_size);
        if size.width() > max_size.width() || size.height() > max_size.height() {
            return Err(ConfigError::MaxSize { size, max_size });
        }
        self.check_memory(size)?;
        self.nvenc.validate()
    }

    /// Whether pictures of `size` keep to the limit of memory.
    pub(crate) fn check_memory(&self, size: FrameSize) -> Result<(), ConfigError> {
        let bytes = Self::memory_bytes(size);
        match self.max_memory_bytes {
            Some(max) if bytes > max.get() => Err(ConfigError::Memory { size, bytes, max_bytes: max.get() }),
            _ => Ok(()),
        }
    }
}
