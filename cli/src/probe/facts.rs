//! The facts that the probe finds and both forms of its report tell.

use std::path::PathBuf;

use direct264::error::Unavailable;
use direct264::{Backend, Reason};

/// Why a backend or a GPU is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WhyNot {
    pub(super) reason: Reason,
    /// The observed cause, such as a driver's status; may be empty.
    pub(super) detail: String,
    /// The remedy; may be empty.
    pub(super) advice: &'static str,
}

impl From<Unavailable> for WhyNot {
    fn from(why: Unavailable) -> Self {
        Self { reason: why.reason, advice: why.advice(), detail: why.detail }
    }
}

/// The state of NVENC on this machine.
#[derive(Debug)]
pub(super) struct Nvenc {
    /// The version of the kernel driver, such as `535.183.01`.
    pub(super) driver_version: Option<String>,
    /// The newest CUDA version of the driver, such as `12.2`.
    pub(super) cuda_version: Option<String>,
    /// The newest encode API of the driver, such as `12.1`.
    pub(super) api_version: Option<String>,
    /// Every GPU that the driver lists.
    pub(super) gpus: Vec<GpuFacts>,
}

/// One GPU of the driver's list.
#[derive(Debug)]
pub(super) struct GpuFacts {
    pub(super) index: u32,
    pub(super) uuid: Option<String>,
    pub(super) name: String,
    /// Why the GPU does not encode; `None` when it does.
    pub(super) why_not: Option<WhyNot>,
}

/// The state of openh264 on this machine.
#[derive(Debug)]
pub(super) struct OpenH264 {
    pub(super) version: Option<String>,
    /// The file of a loaded library; `None` for the built-in one.
    pub(super) path: Option<PathBuf>,
    /// `None` when the library does not say.
    pub(super) simd: Option<bool>,
    /// `None` when the build is unknown.
    pub(super) avx2: Option<bool>,
}

/// The facts that only one backend has.
#[derive(Debug)]
pub(super) enum Facts {
    Nvenc(Nvenc),
    OpenH264(OpenH264),
    None,
}

/// The state of one backend on this machine.
#[derive(Debug)]
pub(super) struct BackendFacts {
    pub(super) backend: Backend,
    /// Why the backend does not open; `None` when it opens.
    pub(super) why_not: Option<WhyNot>,
    pub(super) facts: Facts,
}

/// The content of the report.
#[derive(Debug)]
pub(super) struct Report {
    /// Every backend, best first.
    pub(super) backends: Vec<BackendFacts>,
    pub(super) auto: Option<Backend>,
    pub(super) environment: Option<String>,
}
