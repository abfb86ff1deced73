//! The driver calls of a session that can hang.

use crate::bounded;

bounded::steps! {
    /// A stretch of a session's work, named by the driver call at its end.
    pub(super) enum SessionStep {
        Load = "cuInit",
        Open = "nvEncOpenEncodeSessionEx",
        Ask = "nvEncGetEncodePresetConfigEx",
        Initialise = "nvEncInitializeEncoder",
        Order = "nvEncSetIOCudaStreams",
        MakeOutput = "nvEncCreateBitstreamBuffer",
        MakeSurface = "nvEncMapInputResource",
        MakeStaging = "cuMemHostAlloc",
        Upload = "cuMemcpyHtoDAsync",
        Download = "cuStreamSynchronize",
        Submit = "nvEncEncodePicture",
        Wait = "nvEncLockBitstream",
        Unlock = "nvEncUnlockBitstream",
        Reconfigure = "nvEncReconfigureEncoder",
        ParameterSets = "nvEncGetSequenceParams",
        Invalidate = "nvEncInvalidateRefFrames",
        Close = "nvEncDestroyEncoder",
    }
}

pub(super) type SessionProgress = bounded::Progress<SessionStep>;
