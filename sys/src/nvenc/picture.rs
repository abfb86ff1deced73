//! Structs that travel with each picture.

use std::ffi::c_void;

use super::version::ApiVersion;
use super::{NV_ENC_INPUT_PTR, NV_ENC_OUTPUT_PTR};
use crate::structs::{Unused, bit_fields, driver_struct};

driver_struct! {
    /// One SEI message to write in front of a picture.
    NV_ENC_SEI_PAYLOAD: 16 bytes {
        /// Length of the payload, in bytes.
        0 named pub payloadSize: u32,
        /// SEI payload type, as in Annex D of H.264.
        4 named pub payloadType: u32,
        /// The payload.
        8 named pub payload: *mut u8,
    }
}

driver_struct! {
    /// The parameters of a picture that only H.264 has.
    NV_ENC_PIC_PARAMS_H264: 1536 bytes {
        /// Picture order count; for callers that decide picture types themselves.
        0 named pub displayPOCSyntax: u32,
        4 unused _reserved3: Unused<u32>,
        /// 1 for a reference picture; ignored when the driver decides picture types.
        8 named pub refPicFlag: u32,
        /// Colour plane of the input; 0 for 4:2:0.
        12 named pub colourPlaneId: u32,
        /// Starts an intra refresh that takes this many pictures; 0 for none.
        16 named pub forceIntraRefreshWithFrameCnt: u32,
        /// Bit-fields: see the constants of this type.
        20 bits pub flags: u32,
        /// Deprecated by the header: null.
        24 named pub sliceTypeData: *mut u8,
        /// Deprecated by the header: 0.
        32 named pub sliceTypeArrayCnt: u32,
        /// The number of SEI messages.
        36 named pub seiPayloadArrayCnt: u32,
        /// The SEI messages, or null.
        40 named pub seiPayloadArray: *mut NV_ENC_SEI_PAYLOAD,
        /// The way in which the picture is cut into slices: as `NV_ENC_CONFIG_H264::sliceMode`.
        48 named pub sliceMode: u32,
        /// The number that goes with `sliceMode`.
        52 named pub sliceModeData: u32,
        /// Long-term reference index to give to this picture.
        56 named pub ltrMarkFrameIdx: u32,
        /// The long-term references that may be used, one bit each.
        60 named pub ltrUseFrameBitmap: u32,
        /// Reserved by the header: 0.
        64 named pub ltrUsageMode: u32,
        /// The number of slices that are to be intra; with `sliceMode` 3 only.
        68 named pub forceIntraSliceCount: u32,
        /// The slices that are to be intra, counted from 0, or null.
        72 named pub forceIntraSliceIdx: *mut u32,
        80 unused _h264ExtPicParams: Unused<[u32; 32]>,
        208 unused _timeCode: Unused<[u32; 7]>,
        236 unused _reserved: Unused<[u32; 203]>,
        1048 unused _reserved2: Unused<[*mut c_void; 61]>,
    }
}

bit_fields! {
    NV_ENC_PIC_PARAMS_H264 {
        /// Keep the slices of this picture independent of each other.
        0 1 constrainedFrame,
        /// `sliceModeData` of this picture counts.
        1 1 sliceModeDataUpdate,
        /// Make this picture a long-term reference.
        2 1 ltrMarkFrame,
        /// Predict this picture from the long-term references of `ltrUseFrameBitmap`.
        3 1 ltrUseFrames,
    }
}

driver_struct! {
    /// The codec's part of a picture. A union in C, of which only H.264 is used here.
    NV_ENC_CODEC_PIC_PARAMS: 1552 bytes {
        /// The H.264 part.
        0 named pub h264PicParams: NV_ENC_PIC_PARAMS_H264,
        1536 unused _other_codecs: Unused<[u64; 2]>,
    }
}

driver_struct! {
    /// One picture to encode: `nvEncEncodePicture`. Everything up to the end of the H.264 part lies in the
    /// same place in every version; what follows it was moved by API 12.0 and stays zero for older ones.
    NV_ENC_PIC_PARAMS: 3360 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Width of the input, in pixels.
        4 named pub inputWidth: u32,
        /// Height of the input, in pixels.
        8 named pub inputHeight: u32,
        /// Bytes from one row of the input to the next, or the width if that is not known.
        12 named pub inputPitch: u32,
        /// `NV_ENC_PIC_FLAG_*`, or-ed.
        16 named pub encodePicFlags: u32,
        /// A number of the caller's for this picture.
        20 named pub frameIdx: u32,
        /// Comes back as `outputTimeStamp`, and names the picture when it is to be invalidated as a
        /// reference; opaque to rate control.
        24 named pub inputTimeStamp: u64,
        /// Comes back as `outputDuration`.
        32 named pub inputDuration: u64,
        /// The input: a driver-made buffer, or mapped memory.
        40 named pub inputBuffer: NV_ENC_INPUT_PTR,
        /// The output buffer.
        48 named pub outputBitstream: NV_ENC_OUTPUT_PTR,
        /// Event to signal, in asynchronous mode; null else.
        56 named pub completionEvent: *mut c_void,
        /// One of the `NV_ENC_BUFFER_FORMAT_*`.
        64 named pub bufferFmt: u32,
        /// One of the `NV_ENC_PIC_STRUCT_*`; 0 is not among them.
        68 named pub pictureStruct: u32,
        /// One of the `NV_ENC_PIC_TYPE_*`; ignored when the driver decides picture types.
        72 named pub pictureType: u32,
        /// The codec's part.
        80 named pub codecPicParams: NV_ENC_CODEC_PIC_PARAMS,
        1632 unused _meHintCountsPerBlock: Unused<[u32; 8]>,
        1664 unused _meExternalHints: Unused<*mut c_void>,
        1672 unused _reserved1: Unused<[u32; 6]>,
        1696 unused _reserved2: Unused<[*mut c_void; 2]>,
        /// QP changes, one per macroblock in raster order, or null. In this place since API 12.0.
        1712 named pub qpDeltaMap: *mut i8,
        /// Length of `qpDeltaMap`, in bytes. In this place since API 12.0.
        1720 named pub qpDeltaMapSize: u32,
        1724 unused _reservedBitFields: Unused<u32>,
        1728 unused _meHintRefPicDist: Unused<[u16; 2]>,
        1736 unused _alphaBuffer: Unused<*mut c_void>,
        1744 unused _meExternalSbHints: Unused<*mut c_void>,
        1752 unused _meSbHintsCount: Unused<u32>,
        1756 unused _stateBufferIdx: Unused<u32>,
        1760 unused _outputReconBuffer: Unused<*mut c_void>,
        1768 unused _reserved3: Unused<[u32; 284]>,
        2904 unused _reserved4: Unused<[*mut c_void; 57]>,
    }
}

super::versioned! { NV_ENC_PIC_PARAMS, }
