//! The settings that an encoder is opened with, and their only defaults.

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
use crate::level::Needs;
use crate::units::{Bitrate, FrameRate, FrameSize, SampleAspect};

/// The temporal dependency between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TemporalLayers {
    /// Each frame is predicted from the one before: the fewest bits.
    #[default]
    One,
    /// Every second frame is predicted from the frame before, and no frame from it. Such a frame can be dropped on the
    /// way ([`is_droppable`](crate::access_unit::AccessUnitInfo::is_droppable)), which leaves half the frame rate. The
    /// other frames are predicted from two frames back, which costs some bits.
    Two,
}

/// Settings of an encoder, the same for every backend.
///
/// Size, frame rate and bitrate have no sensible default and must be given. Setters for the rest are chained:
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
    pub(crate) max_bitrate: Option<Bitrate>,
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
    /// Low-latency settings: constrained baseline, BT.709 limited range, an IDR at the start and then only on request,
    /// QP 10 to 51, slices and threads chosen by the backend for the size.
    #[must_use]
    pub const fn new(size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate) -> Self {
        Self {
            settings: Settings::new(size, frame_rate, bitrate),
            max_size: size,
            max_bitrate: None,
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

    /// Sets the largest size that [`Encoder::set_size`](crate::Encoder::set_size) will ask for; the opening size
    /// unless set. A change of size within it needs no new session.
    #[must_use]
    pub const fn max_size(mut self, max_size: FrameSize) -> Self {
        self.max_size = max_size;
        self
    }

    /// Sets the highest bitrate that the stream will be changed to; with `None` (the default) twice the opening bitrate.
    /// The [`level`](EncoderConfig::level) covers it. A higher bitrate is possible, at the cost of an IDR with a higher
    /// level where the driver limits the bitrate to the level.
    #[must_use]
    pub const fn max_bitrate(mut self, max_bitrate: Option<Bitrate>) -> Self {
        self.max_bitrate = max_bitrate;
        self
    }

    /// The level of the stream, on every backend: at least 3.1, with room for `max_size`, the frame rate, and the
    /// largest of bitrate and `max_bitrate` with its VBV. That room raises the level to 5.2 at most, since many decoders go no
    /// further; only the size and rates in force can raise it more. More reference frames
    /// ([`NvencConfig::reference_frames`]) can raise it.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level_keeping(1)
    }

    /// The level of a stream whose decoder has to keep `reference_frames`.
    pub(crate) fn level_keeping(&self, reference_frames: u32) -> Level {
        let Settings { size, frame_rate, bitrate, .. } = self.settings;
        let lowest_for = |size: FrameSize, bitrate: Bitrate| {
            let vbv_bits = bitrate.vbv_bits(frame_rate, self.nvenc.vbv_percent.get());
            let (profile, size) = (self.profile, size.padded_to_even());
            Level::lowest(&Needs { profile, size, frame_rate, bitrate, vbv_bits, reference_frames })
        };
        let of_room = lowest_for(size.union(self.max_size), bitrate.max(self.highest_bitrate()));
        let of_stream = lowest_for(size, bitrate);
        of_room.clamp(Level::LEAST_OF_SESSION, Level::MOST_OF_ROOM).max(of_stream)
    }

    fn highest_bitrate(&self) -> Bitrate {
        let bitrate = self.settings.bitrate;
        self.max_bitrate.unwrap_or(Bitrate::from_bps(2 * u64::from(bitrate.bps())).unwrap_or(bitrate))
    }

    /// The same settings, with the default of the highest bitrate settled from the opening bitrate. Later changes of
    /// the bitrate then leave the level as it is.
    pub(crate) fn settled(&self) -> Self {
        Self { max_bitrate: Some(self.highest_bitrate()), ..self.clone() }
    }

    /// The most host memory that one encoder takes for pictures of this size, on any backend, with its threads, access
    /// units and [`Pipeline`](crate::Pipeline): 8 MiB, and 32 bytes for each pixel of whole macroblocks. With one
    /// slice it is about half. NVENC needs less; its driver's own memory on host and GPU is not counted.
    ///
    /// A [`FailoverEncoder`](crate::FailoverEncoder) can hold two encoders at a time, and briefly a third that is
    /// ending.
    #[must_use]
    pub const fn memory_bytes(size: FrameSize) -> u64 {
        let (columns, rows) = size.macroblocks();
        Self::MEMORY_BYTES + Self::MEMORY_BYTES_PER_MACROBLOCK * columns as u64 * rows as u64
    }

    const MEMORY_BYTES: u64 = 8 << 20;
    const MEMORY_BYTES_PER_MACROBLOCK: u64 = 32 * 16 * 16;

    /// Limits [`memory_bytes`](EncoderConfig::memory_bytes), in bytes; with `None` (the default) only the backend
    /// limits the size. At opening and in flight, [`ConfigError::Memory`] refuses a size that could need more, before
    /// any allocation.
    #[must_use]
    pub const fn max_memory_bytes(mut self, bytes: Option<NonZeroU64>) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// Sets the number of frames from one IDR to the next; `None` (the default) for IDRs only at the start and on
    /// request.
    #[must_use]
    pub const fn idr_period_frames(mut self, frames: Option<NonZeroU32>) -> Self {
        self.idr_period_frames = frames;
        self
    }

    /// Sets the profile; [`Profile::ConstrainedBaseline`] unless set.
    #[must_use]
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets the colour of YUV input, of the conversion from RGB, and of the VUI; [`Colour::BT709_LIMITED`] unless set.
    #[must_use]
    pub const fn colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    /// Sets the sample aspect ratio; with `None` (the default) the stream has none, and players assume square pixels.
    #[must_use]
    pub const fn sample_aspect(mut self, aspect: Option<SampleAspect>) -> Self {
        self.sample_aspect = aspect;
        self
    }

    /// Sets the temporal layers; [`TemporalLayers::One`] unless set. A GPU without the capability gets one layer, with
    /// a warning in the log. [`Capabilities`](crate::nvenc::Capabilities) tells beforehand, and each access unit says
    /// whether it is droppable.
    #[must_use]
    pub const fn temporal_layers(mut self, layers: TemporalLayers) -> Self {
        self.temporal_layers = layers;
        self
    }

    /// Sets the slices of a picture; `None` (the default) lets the backend choose. One thread of the software backend
    /// codes one slice at a time, and a receiver can decode each slice by itself.
    #[must_use]
    pub const fn slices(mut self, slices: Option<NonZeroU8>) -> Self {
        self.slices = slices;
        self
    }

    /// Sets the threads of the software backend; `None` (the default) lets the backend choose. Threads beyond the
    /// number of slices stay unused.
    #[must_use]
    pub const fn threads(mut self, threads: Option<NonZeroU8>) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the NVENC settings; [`NvencConfig::new`] unless set. Other backends ignore them.
    #[must_use]
    pub const fn nvenc(mut self, nvenc: NvencConfig) -> Self {
        self.nvenc = nvenc;
        self
    }

    /// Sets the failover behaviour; [`FailoverConfig::new`] unless set. A backend opened without [`open`](crate::open)
    /// ignores it.
    #[must_use]
    pub const fn failover(mut self, failover: FailoverConfig) -> Self {
        self.failover = failover;
        self
    }

    /// Checks the settings against each other, independent of the backend.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let (size, max_size) = (self.settings.size, self.max_size);
        if size.width() > max_size.width() || size.height() > max_size.height() {
            return Err(ConfigError::MaxSize { size, max_size });
        }
        self.check_memory(size)?;
        self.nvenc.validate()
    }

    /// Checks `size` against the memory limit.
    pub(crate) fn check_memory(&self, size: FrameSize) -> Result<(), ConfigError> {
        let bytes = Self::memory_bytes(size);
        match self.max_memory_bytes {
            Some(max) if bytes > max.get() => Err(ConfigError::Memory { size, bytes, max_bytes: max.get() }),
            _ => Ok(()),
        }
    }
}
