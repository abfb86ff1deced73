//! What this machine has of NVENC, found by opening a session on each GPU.

use std::fmt;

use crate::backend::Backend;
use crate::config::GpuUuid;
use crate::error::Unavailable;
use crate::reason::Reason;

/// What was found: see [`probe`](super::probe).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Probe {
    /// The newest CUDA that the driver speaks; `None` where there is no driver. It says nothing about a GPU.
    pub cuda: Option<Version>,
    /// The newest NVENC API that the driver speaks; `None` where the encode library does not load.
    pub driver_api: Option<Version>,
    /// The NVENC API that is spoken with it: the newest that both sides know.
    pub api: Option<Version>,
    /// Every GPU that CUDA lists, in CUDA's order.
    pub gpus: Vec<Gpu>,
    /// Why NVENC cannot be had on this machine, whatever the GPU.
    pub unavailable: Option<Unavailable>,
}

impl Probe {
    /// The GPU that would encode if any may, and what it can do; or why there is none. Of several GPUs without an
    /// encoder, the first tells why.
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

/// A probe without GPUs and without a reason: `probe` makes none.
static NO_GPU: Unavailable = Unavailable::new_empty(Backend::Nvenc, Reason::NoGpu);

/// A version as two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The part in front of the point.
    pub major: u32,
    /// The part behind the point.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gpu {
    /// Its place in CUDA's order, from 0.
    pub index: u32,
    /// Its UUID; `None` where the driver has no function for it.
    pub uuid: Option<GpuUuid>,
    /// Its name, such as `NVIDIA L4`. Nothing is decided by it.
    pub name: String,
    /// What its encoder can do, or why it has none to give.
    pub encoder: Result<Capabilities, Unavailable>,
}

/// What the H.264 encoder of a GPU says that it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The narrowest picture, in pixels.
    pub min_width: u32,
    /// The lowest picture, in pixels.
    pub min_height: u32,
    /// The widest picture, in pixels.
    pub max_width: u32,
    /// The highest picture, in pixels.
    pub max_height: u32,
    /// The most macroblocks of 16x16 in a picture; 0 where the driver does not say.
    pub max_macroblocks: u32,
    /// Encoders on the GPU; 0 where the driver does not say.
    pub engines: u32,
    /// CABAC.
    pub cabac: bool,
    /// The 8x8 transform of the profile high.
    pub transform_8x8: bool,
    /// Constant bitrate.
    pub constant_bitrate: bool,
    /// A VBV of the caller's choice.
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
    /// The most temporal layers; 1 or less where there is nothing to share out among layers.
    pub temporal_layers: u32,
}
