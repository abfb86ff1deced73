//! Structs that open a session, ask for the GPU's capabilities, register events, and read headers and statistics.

use std::ffi::c_void;

use super::NV_ENC_OUTPUT_PTR;
use super::version::ApiVersion;
use crate::structs::{Unused, bit_fields, driver_struct};

driver_struct! {
    /// Asks for a session: `nvEncOpenEncodeSessionEx`.
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: 1552 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// The kind of `device`: one of the `NV_ENC_DEVICE_TYPE_*`.
        4 named pub deviceType: u32,
        /// The device: a `CUcontext` for [`super::NV_ENC_DEVICE_TYPE_CUDA`].
        8 named pub device: *mut c_void,
        16 unused _reserved: Unused<*mut c_void>,
        /// [`ApiVersion::word`], not the struct word.
        24 named pub apiVersion: u32,
        28 unused _reserved1: Unused<[u32; 253]>,
        1040 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

driver_struct! {
    /// Asks for one capability: `nvEncGetEncodeCaps`.
    NV_ENC_CAPS_PARAM: 256 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// The capability: one of the `NV_ENC_CAPS_*`.
        4 named pub capsToQuery: u32,
        8 unused _reserved: Unused<[u32; 62]>,
    }
}

driver_struct! {
    /// Asks for the SPS and PPS of an initialised session: `nvEncGetSequenceParams`.
    NV_ENC_SEQUENCE_PARAM_PAYLOAD: 1544 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Size of `spsppsBuffer`, in bytes; the header takes 512 as enough.
        4 named pub inBufferSize: u32,
        /// The SPS id to write, 0 as a rule.
        8 named pub spsId: u32,
        /// The PPS id to write, 0 as a rule.
        12 named pub ppsId: u32,
        /// The memory that the driver writes SPS and PPS to, in Annex B form.
        16 named pub spsppsBuffer: *mut c_void,
        /// The number that the driver writes their length to, in bytes.
        24 named pub outSPSPPSPayloadSize: *mut u32,
        32 unused _reserved: Unused<[u32; 250]>,
        1032 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

driver_struct! {
    /// Statistics of an encoded picture: `nvEncGetEncodeStats`. Everything but the first two fields is
    /// written by the driver.
    NV_ENC_STAT: 1544 bytes {
        /// The struct word.
        0 named pub version: u32,
        4 unused _reserved: Unused<u32>,
        /// The output buffer that is asked about.
        8 named pub outputBitStream: NV_ENC_OUTPUT_PTR,
        /// Size of the access unit, in bytes.
        16 named pub bitStreamSize: u32,
        /// One of the `NV_ENC_PIC_TYPE_*`.
        20 named pub picType: u32,
        /// Offset of the last byte that is valid so far.
        24 named pub lastValidByteOffset: u32,
        /// Offset of each slice, in bytes.
        28 named pub sliceOffsets: [u32; 16],
        /// Number of the picture.
        92 named pub picIdx: u32,
        /// Average QP, 0 to 51.
        96 named pub frameAvgQP: u32,
        /// Bit-fields: see the constants of this type.
        100 bits pub flags: u32,
        /// Long-term reference index of this picture.
        104 named pub ltrFrameIdx: u32,
        /// Number of intra macroblocks.
        108 named pub intraMBCount: u32,
        /// Number of inter macroblocks, skipped ones among them.
        112 named pub interMBCount: u32,
        /// Average horizontal motion.
        116 named pub averageMVX: i32,
        /// Average vertical motion.
        120 named pub averageMVY: i32,
        124 unused _reserved1: Unused<[u32; 226]>,
        1032 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

bit_fields! {
    NV_ENC_STAT {
        /// Out: the picture is a long-term reference.
        0 1 ltrFrame,
    }
}

driver_struct! {
    /// Names a completion event: `nvEncRegisterAsyncEvent`, `nvEncUnregisterAsyncEvent`.
    NV_ENC_EVENT_PARAMS: 1544 bytes {
        /// The struct word.
        0 named pub version: u32,
        4 unused _reserved: Unused<u32>,
        /// The handle of the event.
        8 named pub completionEvent: *mut c_void,
        16 unused _reserved1: Unused<[u32; 253]>,
        1032 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

super::versioned! {
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS,
    NV_ENC_CAPS_PARAM,
    NV_ENC_EVENT_PARAMS,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD,
    NV_ENC_STAT,
}
