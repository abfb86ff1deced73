//! The settings that only NVENC has.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::str::FromStr;
use std::time::Duration;

use crate::error::ConfigError;

/// An NVENC preset: P1 is the fastest, P7 gives the best picture for its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum NvencPreset {
    /// The fastest.
    #[default]
    P1,
    /// Faster.
    P2,
    /// Fast.
    P3,
    /// The middle.
    P4,
    /// Slow.
    P5,
    /// Slower.
    P6,
    /// The slowest.
    P7,
}

impl NvencPreset {
    /// Every preset with its word.
    pub const NAMED: [(&'static str, Self); 7] = [
        ("p1", Self::P1),
        ("p2", Self::P2),
        ("p3", Self::P3),
        ("p4", Self::P4),
        ("p5", Self::P5),
        ("p6", Self::P6),
        ("p7", Self::P7),
    ];
}

/// The number of passes in which NVENC encodes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MultiPass {
    /// One pass: the least latency.
    #[default]
    Off,
    /// A first pass at a quarter of the resolution, so that pictures keep closer to their share of the bits.
    QuarterResolution,
    /// A first pass at full resolution.
    FullResolution,
}

/// A periodic intra refresh: rows of intra macroblocks that wander over the picture, so that a receiver recovers
/// without an IDR. It takes the place of refreshes on request: the driver tells of none that it begins by itself, and
/// within one it ignores a request and honours no [`invalidate`](crate::Encoder::invalidate). Both are answered with an
/// IDR.
///
/// A GPU without the capability leaves it out, with a warning in the log. [`Capabilities`](crate::nvenc::Capabilities)
/// tells beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntraRefresh {
    pub(crate) period_frames: u32,
    pub(crate) length_frames: u32,
}

impl IntraRefresh {
    /// An intra refresh every `period_frames` frames, spread over `length_frames` of them, at most one for each 32 rows
    /// of the picture.
    ///
    /// # Errors
    /// [`ConfigError::IntraRefresh`] unless 1 <= `length_frames` < `period_frames`.
    pub const fn new(period_frames: u32, length_frames: u32) -> Result<Self, ConfigError> {
        if length_frames == 0 || length_frames >= period_frames {
            return Err(ConfigError::IntraRefresh { period_frames, length_frames });
        }
        Ok(Self { period_frames, length_frames })
    }
}

/// The UUID of a GPU, or of the MIG instance that a process sees in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GpuUuid(pub [u8; 16]);

impl fmt::Display for GpuUuid {
    /// Writes five groups of hexadecimal digits, without the prefix `GPU-` or `MIG-` of NVIDIA's tools.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The choice of a GPU. As text: `any`, `spread`, an index, or a UUID with or without the prefix `GPU-` or `MIG-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum GpuChoice {
    /// The first GPU that can encode, in CUDA's order.
    #[default]
    Any,
    /// The GPU with the fewest sessions of this process, the first of several such, so that encoders spread over the
    /// GPUs. A GPU whose sessions are all taken is passed over. The choice is made anew for each session, also when a
    /// stream returns to hardware.
    ///
    /// A frame in device memory has to be on the encoder's GPU, or is refused with
    /// [`FrameError::OtherGpu`](crate::error::FrameError::OtherGpu). A caller with such frames names the GPU instead.
    Spread,
    /// The GPU at this place in CUDA's order, from 0. `CUDA_VISIBLE_DEVICES`, for example, changes the order.
    Index(u32),
    /// The GPU with this UUID, at any place.
    Uuid(GpuUuid),
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any GPU"),
            Self::Spread => f.write_str("the GPU with the fewest sessions"),
            Self::Index(index) => write!(f, "GPU {index}"),
            Self::Uuid(uuid) => write!(f, "GPU {uuid}"),
        }
    }
}

impl FromStr for GpuChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "any" {
            return Ok(Self::Any);
        }
        if text == "spread" {
            return Ok(Self::Spread);
        }
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        parse_uuid(text).map(Self::Uuid).ok_or_else(|| ConfigError::UnknownGpu { text: text.to_owned() })
    }
}

fn parse_uuid(text: &str) -> Option<GpuUuid> {
    let text = text.strip_prefix("GPU-").or_else(|| text.strip_prefix("MIG-")).unwrap_or(text);
    let groups: Vec<&str> = text.split('-').collect();
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let digits: Vec<u8> =
        groups.concat().chars().map(|c| c.to_digit(16)).map(|d| d.map(|d| d as u8)).collect::<Option<_>>()?;
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(GpuUuid(uuid))
}

/// The thread that makes a session's driver calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallForm {
    /// A session thread, which the caller waits for with a limit. A call that hangs costs the caller the limit and
    /// nothing more: the session is lost with [`Reason::TimedOut`](crate::Reason::TimedOut), and memory that the call
    /// may still touch is leaked.
    ///
    /// The software backend fetches frames from device memory on such a thread too, within [`CallLimits::first`]. A
    /// fetch that hangs costs the frame, with [`FrameError::TimedOut`](crate::error::FrameError::TimedOut).
    Bounded(CallLimits),
    /// The caller's thread, without a limit; a driver that hangs also hangs the caller. A direct call saves a thread's
    /// wake-up each way: some 25 us for a frame at 60 Hz and 6 us back to back on two cores (`benches/nvenc_hop.rs`).
    Direct,
}

impl Default for CallForm {
    fn default() -> Self {
        Self::Bounded(CallLimits::DEFAULT)
    }
}

/// The time limits of driver calls.
///
/// A limit counts only time in which the call could have run. The limit starts again if the process was stopped
/// meanwhile (a signal, a CPU quota, a paused or migrated machine, a debugger), or if the session's thread had no core
/// yet to begin the call.
///
/// On an undisturbed process a hanging driver is found at the limit. Otherwise it is found within 2.125 times the
/// limit, counted while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CallLimits {
    /// The limit of opening, which takes seconds on a machine with many sleeping GPUs.
    pub open: Duration,
    /// The limit of each call until the first access unit.
    pub first: Duration,
    /// The limit of each later call, if the call only submits, awaits or invalidates pictures. Two kinds of calls always
    /// have the limit [`first`](CallLimits::first): those for frames in device memory, since they also wait for the
    /// caller's work on the stream that writes the frame; and those that reconfigure, allocate, register or free, since
    /// CUDA lets some of them wait for all work on the GPU.
    pub rest: Duration,
}

impl CallLimits {
    /// 10 s for opening, 1 s until the first access unit, then 500 ms: a picture takes tens of milliseconds on a busy
    /// GPU, and a driver that hangs does so for good.
    pub const DEFAULT: Self = Self {
        open: Duration::from_secs(10),
        first: Duration::from_secs(1),
        rest: Duration::from_millis(500),
    };

    /// Sets the limit of opening.
    #[must_use]
    pub const fn open(self, open: Duration) -> Self {
        Self { open, ..self }
    }

    /// Sets the limit of each call until the first access unit.
    #[must_use]
    pub const fn first(self, first: Duration) -> Self {
        Self { first, ..self }
    }

    /// Sets the limit of each later call.
    #[must_use]
    pub const fn rest(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }
}

/// The settings that only NVENC has; part of an [`EncoderConfig`](crate::EncoderConfig), where other backends ignore
/// them.
///
/// ```
/// use direct264::config::{GpuChoice, MultiPass, NvencConfig, NvencPreset};
/// let nvenc = NvencConfig::new()
///     .preset(NvencPreset::P3)
///     .multi_pass(MultiPass::QuarterResolution)
///     .gpu(GpuChoice::Index(1));
/// # let _ = nvenc;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvencConfig {
    pub(crate) preset: NvencPreset,
    pub(crate) multi_pass: MultiPass,
    pub(crate) vbv_percent: NonZeroU32,
    pub(crate) intra_refresh: Option<IntraRefresh>,
    pub(crate) single_slice_refresh: bool,
    pub(crate) reference_frames: NonZeroU8,
    pub(crate) gpu: GpuChoice,
    pub(crate) form: CallForm,
    pub(crate) converts_rgb: bool,
}

impl NvencConfig {
    /// The most [`reference_frames`](NvencConfig::reference_frames) that H.264 has room for.
    pub const MAX_REFERENCE_FRAMES: u8 = 16;

    /// The largest [`vbv_percent`](NvencConfig::vbv_percent): 100 frames.
    pub const MAX_VBV_PERCENT: u32 = 10_000;

    /// The settings with the least latency: P1, one pass, a VBV of one frame, no periodic intra refresh, any GPU,
    /// bounded calls.
    #[must_use]
    pub const fn new() -> Self {
        const ONE_FRAME: NonZeroU32 = match NonZeroU32::new(100) {
            Some(percent) => percent,
            None => NonZeroU32::MIN,
        };
        Self {
            preset: NvencPreset::P1,
            multi_pass: MultiPass::Off,
            vbv_percent: ONE_FRAME,
            intra_refresh: None,
            single_slice_refresh: false,
            reference_frames: NonZeroU8::MIN,
            gpu: GpuChoice::Any,
            form: CallForm::Bounded(CallLimits::DEFAULT),
            converts_rgb: false,
        }
    }

    /// Sets the preset; [`NvencPreset::P1`] unless set.
    #[must_use]
    pub const fn preset(mut self, preset: NvencPreset) -> Self {
        self.preset = preset;
        self
    }

    /// Sets the number of passes; [`MultiPass::Off`] unless set.
    #[must_use]
    pub const fn multi_pass(mut self, multi_pass: MultiPass) -> Self {
        self.multi_pass = multi_pass;
        self
    }

    /// Sets the VBV size in percent of one frame's share of the bitrate: 1 to [`NvencConfig::MAX_VBV_PERCENT`], 100
    /// unless set. The VBV bounds the size of a picture, and so its send time. At 100 an IDR is little larger than a P
    /// picture; at 500 it looks better and takes up to five frame times.
    #[must_use]
    pub const fn vbv_percent(mut self, percent: NonZeroU32) -> Self {
        self.vbv_percent = percent;
        self
    }

    /// Sets the periodic intra refresh; `None` (the default) for refreshes on request alone:
    /// [`Picture::IntraRefresh`](crate::Picture::IntraRefresh).
    #[must_use]
    pub const fn intra_refresh(mut self, intra_refresh: Option<IntraRefresh>) -> Self {
        self.intra_refresh = intra_refresh;
        self
    }

    /// Sets whether a picture keeps its one slice during an intra refresh; `false` unless set. NVENC else codes the
    /// refreshed rows in slices of their own, which isolate them from the rest of the picture. In one slice they are
    /// reported not to be isolated, so that a receiver which has lost a picture is exact again only with an IDR.
    ///
    /// The setting has an effect where [`slices`](crate::EncoderConfig::slices) is 1 and the GPU reports the capability.
    #[must_use]
    pub const fn single_slice_refresh(mut self, one: bool) -> Self {
        self.single_slice_refresh = one;
        self
    }

    /// Sets the number of reference frames: 1 to [`NvencConfig::MAX_REFERENCE_FRAMES`], 1 unless set, at most what the
    /// highest level has room for.
    ///
    /// Each frame is still predicted from one other frame. [`Encoder::invalidate`](crate::Encoder::invalidate) can
    /// choose it among those that the receiver has; with 1 its answer is an IDR. With `n` reference frames, a loss
    /// that is reported within `n - 1` frames needs no IDR, unless an intra refresh runs or has just ended. The
    /// decoder has to keep as many frames, which can raise the level.
    #[must_use]
    pub const fn reference_frames(mut self, frames: NonZeroU8) -> Self {
        self.reference_frames = frames;
        self
    }

    /// Sets the GPU; [`GpuChoice::Any`] unless set.
    #[must_use]
    pub const fn gpu(mut self, gpu: GpuChoice) -> Self {
        self.gpu = gpu;
        self
    }

    /// Sets the thread of the driver calls; [`CallForm::Bounded`] with [`CallLimits::DEFAULT`] unless set.
    #[must_use]
    pub const fn form(mut self, form: CallForm) -> Self {
        self.form = form;
        self
    }

    /// Sets whether NVENC converts RGB of 4 bytes a pixel to any colour of the stream; `false` unless set.
    ///
    /// NVENC is reported to convert with the matrix and range that the stream's VUI tells. For BT.601 at limited range it
    /// does so in any case. For any other colour the CPU converts unless this is set, since nothing here has run on NVENC
    /// hardware yet. With `true`, RGB in host memory is uploaded as it is, and RGB in device memory is not downloaded.
    /// `direct264 check` measures what a GPU does.
    #[must_use]
    pub const fn converts_rgb(mut self, converts: bool) -> Self {
        self.converts_rgb = converts;
        self
    }

    pub(crate) const fn validate(&self) -> Result<(), ConfigError> {
        let percent = self.vbv_percent.get();
        if percent > Self::MAX_VBV_PERCENT {
            return Err(ConfigError::Vbv { percent, max: Self::MAX_VBV_PERCENT });
        }
        let (frames, max) = (self.reference_frames.get(), Self::MAX_REFERENCE_FRAMES);
        if frames > max {
            return Err(ConfigError::ReferenceFrames { frames, max });
        }
        Ok(())
    }
}

impl Default for NvencConfig {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_by_index_or_uuid_with_or_without_its_prefix() {
        assert_eq!("3".parse::<GpuChoice>().unwrap(), GpuChoice::Index(3));
        let bare = "00112233-4455-6677-8899-aabbccddeeff";
        let uuid = GpuUuid(std::array::from_fn(|at| at as u8 * 0x11));
        for text in [bare.to_owned(), format!("GPU-{bare}"), format!("MIG-{bare}")] {
            assert_eq!(text.parse::<GpuChoice>().unwrap(), GpuChoice::Uuid(uuid));
        }
        assert_eq!(uuid.to_string(), bare);
        for text in ["", "-1", "first", "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899"] {
            let refused = text.parse::<GpuChoice>().unwrap_err();
            assert_eq!(refused, ConfigError::UnknownGpu { text: text.to_owned() });
        }
    }

    #[test]
    fn a_policy_is_named_by_its_word() {
        for (text, choice) in [("any", GpuChoice::Any), ("spread", GpuChoice::Spread)] {
            assert_eq!(text.parse::<GpuChoice>(), Ok(choice));
        }
    }

    #[test]
    fn a_refresh_is_shorter_than_its_period() {
        assert!(IntraRefresh::new(30, 29).is_ok());
        for (period, length) in [(30, 30), (30, 0), (0, 0)] {
            assert!(IntraRefresh::new(period, length).is_err());
        }
    }
}
