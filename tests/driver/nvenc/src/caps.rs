//! Capabilities: those of a mid-size GPU of 2023, less what the double cannot encode.

use d264_double_common::settings::Settings;

/// Name and default of each, in the order of their numbers. 51 and on came with 12.1.
const CAPS: [(&str, i32); 55] = [
    // No B frames: openh264 has none.
    ("NUM_MAX_BFRAMES", 0),
    // Constant QP, VBR, CBR and, as the header has it, the old high-quality forms of both.
    ("SUPPORTED_RATECONTROL_MODES", 0x3b),
    ("SUPPORT_FIELD_ENCODING", 0),
    ("SUPPORT_MONOCHROME", 0),
    ("SUPPORT_FMO", 0),
    ("SUPPORT_QPELMV", 1),
    ("SUPPORT_BDIRECT_MODE", 0),
    ("SUPPORT_CABAC", 1),
    ("SUPPORT_ADAPTIVE_TRANSFORM", 1),
    ("SUPPORT_STEREO_MVC", 0),
    ("NUM_MAX_TEMPORAL_LAYERS", 2),
    ("SUPPORT_HIERARCHICAL_PFRAMES", 0),
    ("SUPPORT_HIERARCHICAL_BFRAMES", 0),
    ("LEVEL_MAX", 62),
    ("LEVEL_MIN", 10),
    ("SEPARATE_COLOUR_PLANE", 0),
    ("WIDTH_MAX", 4096),
    ("HEIGHT_MAX", 4096),
    ("SUPPORT_TEMPORAL_SVC", 1),
    ("SUPPORT_DYN_RES_CHANGE", 1),
    ("SUPPORT_DYN_BITRATE_CHANGE", 1),
    ("SUPPORT_DYN_FORCE_CONSTQP", 1),
    ("SUPPORT_DYN_RCMODE_CHANGE", 0),
    ("SUPPORT_SUBFRAME_READBACK", 0),
    ("SUPPORT_CONSTRAINED_ENCODING", 0),
    ("SUPPORT_INTRA_REFRESH", 1),
    ("SUPPORT_CUSTOM_VBV_BUF_SIZE", 1),
    ("SUPPORT_DYNAMIC_SLICE_MODE", 1),
    ("SUPPORT_REF_PIC_INVALIDATION", 1),
    ("PREPROC_SUPPORT", 0),
    // Completion events are of Windows.
    ("ASYNC_ENCODE_SUPPORT", cfg!(windows) as i32),
    ("MB_NUM_MAX", 65536),
    ("MB_PER_SEC_MAX", 983_040),
    ("SUPPORT_YUV444_ENCODE", 0),
    ("SUPPORT_LOSSLESS_ENCODE", 0),
    ("SUPPORT_SAO", 0),
    ("SUPPORT_MEONLY_MODE", 0),
    ("SUPPORT_LOOKAHEAD", 0),
    ("SUPPORT_TEMPORAL_AQ", 1),
    ("SUPPORT_10BIT_ENCODE", 0),
    ("NUM_MAX_LTR_FRAMES", 8),
    ("SUPPORT_WEIGHTED_PREDICTION", 1),
    ("DYNAMIC_QUERY_ENCODER_CAPACITY", 100),
    ("SUPPORT_BFRAME_REF_MODE", 0),
    ("SUPPORT_EMPHASIS_LEVEL_MAP", 1),
    ("WIDTH_MIN", 145),
    ("HEIGHT_MIN", 49),
    ("SUPPORT_MULTIPLE_REF_FRAMES", 1),
    ("SUPPORT_ALPHA_LAYER_ENCODING", 0),
    ("NUM_ENCODER_ENGINES", 1),
    ("SINGLE_SLICE_INTRA_REFRESH", 1),
    ("DISABLE_ENC_STATE_ADVANCE", 0),
    ("OUTPUT_RECON_SURFACE", 0),
    ("OUTPUT_BLOCK_STATS", 0),
    ("OUTPUT_ROW_STATS", 0),
];

pub(crate) const RATE_CONTROL_MODES: usize = 1;
pub(crate) const CABAC: usize = 7;
pub(crate) const TRANSFORM_8X8: usize = 8;
pub(crate) const MAX_TEMPORAL_LAYERS: usize = 10;
pub(crate) const WIDTH_MAX: usize = 16;
pub(crate) const HEIGHT_MAX: usize = 17;
pub(crate) const TEMPORAL_SVC: usize = 18;
pub(crate) const DYNAMIC_SIZE: usize = 19;
pub(crate) const DYNAMIC_BITRATE: usize = 20;
pub(crate) const INTRA_REFRESH: usize = 25;
pub(crate) const CUSTOM_VBV: usize = 26;
pub(crate) const DYNAMIC_SLICES: usize = 27;
pub(crate) const INVALIDATION: usize = 28;
pub(crate) const EVENTS: usize = 30;
pub(crate) const MACROBLOCKS_MAX: usize = 31;
pub(crate) const TEMPORAL_AQ: usize = 38;
pub(crate) const WIDTH_MIN: usize = 45;
pub(crate) const HEIGHT_MIN: usize = 46;
pub(crate) const MULTIPLE_REFERENCES: usize = 47;
pub(crate) const SINGLE_SLICE_REFRESH: usize = 50;

/// How many each API version knows.
const KNOWN: [usize; 4] = [50, 51, 51, 55];

/// A capability's value; none if this API version has no such capability.
pub(crate) fn value(settings: &Settings, number: usize, version: usize) -> Option<i32> {
    if number >= KNOWN[version] {
        return None;
    }
    let (name, default) = CAPS.get(number)?;
    let told = settings.caps.iter().rev().find(|(key, _)| key == name || key.parse() == Ok(number));
    Some(told.map_or(*default, |(_, value)| *value))
}

/// A capability that every version has.
pub(crate) fn of(settings: &Settings, number: usize) -> i32 {
    value(settings, number, 3).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{
        CABAC, CAPS, DYNAMIC_SLICES, EVENTS, HEIGHT_MIN, INVALIDATION, MACROBLOCKS_MAX, MAX_TEMPORAL_LAYERS,
        MULTIPLE_REFERENCES, RATE_CONTROL_MODES, SINGLE_SLICE_REFRESH, TEMPORAL_AQ, TEMPORAL_SVC,
        TRANSFORM_8X8, WIDTH_MIN, of, value,
    };
    use d264_double_common::settings::Settings;

    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(CAPS[WIDTH_MIN].0, "WIDTH_MIN");
        assert_eq!(CAPS[HEIGHT_MIN].0, "HEIGHT_MIN");
        assert_eq!(CAPS[MAX_TEMPORAL_LAYERS].0, "NUM_MAX_TEMPORAL_LAYERS");
        assert_eq!(CAPS[TEMPORAL_SVC].0, "SUPPORT_TEMPORAL_SVC");
        assert_eq!(CAPS[MULTIPLE_REFERENCES].0, "SUPPORT_MULTIPLE_REF_FRAMES");
        assert_eq!(CAPS[INVALIDATION].0, "SUPPORT_REF_PIC_INVALIDATION");
        assert_eq!(CAPS[RATE_CONTROL_MODES].0, "SUPPORTED_RATECONTROL_MODES");
        assert_eq!(CAPS[CABAC].0, "SUPPORT_CABAC");
        assert_eq!(CAPS[TRANSFORM_8X8].0, "SUPPORT_ADAPTIVE_TRANSFORM");
        assert_eq!(CAPS[DYNAMIC_SLICES].0, "SUPPORT_DYNAMIC_SLICE_MODE");
        assert_eq!(CAPS[EVENTS].0, "ASYNC_ENCODE_SUPPORT");
        assert_eq!(CAPS[MACROBLOCKS_MAX].0, "MB_NUM_MAX");
        assert_eq!(CAPS[TEMPORAL_AQ].0, "SUPPORT_TEMPORAL_AQ");
        assert_eq!(CAPS[SINGLE_SLICE_REFRESH].0, "SINGLE_SLICE_INTRA_REFRESH");
    }

    #[test]
    fn a_setting_overrides_by_name_or_number() {
        let settings = Settings::from_text("CAPS=WIDTH_MIN=33,46=17\n");
        assert_eq!((of(&settings, WIDTH_MIN), of(&settings, HEIGHT_MIN)), (33, 17));
        assert_eq!(value(&settings, 50, 0), None);
    }
}
