//! Structs around input and output memory: create, register, map, lock.

use std::ffi::c_void;

use super::version::ApiVersion;
use super::{NV_ENC_INPUT_PTR, NV_ENC_OUTPUT_PTR, NV_ENC_REGISTERED_PTR};
use crate::structs::{Unused, bit_fields, driver_struct};

driver_struct! {
    /// Asks for a driver-made input buffer: `nvEncCreateInputBuffer`.
    NV_ENC_CREATE_INPUT_BUFFER: 776 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Width, in pixels.
        4 named pub width: u32,
        /// Height, in pixels.
        8 named pub height: u32,
        /// Deprecated by the header: 0.
        12 named pub memoryHeap: u32,
        /// One of the `NV_ENC_BUFFER_FORMAT_*`.
        16 named pub bufferFmt: u32,
        20 unused _reserved: Unused<u32>,
        /// Out: the buffer.
        24 named pub inputBuffer: NV_ENC_INPUT_PTR,
        /// Existing system memory to use, or null.
        32 named pub pSysMemBuffer: *mut c_void,
        40 unused _reserved1: Unused<[u32; 57]>,
        272 unused _reserved2: Unused<[*mut c_void; 63]>,
    }
}

driver_struct! {
    /// Asks for an output buffer: `nvEncCreateBitstreamBuffer`. Its size is the driver's choice.
    NV_ENC_CREATE_BITSTREAM_BUFFER: 776 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Deprecated by the header: 0.
        4 named pub size: u32,
        /// Deprecated by the header: 0.
        8 named pub memoryHeap: u32,
        12 unused _reserved: Unused<u32>,
        /// Out: the buffer.
        16 named pub bitstreamBuffer: NV_ENC_OUTPUT_PTR,
        /// Reserved by the header, which lists it as an output: null.
        24 named pub bitstreamBufferPtr: *mut c_void,
        32 unused _reserved1: Unused<[u32; 58]>,
        264 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

driver_struct! {
    /// Registers memory of the caller with a session: `nvEncRegisterResource`.
    NV_ENC_REGISTER_RESOURCE: 1536 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// The kind of `resourceToRegister`: one of the `NV_ENC_INPUT_RESOURCE_TYPE_*`.
        4 named pub resourceType: u32,
        /// Width, in pixels.
        8 named pub width: u32,
        /// Height, in pixels.
        12 named pub height: u32,
        /// For CUDA device memory: bytes from one row to the next, a multiple of 4.
        16 named pub pitch: u32,
        /// For DirectX only: 0.
        20 named pub subResourceIndex: u32,
        /// The memory: a `CUdeviceptr` as a pointer, for CUDA device memory.
        24 named pub resourceToRegister: *mut c_void,
        /// Out: the registration.
        32 named pub registeredResource: NV_ENC_REGISTERED_PTR,
        /// One of the `NV_ENC_BUFFER_FORMAT_*`.
        40 named pub bufferFormat: u32,
        /// The use of the memory: `NV_ENC_INPUT_IMAGE` or another of that group.
        44 named pub bufferUsage: u32,
        /// For Direct3D 12 only: null. Since API 11.1.
        48 named pub pInputFencePoint: *mut c_void,
        /// Out, for reconstructed pictures only. API 11.1 has another field in this place: it stays 0.
        56 named pub chromaOffset: [u32; 2],
        64 unused _reserved1: Unused<[u32; 245]>,
        1048 unused _reserved2: Unused<[*mut c_void; 61]>,
    }
}

driver_struct! {
    /// Makes registered memory an input for the next pictures: `nvEncMapInputResource`.
    NV_ENC_MAP_INPUT_RESOURCE: 1544 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Deprecated by the header: 0.
        4 named pub subResourceIndex: u32,
        /// Deprecated by the header: null.
        8 named pub inputResource: *mut c_void,
        /// The registration.
        16 named pub registeredResource: NV_ENC_REGISTERED_PTR,
        /// Out: the input, for `NV_ENC_PIC_PARAMS::inputBuffer`.
        24 named pub mappedResource: NV_ENC_INPUT_PTR,
        /// Out: its format, for `NV_ENC_PIC_PARAMS::bufferFmt`.
        32 named pub mappedBufferFmt: u32,
        36 unused _reserved1: Unused<[u32; 251]>,
        1040 unused _reserved2: Unused<[*mut c_void; 63]>,
    }
}

driver_struct! {
    /// Waits for an access unit and gives access to it: `nvEncLockBitstream`. The 12.1 layout is the longest
    /// of all versions. Fields up to `ltrFrameBitmap` lie in the same place in every version.
    NV_ENC_LOCK_BITSTREAM: 1552 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Bit-fields: see the constants of this type.
        4 bits pub flags: u32,
        /// The output buffer.
        8 named pub outputBitstream: NV_ENC_OUTPUT_PTR,
        /// The memory for the offset of each slice in bytes, one number per macroblock, or null.
        16 named pub sliceOffsets: *mut u32,
        /// Out: number of the picture.
        24 named pub frameIdx: u32,
        /// Out: progress of the hardware; 2 when the picture is complete.
        28 named pub hwEncodeStatus: u32,
        /// Out: number of slices, if `reportSliceOffsets` was set at initialisation.
        32 named pub numSlices: u32,
        /// Out: length of the access unit, in bytes.
        36 named pub bitstreamSizeInBytes: u32,
        /// Out: the picture's `inputTimeStamp`.
        40 named pub outputTimeStamp: u64,
        /// Out: the picture's `inputDuration`.
        48 named pub outputDuration: u64,
        /// Out: the access unit in Annex B form, until the buffer is unlocked.
        56 named pub bitstreamBufferPtr: *mut c_void,
        /// Out: one of the `NV_ENC_PIC_TYPE_*`, or any other number.
        64 named pub pictureType: u32,
        /// Out: one of the `NV_ENC_PIC_STRUCT_*`.
        68 named pub pictureStruct: u32,
        /// Out: average QP, 0 to 51.
        72 named pub frameAvgQP: u32,
        /// Out: total cost of the picture (sum of absolute transformed differences).
        76 named pub frameSatd: u32,
        /// Out: long-term reference index.
        80 named pub ltrFrameIdx: u32,
        /// Out: the long-term references that were used, one bit each.
        84 named pub ltrFrameBitmap: u32,
        /// Out: temporal layer. Since API 11.1; not to be read with an older one.
        88 named pub temporalId: u32,
        /// Out: number of intra macroblocks, if `getRCStats` is set. In this place since API 12.1 only.
        92 named pub intraMBCount: u32,
        /// Out: number of inter macroblocks, if `getRCStats` is set. In this place since API 12.1 only.
        96 named pub interMBCount: u32,
        /// Out: average horizontal motion, if `getRCStats` is set. In this place since API 12.1 only.
        100 named pub averageMVX: i32,
        /// Out: average vertical motion, if `getRCStats` is set. In this place since API 12.1 only.
        104 named pub averageMVY: i32,
        108 unused _alphaLayerSizeInBytes: Unused<u32>,
        112 unused _outputStatsPtrSize: Unused<u32>,
        120 unused _outputStatsPtr: Unused<*mut c_void>,
        /// Out: number of the picture in display order. Since API 12.1.
        128 named pub frameIdxDisplay: u32,
        132 unused _reserved1: Unused<[u32; 220]>,
        1016 unused _reserved2: Unused<[*mut c_void; 63]>,
        1520 unused _reservedInternal: Unused<[u32; 8]>,
    }
}

bit_fields! {
    NV_ENC_LOCK_BITSTREAM {
        /// In: return at once. The pointer may then come back before the picture is complete
        /// (`hwEncodeStatus`).
        0 1 doNotWait,
        /// Out: the picture is a long-term reference.
        1 1 ltrFrame,
        /// In: fill in the macroblock counts and the average motion.
        2 1 getRCStats,
    }
}

driver_struct! {
    /// Gives the caller access to a driver-made input buffer: `nvEncLockInputBuffer`.
    NV_ENC_LOCK_INPUT_BUFFER: 1544 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Bit-fields: see the constants of this type.
        4 bits pub flags: u32,
        /// The input buffer.
        8 named pub inputBuffer: NV_ENC_INPUT_PTR,
        /// Out: the memory for the pixels, until the buffer is unlocked.
        16 named pub bufferDataPtr: *mut c_void,
        /// Out: bytes from one row to the next; the driver's choice, whatever the width.
        24 named pub pitch: u32,
        28 unused _reserved1: Unused<[u32; 251]>,
        1032 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

bit_fields! {
    NV_ENC_LOCK_INPUT_BUFFER {
        /// In: return at once, with [`super::NV_ENC_ERR_ENCODER_BUSY`] while the buffer is in use.
        0 1 doNotWait,
    }
}

super::versioned! {
    NV_ENC_CREATE_INPUT_BUFFER,
    NV_ENC_CREATE_BITSTREAM_BUFFER,
    NV_ENC_REGISTER_RESOURCE,
    NV_ENC_MAP_INPUT_RESOURCE,
    NV_ENC_LOCK_BITSTREAM,
    NV_ENC_LOCK_INPUT_BUFFER,
}
