//! The findings of a probe, which opens a session on each GPU.

use std::fmt;

use crate::backend::Backend;
use crate::config::GpuUuid;
use crate::error::Unavailable;
use crate::reason::Reason;

/// The findings of [`probe`](super::probe).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Probe {
    /// The newest CUDA version of the driver; `None` without a driver. The version says nothing about a GPU.
    pub cuda: Option<Version>,
    /// The newest NVENC API of the driver; `None` if the encode library does not load.
    pub driver_api: Option<Version>,
    /// The NVENC API version in use: the newest that driver and crate share.
    pub api: Option<Version>,
    /// Every GPU that CUDA lists, in CUDA's order.
    pub gpus: Vec<Gpu>,
    /// The cause for which this machine has no NVENC at all.
    pub unavailable: Option<Unavailable>,
}

impl Probe {
    /// Returns the first GPU that can encode and its capabilities, or else why none can. Of several GPUs without an
    /// encoder, the first gives the reason.
    ///
    /// # Errors
    /// [`Unavailable`] with the reason.
    pub fn encoder(&self) -> Result<(&Gpu, &Capabilities), &Unavailable> {
        let mut why = self.unavailable.as_ref();
        for gpu in &self.gpus {
            match &gpu.encoder {
                Ok(capabilities) => return Ok((gpu, capabilities)),
                Err(unavailable) => why = why.or(Some(unavailable)),
            }
        }
        why.map_or(Err(&NO_GPU), Err)
    }
}

/// The reason of a probe without GPUs and without a reason, which `probe` never makes.
static NO_GPU: Unavailable = Unavailable::new_empty(Backend::Nvenc, Reason::NoGpu);

/// A version as two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The number before the point.
    pub major: u32,
    /// The number after the point.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A GPU and the finding about its encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gpu {
    /// The place in CUDA's order, from 0.
    pub index: u32,
    /// The UUID; `None` where the driver does not tell it.
    pub uuid: Option<GpuUuid>,
    /// The name, such as `NVIDIA L4`; empty where the driver does not tell it. No decision depends on it.
    pub name: String,
    /// The capabilities of the encoder, or the reason why it is unavailable.
    pub encoder: Result<Capabilities, Unavailable>,
}

/// The capabilities of a GPU's H.264 encoder, as the driver reports them. A capability that the driver refuses to report
/// is absent: 0 or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The narrowest picture, in pixels; 0 if the driver does not say.
    pub min_width: u32,
    /// The lowest picture, in pixels; 0 if the driver does not say.
    pub min_height: u32,
    /// The widest picture, in pixels; 0 if the driver does not say.
    pub max_width: u32,
    /// The highest picture, in pixels; 0 if the driver does not say.
    pub max_height: u32,
    /// The most macroblocks of 16x16 in a picture; 0 if the driver does not say.
    pub max_macroblocks: u32,
    /// The number of encoder engines on the GPU; 0 if the driver does not say.
    pub engines: u32,
    /// CABAC.
    pub cabac: bool,
    /// The 8x8 transform of the High profile.
    pub transform_8x8: bool,
    /// Constant bitrate.
    pub constant_bitrate: bool,
    /// A VBV size of the caller's choice.
    pub custom_vbv: bool,
    /// A change of bitrate within a session.
    pub dynamic_bitrate: bool,
    /// A change of size within a session.
    pub dynamic_size: bool,
    /// Intra refresh.
    pub intra_refresh: bool,
    /// Intra refresh in pictures of one slice.
    pub single_slice_intra_refresh: bool,
    /// Invalidation of reference pictures.
    pub reference_invalidation: bool,
    /// More than one reference picture.
    pub multiple_references: bool,
    /// Events that tell when a picture is complete. Only drivers on Windows have them.
    pub completion_events: bool,
    /// The most temporal layers; 1 or less without temporal layers.
    pub temporal_layers: u32,
}

#[cfg(nvenc)]
impl Capabilities {
    /// The widest picture to ask the driver for: without a limit where the driver does not say.
    pub(super) fn width_limit(&self) -> u32 {
        limit(self.max_width)
    }

    /// The highest picture to ask the driver for: without a limit where the driver does not say.
    pub(super) fn height_limit(&self) -> u32 {
        limit(self.max_height)
    }
}

#[cfg(nvenc)]
fn limit(told: u32) -> u32 {
    if told == 0 { u32::MAX } else { told }
}
