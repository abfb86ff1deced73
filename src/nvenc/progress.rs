//! Which call a session is in, told to who waits for it.

use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use crate::remains::Remains;

/// A stretch of work that ends with a driver call that can take long. What hangs is that call or one on the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Load,
    Open,
    Ask,
    Initialise,
    Order,
    MakeOutput,
    MakeSurface,
    MakeStaging,
    Upload,
    Download,
    Submit,
    Wait,
    Unlock,
    Reconfigure,
    ParameterSets,
    Invalidate,
    Close,
}

impl Step {
    const ALL: [Self; 17] = [
        Self::Load,
        Self::Open,
        Self::Ask,
        Self::Initialise,
        Self::Order,
        Self::MakeOutput,
        Self::MakeSurface,
        Self::MakeStaging,
        Self::Upload,
        Self::Download,
        Self::Submit,
        Self::Wait,
        Self::Unlock,
        Self::Reconfigure,
        Self::ParameterSets,
        Self::Invalidate,
        Self::Close,
    ];

    /// The call that the step ends with.
    pub(super) const fn call(self) -> &'static str {
        match self {
            Self::Load => "cuInit",
            Self::Open => "nvEncOpenEncodeSessionEx",
            Self::Ask => "nvEncGetEncodePresetConfigEx",
            Self::Initialise => "nvEncInitializeEncoder",
            Self::Order => "nvEncSetIOCudaStreams",
            Self::MakeOutput => "nvEncCreateBitstreamBuffer",
            Self::MakeSurface => "nvEncMapInputResource",
            Self::MakeStaging => "cuMemHostAlloc",
            Self::Upload => "cuMemcpyHtoDAsync",
            Self::Download => "cuStreamSynchronize",
            Self::Submit => "nvEncEncodePicture",
            Self::Wait => "nvEncLockBitstream",
            Self::Unlock => "nvEncUnlockBitstream",
            Self::Reconfigure => "nvEncReconfigureEncoder",
            Self::ParameterSets => "nvEncGetSequenceParams",
            Self::Invalidate => "nvEncInvalidateRefFrames",
            Self::Close => "nvEncDestroyEncoder",
        }
    }
}

/// Where the work is. Written by who works, read by who waits; both hold one.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Place>);

#[derive(Debug)]
struct Place {
    step: AtomicU8,
    /// In CUDA's order; below 0 before there is one.
    gpu: AtomicI32,
}

impl Default for Place {
    fn default() -> Self {
        Self { step: AtomicU8::new(Step::Load as u8), gpu: AtomicI32::new(-1) }
    }
}

impl Progress {
    pub(super) fn at(&self, step: Step) {
        self.0.step.store(step as u8, Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> Step {
        let number = self.0.step.load(Ordering::Relaxed);
        Step::ALL.into_iter().find(|&step| step as u8 == number).unwrap_or(Step::Load)
    }

    /// From here on it is about this GPU.
    pub(super) fn on(&self, gpu: i32) {
        self.0.gpu.store(gpu, Ordering::Relaxed);
    }

    /// The GPU that it is about, by its place in CUDA's order.
    pub(super) fn gpu(&self) -> Option<i32> {
        Some(self.0.gpu.load(Ordering::Relaxed)).filter(|&gpu| gpu >= 0)
    }

    /// Gone when neither the work nor who waits for it is there any more.
    pub(super) fn remains(&self) -> Remains {
        let place: Weak<Place> = Arc::downgrade(&self.0);
        place
    }
}
