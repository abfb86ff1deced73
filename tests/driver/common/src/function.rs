//! Every driver function the double knows, under the name a client would use for it.

macro_rules! functions {
    ($($name:ident)*) => {
        /// A driver function. Ours alone: a number that a client sends is never turned into one.
        #[allow(non_camel_case_types, missing_docs, reason = "the driver's own names, one variant each")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Function { $($name),* }

        impl Function {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name that reports, traces and fault settings use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

functions! {
    cuInit cuDriverGetVersion cuGetErrorName cuGetErrorString cuGetProcAddress cuGetExportTable
    cuDeviceGetCount cuDeviceGet cuDeviceGetName cuDeviceGetUuid cuDeviceGetAttribute cuDeviceTotalMem
    cuDeviceComputeCapability cuDeviceGetPCIBusId cuDeviceGetByPCIBusId cuDeviceCanAccessPeer
    cuDeviceGetDefaultMemPool cuDeviceGetMemPool cuDeviceSetMemPool
    cuDevicePrimaryCtxRetain cuDevicePrimaryCtxRelease cuDevicePrimaryCtxReset cuDevicePrimaryCtxGetState
    cuDevicePrimaryCtxSetFlags
    cuCtxCreate cuCtxDestroy cuCtxPushCurrent cuCtxPopCurrent cuCtxSetCurrent cuCtxGetCurrent cuCtxGetDevice
    cuCtxSynchronize cuCtxGetApiVersion cuCtxSetLimit cuCtxGetLimit cuCtxGetFlags cuCtxSetFlags
    cuCtxGetStreamPriorityRange cuCtxEnablePeerAccess cuCtxDisablePeerAccess cuCtxGetId
    cuMemAlloc cuMemAllocPitch cuMemAllocManaged cuMemFree cuMemAllocAsync cuMemFreeAsync cuMemGetInfo
    cuMemGetAddressRange cuMemHostAlloc cuMemAllocHost cuMemFreeHost cuMemHostRegister cuMemHostUnregister
    cuMemHostGetDevicePointer cuMemHostGetFlags
    cuMemcpy cuMemcpyAsync cuMemcpyHtoD cuMemcpyHtoDAsync cuMemcpyDtoH cuMemcpyDtoHAsync cuMemcpyDtoD
    cuMemcpyDtoDAsync cuMemcpy2D cuMemcpy2DUnaligned cuMemcpy2DAsync cuMemcpyPeer cuMemcpyPeerAsync
    cuMemsetD8 cuMemsetD8Async cuMemsetD16 cuMemsetD16Async cuMemsetD32 cuMemsetD32Async cuMemsetD2D8
    cuMemsetD2D8Async
    cuStreamCreate cuStreamCreateWithPriority cuStreamDestroy cuStreamQuery cuStreamSynchronize cuStreamWaitEvent
    cuStreamAddCallback cuStreamGetFlags cuStreamGetPriority cuStreamGetCtx cuStreamIsCapturing cuLaunchHostFunc
    cuEventCreate cuEventDestroy cuEventRecord cuEventQuery cuEventSynchronize cuEventElapsedTime
    cuPointerGetAttribute cuPointerGetAttributes
    cuUnsupported
    NvEncodeAPIGetMaxSupportedVersion NvEncodeAPICreateInstance
    nvEncOpenEncodeSession nvEncOpenEncodeSessionEx nvEncGetEncodeGUIDCount nvEncGetEncodeGUIDs
    nvEncGetEncodeProfileGUIDCount nvEncGetEncodeProfileGUIDs nvEncGetInputFormatCount nvEncGetInputFormats
    nvEncGetEncodeCaps nvEncGetEncodePresetCount nvEncGetEncodePresetGUIDs nvEncGetEncodePresetConfig
    nvEncGetEncodePresetConfigEx nvEncInitializeEncoder nvEncReconfigureEncoder nvEncSetIOCudaStreams
    nvEncCreateInputBuffer nvEncDestroyInputBuffer nvEncLockInputBuffer nvEncUnlockInputBuffer
    nvEncCreateBitstreamBuffer nvEncDestroyBitstreamBuffer nvEncLockBitstream nvEncUnlockBitstream
    nvEncRegisterResource nvEncUnregisterResource nvEncMapInputResource nvEncUnmapInputResource
    nvEncEncodePicture nvEncInvalidateRefFrames nvEncGetSequenceParams nvEncGetSequenceParamEx nvEncGetEncodeStats
    nvEncRegisterAsyncEvent nvEncUnregisterAsyncEvent nvEncCreateMVBuffer nvEncDestroyMVBuffer
    nvEncRunMotionEstimationOnly nvEncGetLastErrorString nvEncRestoreEncoderState nvEncLookaheadPicture
    nvEncDestroyEncoder
}

impl Function {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether the function gives something back. When such a call is made to fail, it fails after doing its work, as
    /// drivers do when they report an error of earlier work there: a client has no other way to be rid of the thing.
    #[must_use]
    pub fn releases(self) -> bool {
        let name = self.name();
        ["Free", "Destroy", "Release", "Unregister", "Unmap", "Unlock", "PopCurrent"]
            .iter()
            .any(|part| name.contains(part))
    }

    /// The function of that number, as the bridge passes it.
    #[must_use]
    pub fn from_index(index: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(index).ok()?).copied()
    }

    /// The function of that name; `cuMemcpy2DAsync_v2` and the like mean the plain name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = name.trim();
        let plain = plain.strip_suffix("_ptsz").or_else(|| plain.strip_suffix("_ptds")).unwrap_or(plain);
        let plain = ["_v2", "_v3", "_v4"].iter().find_map(|end| plain.strip_suffix(end)).unwrap_or(plain);
        Self::ALL.iter().copied().find(|function| function.name() == plain)
    }
}

#[cfg(test)]
mod tests {
    use super::Function;

    #[test]
    fn names_come_back_as_the_function_they_name() {
        for (index, function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_name(function.name()), Some(*function));
            assert_eq!(*function as usize, index);
        }
    }

    #[test]
    fn versioned_names_mean_the_plain_one() {
        assert_eq!(Function::from_name("cuMemcpy2DAsync_v2"), Some(Function::cuMemcpy2DAsync));
        assert_eq!(Function::from_name("cuNoSuchThing"), None);
    }
}
