//! Which call a session is in, told to who waits for it.

use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use crate::encoder::Remains;

/// A stretch of work that ends with a driver call that can take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Open,
    Initialise,
    Prepare,
    Upload,
    Submit,
    Wait,
    Unlock,
    Reconfigure,
    ParameterSets,
    Invalidate,
    Close,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Open,
        Self::Initialise,
        Self::Prepare,
        Self::Upload,
        Self::Submit,
        Self::Wait,
        Self::Unlock,
        Self::Reconfigure,
        Self::ParameterSets,
        Self::Invalidate,
        Self::Close,
    ];

    /// The call that the step is about.
    pub(super) const fn call(self) -> &'static str {
        match self {
            Self::Open => "nvEncOpenEncodeSessionEx",
            Self::Initialise => "nvEncInitializeEncoder",
            Self::Prepare => "nvEncRegisterResource",
            Self::Upload => "cuMemcpyHtoDAsync",
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
        Self { step: AtomicU8::new(Step::Open as u8), gpu: AtomicI32::new(-1) }
    }
}

impl Progress {
    pub(super) fn at(&self, step: Step) {
        self.0.step.store(step as u8, Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> Step {
        let number = self.0.step.load(Ordering::Relaxed);
        Step::ALL.into_iter().find(|&step| step as u8 == number).unwrap_or(Step::Open)
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
