//! The numbers of the C header that H.264 needs. They are the same in every API version. A driver may hand out
//! any other number.

/// Declares the constants of one C enum: each name, its number and its meaning.
macro_rules! numbers {
    ($($(#[$doc:meta])* $group:ident { $($(#[$about:meta])* $name:ident = $value:literal,)+ })+) => {
        $($($(#[$about])* pub const $name: u32 = $value;)+)+

        /// Each number by its C name, for the comparison with the C compiler.
        #[cfg(all(test, target_os = "linux"))]
        pub(super) const NUMBERS: &[(&str, u32)] = &[
            ("NVENC_INFINITE_GOPLENGTH", NVENC_INFINITE_GOPLENGTH),
            $($((stringify!($name), $name),)+)+
        ];

        #[cfg(all(test, target_os = "linux"))]
        mod tests {
            use nvidia_video_codec_sdk::sys::nvEncodeAPI as other;

            #[test]
            fn the_numbers_are_those_of_the_c_header() {
                $($(assert_eq!(super::$name, other::$group::$name as u32, stringify!($name));)+)+
                assert_eq!(super::NVENC_INFINITE_GOPLENGTH, other::NVENC_INFINITE_GOPLENGTH);
            }
        }
    };
}

/// For `gopLength` and `idrPeriod`: never.
pub const NVENC_INFINITE_GOPLENGTH: u32 = u32::MAX;

numbers! {
    NV_ENC_DEVICE_TYPE {
        /// The device is a CUDA context.
        NV_ENC_DEVICE_TYPE_CUDA = 1,
    }
    NV_ENC_PARAMS_FRAME_FIELD_MODE {
        /// Progressive.
        NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME = 1,
    }
    NV_ENC_PARAMS_RC_MODE {
        /// Constant QP.
        NV_ENC_PARAMS_RC_CONSTQP = 0,
        /// Variable bitrate.
        NV_ENC_PARAMS_RC_VBR = 1,
        /// Constant bitrate.
        NV_ENC_PARAMS_RC_CBR = 2,
    }
    NV_ENC_MULTI_PASS {
        /// One pass.
        NV_ENC_MULTI_PASS_DISABLED = 0,
        /// Two passes, the first at a quarter of the resolution.
        NV_ENC_TWO_PASS_QUARTER_RESOLUTION = 1,
        /// Two passes, both at full resolution.
        NV_ENC_TWO_PASS_FULL_RESOLUTION = 2,
    }
    NV_ENC_QP_MAP_MODE {
        /// `qpDeltaMap` is ignored.
        NV_ENC_QP_MAP_DISABLED = 0,
        /// `qpDeltaMap` holds emphasis levels.
        NV_ENC_QP_MAP_EMPHASIS = 1,
        /// `qpDeltaMap` holds QP changes.
        NV_ENC_QP_MAP_DELTA = 2,
    }
    NV_ENC_TUNING_INFO {
        /// No tuning; not valid for encoding.
        NV_ENC_TUNING_INFO_UNDEFINED = 0,
        /// For quality, where latency does not matter.
        NV_ENC_TUNING_INFO_HIGH_QUALITY = 1,
        /// For low latency.
        NV_ENC_TUNING_INFO_LOW_LATENCY = 2,
        /// For the lowest latency.
        NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY = 3,
    }
    NV_ENC_PIC_STRUCT {
        /// A progressive frame.
        NV_ENC_PIC_STRUCT_FRAME = 1,
    }
    NV_ENC_PIC_TYPE {
        /// Predicted from one picture.
        NV_ENC_PIC_TYPE_P = 0,
        /// Predicted from two pictures.
        NV_ENC_PIC_TYPE_B = 1,
        /// Intra, and not an IDR.
        NV_ENC_PIC_TYPE_I = 2,
        /// An IDR.
        NV_ENC_PIC_TYPE_IDR = 3,
        /// A B picture with intra macroblocks only.
        NV_ENC_PIC_TYPE_BI = 4,
        /// The picture was skipped.
        NV_ENC_PIC_TYPE_SKIPPED = 5,
        /// The first picture of an intra refresh.
        NV_ENC_PIC_TYPE_INTRA_REFRESH = 6,
        /// A P picture that is no reference.
        NV_ENC_PIC_TYPE_NONREF_P = 7,
        /// Not known.
        NV_ENC_PIC_TYPE_UNKNOWN = 255,
    }
    NV_ENC_PIC_FLAGS {
        /// Make it an I picture, which is not an IDR.
        NV_ENC_PIC_FLAG_FORCEINTRA = 1,
        /// Make it an IDR; valid while the driver decides picture types.
        NV_ENC_PIC_FLAG_FORCEIDR = 2,
        /// Write SPS and PPS with it.
        NV_ENC_PIC_FLAG_OUTPUT_SPSPPS = 4,
        /// No picture: the end of the stream.
        NV_ENC_PIC_FLAG_EOS = 8,
    }
    NV_ENC_BUFFER_FORMAT {
        /// No format.
        NV_ENC_BUFFER_FORMAT_UNDEFINED = 0,
        /// 4:2:0, Y plane, then U and V interleaved.
        NV_ENC_BUFFER_FORMAT_NV12 = 0x1,
        /// 4:2:0, Y plane, V plane, U plane.
        NV_ENC_BUFFER_FORMAT_YV12 = 0x10,
        /// 4:2:0, Y plane, U plane, V plane.
        NV_ENC_BUFFER_FORMAT_IYUV = 0x100,
        /// 4:4:4, Y plane, U plane, V plane.
        NV_ENC_BUFFER_FORMAT_YUV444 = 0x1000,
        /// Words of A, R, G, B from high to low: bytes B, G, R, A in memory.
        NV_ENC_BUFFER_FORMAT_ARGB = 0x0100_0000,
        /// Words of A, Y, U, V from high to low: bytes V, U, Y, A in memory.
        NV_ENC_BUFFER_FORMAT_AYUV = 0x0400_0000,
        /// Words of A, B, G, R from high to low: bytes R, G, B, A in memory.
        NV_ENC_BUFFER_FORMAT_ABGR = 0x1000_0000,
    }
    NV_ENC_BUFFER_USAGE {
        /// The memory holds input pictures.
        NV_ENC_INPUT_IMAGE = 0,
        /// The memory receives access units.
        NV_ENC_OUTPUT_BITSTREAM = 2,
    }
    NV_ENC_INPUT_RESOURCE_TYPE {
        /// The memory is CUDA device memory.
        NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR = 1,
        /// The memory is a CUDA array.
        NV_ENC_INPUT_RESOURCE_TYPE_CUDAARRAY = 2,
    }
    NV_ENC_H264_ENTROPY_CODING_MODE {
        /// Left to the driver.
        NV_ENC_H264_ENTROPY_CODING_MODE_AUTOSELECT = 0,
        /// CABAC.
        NV_ENC_H264_ENTROPY_CODING_MODE_CABAC = 1,
        /// CAVLC.
        NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC = 2,
    }
    NV_ENC_H264_ADAPTIVE_TRANSFORM_MODE {
        /// Left to the driver.
        NV_ENC_H264_ADAPTIVE_TRANSFORM_AUTOSELECT = 0,
        /// No 8x8 transform.
        NV_ENC_H264_ADAPTIVE_TRANSFORM_DISABLE = 1,
        /// 8x8 transform.
        NV_ENC_H264_ADAPTIVE_TRANSFORM_ENABLE = 2,
    }
    NV_ENC_NUM_REF_FRAMES {
        /// Left to the driver.
        NV_ENC_NUM_REF_FRAMES_AUTOSELECT = 0,
        /// One.
        NV_ENC_NUM_REF_FRAMES_1 = 1,
    }
    NV_ENC_LEVEL {
        /// Left to the driver.
        NV_ENC_LEVEL_AUTOSELECT = 0,
        /// Level 1b.
        NV_ENC_LEVEL_H264_1b = 9,
        /// Level 1.
        NV_ENC_LEVEL_H264_1 = 10,
        /// Level 1.1.
        NV_ENC_LEVEL_H264_11 = 11,
        /// Level 1.2.
        NV_ENC_LEVEL_H264_12 = 12,
        /// Level 1.3.
        NV_ENC_LEVEL_H264_13 = 13,
        /// Level 2.
        NV_ENC_LEVEL_H264_2 = 20,
        /// Level 2.1.
        NV_ENC_LEVEL_H264_21 = 21,
        /// Level 2.2.
        NV_ENC_LEVEL_H264_22 = 22,
        /// Level 3.
        NV_ENC_LEVEL_H264_3 = 30,
        /// Level 3.1.
        NV_ENC_LEVEL_H264_31 = 31,
        /// Level 3.2.
        NV_ENC_LEVEL_H264_32 = 32,
        /// Level 4.
        NV_ENC_LEVEL_H264_4 = 40,
        /// Level 4.1.
        NV_ENC_LEVEL_H264_41 = 41,
        /// Level 4.2.
        NV_ENC_LEVEL_H264_42 = 42,
        /// Level 5.
        NV_ENC_LEVEL_H264_5 = 50,
        /// Level 5.1.
        NV_ENC_LEVEL_H264_51 = 51,
        /// Level 5.2.
        NV_ENC_LEVEL_H264_52 = 52,
        /// Level 6.
        NV_ENC_LEVEL_H264_60 = 60,
        /// Level 6.1.
        NV_ENC_LEVEL_H264_61 = 61,
        /// Level 6.2.
        NV_ENC_LEVEL_H264_62 = 62,
    }
    NV_ENC_CAPS {
        /// Most B pictures in a row.
        NV_ENC_CAPS_NUM_MAX_BFRAMES = 0,
        /// Rate control modes.
        NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES = 1,
        /// CABAC: 0 or 1.
        NV_ENC_CAPS_SUPPORT_CABAC = 7,
        /// 8x8 transform: 0 or 1.
        NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM = 8,
        /// Most temporal layers.
        NV_ENC_CAPS_NUM_MAX_TEMPORAL_LAYERS = 10,
        /// Highest level, as `NV_ENC_LEVEL_*`.
        NV_ENC_CAPS_LEVEL_MAX = 13,
        /// Lowest level, as `NV_ENC_LEVEL_*`.
        NV_ENC_CAPS_LEVEL_MIN = 14,
        /// Greatest width, in pixels.
        NV_ENC_CAPS_WIDTH_MAX = 16,
        /// Greatest height, in pixels.
        NV_ENC_CAPS_HEIGHT_MAX = 17,
        /// Temporal scalability: 0 or 1.
        NV_ENC_CAPS_SUPPORT_TEMPORAL_SVC = 18,
        /// Change of size within a session: 0 or 1.
        NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE = 19,
        /// Change of bitrate within a session: 0 or 1.
        NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE = 20,
        /// Change to constant QP within a session: 0 or 1.
        NV_ENC_CAPS_SUPPORT_DYN_FORCE_CONSTQP = 21,
        /// Change of rate control mode within a session: 0 or 1.
        NV_ENC_CAPS_SUPPORT_DYN_RCMODE_CHANGE = 22,
        /// Reading the output slice by slice: 0 or 1.
        NV_ENC_CAPS_SUPPORT_SUBFRAME_READBACK = 23,
        /// Pictures with independent slices: 0 or 1.
        NV_ENC_CAPS_SUPPORT_CONSTRAINED_ENCODING = 24,
        /// Intra refresh: 0 or 1.
        NV_ENC_CAPS_SUPPORT_INTRA_REFRESH = 25,
        /// A VBV buffer size of the caller's choice: 0 or 1.
        NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE = 26,
        /// Change of the slice mode picture by picture: 0 or 1.
        NV_ENC_CAPS_SUPPORT_DYNAMIC_SLICE_MODE = 27,
        /// Invalidation of reference pictures: 0 or 1.
        NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION = 28,
        /// Asynchronous mode: 0 or 1.
        NV_ENC_CAPS_ASYNC_ENCODE_SUPPORT = 30,
        /// Most macroblocks in a picture.
        NV_ENC_CAPS_MB_NUM_MAX = 31,
        /// Most macroblocks a second.
        NV_ENC_CAPS_MB_PER_SEC_MAX = 32,
        /// Lookahead: 0 or 1.
        NV_ENC_CAPS_SUPPORT_LOOKAHEAD = 37,
        /// Temporal adaptive quantisation: 0 or 1.
        NV_ENC_CAPS_SUPPORT_TEMPORAL_AQ = 38,
        /// Most long-term references.
        NV_ENC_CAPS_NUM_MAX_LTR_FRAMES = 40,
        /// Weighted prediction: 0 or 1.
        NV_ENC_CAPS_SUPPORT_WEIGHTED_PREDICTION = 41,
        /// Capacity that is left, in percent; always 100 on Linux.
        NV_ENC_CAPS_DYNAMIC_QUERY_ENCODER_CAPACITY = 42,
        /// Emphasis maps: 0 or 1.
        NV_ENC_CAPS_SUPPORT_EMPHASIS_LEVEL_MAP = 44,
        /// Smallest width, in pixels.
        NV_ENC_CAPS_WIDTH_MIN = 45,
        /// Smallest height, in pixels.
        NV_ENC_CAPS_HEIGHT_MIN = 46,
        /// More than one reference picture: 0 or 1.
        NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES = 47,
        /// Encoders on the GPU.
        NV_ENC_CAPS_NUM_ENCODER_ENGINES = 49,
        /// One slice during intra refresh: 0 or 1. Since API 11.1.
        NV_ENC_CAPS_SINGLE_SLICE_INTRA_REFRESH = 50,
    }
}
