//! Structs that initialise and reconfigure a session: rate control, H.264, the configuration as a whole.

use std::ffi::c_void;

use super::GUID;
use super::version::ApiVersion;
use crate::structs::{Unused, bit_fields, driver_struct};

driver_struct! {
    /// A QP for each kind of picture, 0 to 51.
    NV_ENC_QP: 12 bytes {
        /// For P pictures.
        0 named pub qpInterP: u32,
        /// For B pictures.
        4 named pub qpInterB: u32,
        /// For I pictures.
        8 named pub qpIntra: u32,
    }
}

driver_struct! {
    /// Rate control.
    NV_ENC_RC_PARAMS: 128 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// One of the `NV_ENC_PARAMS_RC_*`.
        4 named pub rateControlMode: u32,
        /// The QPs of constant-QP mode.
        8 named pub constQP: NV_ENC_QP,
        /// Average bitrate, in bits per second.
        20 named pub averageBitRate: u32,
        /// Highest bitrate, in bits per second; ignored with constant bitrate.
        24 named pub maxBitRate: u32,
        /// Size of the VBV buffer, in bits; 0 leaves it to the driver, which takes about a second.
        28 named pub vbvBufferSize: u32,
        /// Fill of the VBV buffer at the start, in bits; 0 leaves it to the driver.
        32 named pub vbvInitialDelay: u32,
        /// Bit-fields: see the constants of this type.
        36 bits pub flags: u32,
        /// Lowest QPs, with `enableMinQP`.
        40 named pub minQP: NV_ENC_QP,
        /// Highest QPs, with `enableMaxQP`.
        52 named pub maxQP: NV_ENC_QP,
        /// First QPs, with `enableInitialRCQP`.
        64 named pub initialRCQP: NV_ENC_QP,
        /// For constant QP with temporal layers: the layers whose QPs change, one bit each.
        76 named pub temporallayerIdxMask: u32,
        /// For constant QP with temporal layers: the QP of each layer.
        80 named pub temporalLayerQP: [u8; 8],
        /// For variable bitrate: target quality, 1 to 51; 0 leaves it to the driver.
        88 named pub targetQuality: u8,
        /// Fraction of `targetQuality`, in 256ths.
        89 named pub targetQualityLSB: u8,
        /// Pictures to look ahead, with `enableLookahead`.
        90 named pub lookaheadDepth: u16,
        /// Bits of an I picture as a multiple of a P picture's, with a VBV of one frame and constant bitrate.
        92 named pub lowDelayKeyFrameScale: u8,
        /// AV1 only; since API 12.0.
        93 unused _yuvDcQPIndexOffsets: Unused<[i8; 3]>,
        /// The meaning of `NV_ENC_PIC_PARAMS::qpDeltaMap`; 0 for none.
        96 named pub qpMapMode: u32,
        /// `NV_ENC_MULTI_PASS_DISABLED` or another of that group.
        100 named pub multiPass: u32,
        /// HEVC with alpha only.
        104 unused _alphaLayerBitrateRatio: Unused<u32>,
        /// `chroma_qp_index_offset`. Since API 11.1.
        108 named pub cbQPIndexOffset: i8,
        /// `second_chroma_qp_index_offset`. Since API 11.1.
        109 named pub crQPIndexOffset: i8,
        110 unused _reserved2: Unused<u16>,
        112 unused _reserved: Unused<[u32; 4]>,
    }
}

bit_fields! {
    NV_ENC_RC_PARAMS {
        /// `minQP` counts.
        0 1 enableMinQP,
        /// `maxQP` counts.
        1 1 enableMaxQP,
        /// `initialRCQP` counts.
        2 1 enableInitialRCQP,
        /// Spatial adaptive quantisation.
        3 1 enableAQ,
        /// Lookahead of `lookaheadDepth` pictures.
        5 1 enableLookahead,
        /// With lookahead: no I pictures at scene cuts.
        6 1 disableIadapt,
        /// With lookahead: no adaptive B pictures.
        7 1 disableBadapt,
        /// Temporal adaptive quantisation.
        8 1 enableTemporalAQ,
        /// No reordering delay: `num_reorder_frames` is 0.
        9 1 zeroReorderDelay,
        /// P pictures that are no references may be put in.
        10 1 enableNonRefP,
        /// Keep the size of each group of pictures close to the target.
        11 1 strictGOPTarget,
        /// Strength of spatial adaptive quantisation, 1 to 15; 0 leaves it to the driver.
        12 4 aqStrength,
        /// Lookahead by separate calls. Since API 12.1.
        16 1 enableExtLookahead,
    }
}

driver_struct! {
    /// Video usability information of the SPS; the names and numbers are those of Annex E of H.264.
    NV_ENC_CONFIG_H264_VUI_PARAMETERS: 112 bytes {
        /// 1: `overscanInfo` is written.
        0 named pub overscanInfoPresentFlag: u32,
        /// `overscan_appropriate_flag`.
        4 named pub overscanInfo: u32,
        /// 1: `videoFormat`, `videoFullRangeFlag` and the colour description are written.
        8 named pub videoSignalTypePresentFlag: u32,
        /// `video_format`; 5 is unspecified.
        12 named pub videoFormat: u32,
        /// `video_full_range_flag`.
        16 named pub videoFullRangeFlag: u32,
        /// 1: the next three fields are written.
        20 named pub colourDescriptionPresentFlag: u32,
        /// `colour_primaries`.
        24 named pub colourPrimaries: u32,
        /// `transfer_characteristics`.
        28 named pub transferCharacteristics: u32,
        /// `matrix_coefficients`.
        32 named pub colourMatrix: u32,
        /// 1: the next two fields are written.
        36 named pub chromaSampleLocationFlag: u32,
        /// `chroma_sample_loc_type_top_field`.
        40 named pub chromaSampleLocationTop: u32,
        /// `chroma_sample_loc_type_bottom_field`.
        44 named pub chromaSampleLocationBot: u32,
        /// 1: the bitstream restrictions are written, `max_num_reorder_frames` among them.
        48 named pub bitstreamRestrictionFlag: u32,
        /// 1: the next two fields are used instead of the frame rate. Since API 12.0.
        52 named pub timingInfoPresentFlag: u32,
        /// `num_units_in_tick`. Since API 12.0.
        56 named pub numUnitInTicks: u32,
        /// `time_scale`. Since API 12.0.
        60 named pub timeScale: u32,
        64 unused _reserved: Unused<[u32; 12]>,
    }
}

driver_struct! {
    /// The H.264 configuration.
    NV_ENC_CONFIG_H264: 1792 bytes {
        /// Bit-fields: see the constants of this type.
        0 bits pub flags: u32,
        /// One of the `NV_ENC_LEVEL_*`.
        4 named pub level: u32,
        /// Pictures from one IDR to the next; [`super::NVENC_INFINITE_GOPLENGTH`] for never.
        8 named pub idrPeriod: u32,
        /// `separate_colour_plane_flag`; 0 for 4:2:0.
        12 named pub separateColourPlaneFlag: u32,
        /// `disable_deblocking_filter_idc`, 0 to 2.
        16 named pub disableDeblockingFilterIDC: u32,
        /// Temporal layers, with temporal scalability.
        20 named pub numTemporalLayers: u32,
        /// SPS id.
        24 named pub spsId: u32,
        /// PPS id.
        28 named pub ppsId: u32,
        /// 8x8 transform: 0 leaves it to the driver, 1 is off, 2 is on.
        32 named pub adaptiveTransformMode: u32,
        /// Flexible macroblock order: 0 leaves it to the driver, 1 is on, 2 is off.
        36 named pub fmoMode: u32,
        /// For B pictures only.
        40 named pub bdirectMode: u32,
        /// One of the `NV_ENC_H264_ENTROPY_CODING_MODE_*`.
        44 named pub entropyCodingMode: u32,
        /// Stereo packing; 0 for none.
        48 named pub stereoMode: u32,
        /// Pictures from one intra refresh to the next, with `enableIntraRefresh`.
        52 named pub intraRefreshPeriod: u32,
        /// Pictures that one intra refresh takes, with `enableIntraRefresh`.
        56 named pub intraRefreshCnt: u32,
        /// Reference pictures; 0 leaves it to the driver.
        60 named pub maxNumRefFrames: u32,
        /// The unit of `sliceModeData`: 0 macroblocks in a slice, 1 bytes in a slice, 2 macroblock rows in a
        /// slice, 3 slices in a picture.
        64 named pub sliceMode: u32,
        /// The number that goes with `sliceMode`; 0 in mode 0 is one slice.
        68 named pub sliceModeData: u32,
        /// Video usability information.
        72 named pub h264VUIParameters: NV_ENC_CONFIG_H264_VUI_PARAMETERS,
        /// Long-term references, with `enableLTR`.
        184 named pub ltrNumFrames: u32,
        /// The choice of long-term references; 0 is by picture.
        188 named pub ltrTrustMode: u32,
        /// `chroma_format_idc`; 1 for 4:2:0.
        192 named pub chromaFormatIDC: u32,
        /// Most temporal layers, with temporal scalability.
        196 named pub maxTemporalLayers: u32,
        /// Whether B pictures are references; 0 is never.
        200 named pub useBFramesAsRef: u32,
        /// Entries of reference list 0; 0 leaves it to the driver.
        204 named pub numRefL0: u32,
        /// Entries of reference list 1; 0 leaves it to the driver.
        208 named pub numRefL1: u32,
        212 unused _reserved1: Unused<[u32; 267]>,
        1280 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

bit_fields! {
    NV_ENC_CONFIG_H264 {
        /// Temporal scalability.
        0 1 enableTemporalSVC,
        /// Stereo coding.
        1 1 enableStereoMVC,
        /// Hierarchical P pictures.
        2 1 hierarchicalPFrames,
        /// Hierarchical B pictures.
        3 1 hierarchicalBFrames,
        /// Buffering period SEI.
        4 1 outputBufferingPeriodSEI,
        /// Picture timing SEI.
        5 1 outputPictureTimingSEI,
        /// Access unit delimiters.
        6 1 outputAUD,
        /// No SPS and PPS in the stream.
        7 1 disableSPSPPS,
        /// Frame packing SEI.
        8 1 outputFramePackingSEI,
        /// Recovery point SEI.
        9 1 outputRecoveryPointSEI,
        /// Intra refresh.
        10 1 enableIntraRefresh,
        /// Pictures may be asked for whose slices are independent.
        11 1 enableConstrainedEncoding,
        /// SPS and PPS with every IDR.
        12 1 repeatSPSPPS,
        /// `fixed_frame_rate_flag` is 0; nothing else changes.
        13 1 enableVFR,
        /// Long-term references.
        14 1 enableLTR,
        /// Lossless, with the profile high 4:4:4 and constant QP 0.
        15 1 qpPrimeYZeroTransformBypassFlag,
        /// `constrained_intra_pred_flag`.
        16 1 useConstrainedIntraPred,
        /// Filler data, with constant bitrate.
        17 1 enableFillerDataInsertion,
        /// No prefix NAL units, with temporal scalability.
        18 1 disableSVCPrefixNalu,
        /// Scalability information SEI, with temporal scalability.
        19 1 enableScalabilityInfoSEI,
        /// One slice in a picture during intra refresh. Since API 11.1.
        20 1 singleSliceIntraRefresh,
        /// Time codes in the picture timing SEI. Since API 12.0.
        21 1 enableTimeCode,
    }
}

driver_struct! {
    /// The codec's part of the configuration. A union in C, of which only H.264 is used here.
    NV_ENC_CODEC_CONFIG: 1792 bytes {
        /// The H.264 part.
        0 named pub h264Config: NV_ENC_CONFIG_H264,
    }
}

driver_struct! {
    /// The configuration of an encoder.
    NV_ENC_CONFIG: 3584 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// One of the `NV_ENC_H264_PROFILE_*`.
        4 named pub profileGUID: GUID,
        /// Pictures from one I picture to the next; [`super::NVENC_INFINITE_GOPLENGTH`] for never.
        20 named pub gopLength: u32,
        /// 1 is no B pictures, `n` is `n - 1` of them in a row; 1 with an infinite GOP.
        24 named pub frameIntervalP: i32,
        /// 1: no chroma.
        28 named pub monoChromeEncoding: u32,
        /// 1 is progressive.
        32 named pub frameFieldMode: u32,
        /// Motion vector precision; 0 leaves it to the driver.
        36 named pub mvPrecision: u32,
        /// Rate control.
        40 named pub rcParams: NV_ENC_RC_PARAMS,
        /// The codec's part.
        168 named pub encodeCodecConfig: NV_ENC_CODEC_CONFIG,
        1960 unused _reserved: Unused<[u32; 278]>,
        3072 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

driver_struct! {
    /// The configuration that a preset and a tuning stand for: `nvEncGetEncodePresetConfigEx`.
    NV_ENC_PRESET_CONFIG: 5128 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// Out: the configuration. Its own struct word is set by the caller.
        8 named pub presetCfg: NV_ENC_CONFIG,
        3592 unused _reserved1: Unused<[u32; 255]>,
        4616 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

driver_struct! {
    /// Initialises a session: `nvEncInitializeEncoder`.
    NV_ENC_INITIALIZE_PARAMS: 1808 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// The codec.
        4 named pub encodeGUID: GUID,
        /// The preset.
        20 named pub presetGUID: GUID,
        /// Width, in pixels.
        36 named pub encodeWidth: u32,
        /// Height, in pixels.
        40 named pub encodeHeight: u32,
        /// Display aspect ratio, the part in front of the colon.
        44 named pub darWidth: u32,
        /// Display aspect ratio, the part behind the colon.
        48 named pub darHeight: u32,
        /// Frames per second, the numerator.
        52 named pub frameRateNum: u32,
        /// Frames per second, the denominator.
        56 named pub frameRateDen: u32,
        /// 1: events signal completion; they exist on Windows only.
        60 named pub enableEncodeAsync: u32,
        /// 1: the driver decides picture types.
        64 named pub enablePTD: u32,
        /// Bit-fields: see the constants of this type.
        68 bits pub flags: u32,
        /// Reserved by the header: 0.
        72 named pub privDataSize: u32,
        /// Reserved by the header: null.
        80 named pub privData: *mut c_void,
        /// The configuration; null for the preset's own.
        88 named pub encodeConfig: *mut NV_ENC_CONFIG,
        /// Greatest width that a reconfigure may ask for, in pixels; 0 for no change of size.
        96 named pub maxEncodeWidth: u32,
        /// Greatest height that a reconfigure may ask for, in pixels; 0 for no change of size.
        100 named pub maxEncodeHeight: u32,
        104 unused _maxMEHintCountsPerBlock: Unused<[u32; 8]>,
        /// One of the `NV_ENC_TUNING_INFO_*`.
        136 named pub tuningInfo: u32,
        /// For Direct3D 12 only: 0. Since API 11.1.
        140 named pub bufferFormat: u32,
        /// State buffers, for encoding without advancing; 0. Since API 12.1.
        144 named pub numStateBuffers: u32,
        /// Level of the output statistics; 0. Since API 12.1.
        148 named pub outputStatsLevel: u32,
        152 unused _reserved: Unused<[u32; 285]>,
        1296 unused _reserved2: Unused<[*mut c_void; 64]>,
    }
}

bit_fields! {
    NV_ENC_INITIALIZE_PARAMS {
        /// Report the offset of each slice when the output is locked; in synchronous mode only.
        0 1 reportSliceOffsets,
        /// Write the output slice by slice.
        1 1 enableSubFrameWrite,
        /// Motion hints from outside.
        2 1 enableExternalMEHints,
        /// Motion estimation only.
        3 1 enableMEOnlyMode,
        /// Weighted prediction.
        4 1 enableWeightedPrediction,
        /// Split encoding; not for H.264. In this place since API 12.1: up to 12.0 its lowest bit is
        /// `enableOutputInVidmem`.
        5 4 splitEncodeMode,
        /// Output in video memory. In this place since API 12.1.
        9 1 enableOutputInVidmem,
        /// Reconstructed pictures. Since API 12.1.
        10 1 enableReconFrameOutput,
        /// Output statistics. Since API 12.1.
        11 1 enableOutputStats,
    }
}

driver_struct! {
    /// Changes a session: `nvEncReconfigureEncoder`.
    NV_ENC_RECONFIGURE_PARAMS: 1824 bytes {
        /// The struct word.
        0 named pub version: u32,
        /// The new parameters of the session. Their own struct word is set by the caller.
        8 named pub reInitEncodeParams: NV_ENC_INITIALIZE_PARAMS,
        /// Bit-fields: see the constants of this type.
        1816 bits pub flags: u32,
    }
}

bit_fields! {
    NV_ENC_RECONFIGURE_PARAMS {
        /// Forget the state of rate control and encoder; comes with an IDR.
        0 1 resetEncoder,
        /// Make the next picture an IDR.
        1 1 forceIDR,
    }
}

super::versioned! { NV_ENC_RC_PARAMS, NV_ENC_INITIALIZE_PARAMS, }

impl NV_ENC_CONFIG {
    /// Zeros, with the struct words of this struct and of its rate control.
    #[must_use]
    pub const fn versioned(api: ApiVersion) -> Self {
        let mut made = Self::zeroed();
        made.version = api.words().NV_ENC_CONFIG;
        made.rcParams.version = api.words().NV_ENC_RC_PARAMS;
        made
    }
}

impl NV_ENC_PRESET_CONFIG {
    /// Zeros, with the struct words of this struct and of the configuration in it.
    #[must_use]
    pub const fn versioned(api: ApiVersion) -> Self {
        let mut made = Self::zeroed();
        made.version = api.words().NV_ENC_PRESET_CONFIG;
        made.presetCfg = NV_ENC_CONFIG::versioned(api);
        made
    }
}

impl NV_ENC_RECONFIGURE_PARAMS {
    /// Zeros, with the struct words of this struct and of the parameters in it.
    #[must_use]
    pub const fn versioned(api: ApiVersion) -> Self {
        let mut made = Self::zeroed();
        made.version = api.words().NV_ENC_RECONFIGURE_PARAMS;
        made.reInitEncodeParams = NV_ENC_INITIALIZE_PARAMS::versioned(api);
        made
    }
}
