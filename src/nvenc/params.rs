//! Translates a configuration to NVENC's settings: pure, and exhaustive on purpose.

use std::num::NonZeroU32;

use direct264_sys::nvenc::{
    ApiVersion, GUID, NV_ENC_CODEC_H264_GUID, NV_ENC_CONFIG, NV_ENC_CONFIG_H264,
    NV_ENC_CONFIG_H264_VUI_PARAMETERS, NV_ENC_H264_ADAPTIVE_TRANSFORM_AUTOSELECT,
    NV_ENC_H264_ADAPTIVE_TRANSFORM_DISABLE, NV_ENC_H264_ENTROPY_CODING_MODE_CABAC,
    NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC, NV_ENC_H264_PROFILE_BASELINE_GUID, NV_ENC_H264_PROFILE_HIGH_GUID,
    NV_ENC_H264_PROFILE_MAIN_GUID, NV_ENC_INITIALIZE_PARAMS, NV_ENC_LEVEL_AUTOSELECT,
    NV_ENC_MULTI_PASS_DISABLED, NV_ENC_NUM_REF_FRAMES_1, NV_ENC_NUM_REF_FRAMES_AUTOSELECT,
    NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME, NV_ENC_PARAMS_RC_CBR, NV_ENC_PARAMS_RC_VBR, NV_ENC_PRESET_P1_GUID,
    NV_ENC_PRESET_P2_GUID, NV_ENC_PRESET_P3_GUID, NV_ENC_PRESET_P4_GUID, NV_ENC_PRESET_P5_GUID,
    NV_ENC_PRESET_P6_GUID, NV_ENC_PRESET_P7_GUID, NV_ENC_QP, NV_ENC_RC_PARAMS,
    NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY, NV_ENC_TWO_PASS_FULL_RESOLUTION,
    NV_ENC_TWO_PASS_QUARTER_RESOLUTION, NVENC_INFINITE_GOPLENGTH,
};

use super::probe::Capabilities;
use crate::colour::{Colour, ColourRange};
use crate::config::{
    EncoderConfig, IntraRefresh, MultiPass, NvencConfig, NvencPreset, Profile, Settings, TemporalLayers,
};
use crate::error::ConfigError;
use crate::level::Level;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange, SampleAspect};

/// The tuning of every session.
pub(super) const TUNING: u32 = NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY;

/// The `NV_ENC_CONFIG_H264::sliceMode` whose number counts slices.
const SLICES_IN_A_PICTURE: u32 = 3;
const VIDEO_FORMAT_UNSPECIFIED: u32 = 5;

/// The period of an intra refresh that only a request begins. No stream reaches it: 200 days at 60 Hz.
const NO_PERIOD: u32 = 1 << 30;
/// The rows of pixels that the encoder refreshes in a picture at the least.
const ROWS_OF_A_REFRESH: u32 = 32;

/// The driver's settings. The pointer between the two structs is set for the length of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params {
    pub(super) init: NV_ENC_INITIALIZE_PARAMS,
    pub(super) config: NV_ENC_CONFIG,
}

/// A set of settings. The next one is tried when a driver refuses the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// All settings as asked.
    AsAsked,
    /// The lock waits for each picture, without completion events.
    EventsLeftOut,
    /// The driver chooses the level, and allows any level that the rate needs.
    LevelLeftOut,
    /// The driver chooses the VBV as well.
    VbvLeftOut,
    /// The preset's references, quantisers and rate control details stay as well.
    PresetKept,
}

impl Attempt {
    /// The order in which sets are tried. Only drivers on Windows have events.
    pub(super) const ALL: &[Self] = if cfg!(windows) {
        &[Self::AsAsked, Self::EventsLeftOut, Self::LevelLeftOut, Self::VbvLeftOut, Self::PresetKept]
    } else {
        &[Self::AsAsked, Self::LevelLeftOut, Self::VbvLeftOut, Self::PresetKept]
    };

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AsAsked => "as asked",
            Self::EventsLeftOut => "without completion events",
            Self::LevelLeftOut => "without a level",
            Self::VbvLeftOut => "without level and VBV",
            Self::PresetKept => "the preset with nothing but rate, profile and headers",
        }
    }

    fn keeps_events(self) -> bool {
        self == Self::AsAsked
    }

    fn keeps_level(self) -> bool {
        matches!(self, Self::AsAsked | Self::EventsLeftOut)
    }

    fn keeps_vbv(self) -> bool {
        self.keeps_level() || self == Self::LevelLeftOut
    }

    fn keeps_details(self) -> bool {
        self != Self::PresetKept
    }
}

/// The inputs of the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) config: &'a EncoderConfig,
    /// The level of the running sequence; `None` takes the lowest that holds the stream.
    pub(super) level: Option<Level>,
    pub(super) attempt: Attempt,
    /// The largest coded size that the session may change to.
    pub(super) room: FrameSize,
    /// The driver's configuration of the preset.
    pub(super) preset: &'a NV_ENC_CONFIG,
    pub(super) can: &'a Capabilities,
    pub(super) api: ApiVersion,
}

/// Returns the settings in the driver's form.
///
/// # Errors
/// [`ConfigError::Slices`] for more slices than the picture has rows of macroblocks.
pub(super) fn params(request: &Request<'_>) -> Result<Params, ConfigError> {
    let &Request { config, level, attempt, room, preset, can, api } = request;
    // Exhaustive on purpose: a new setting does not compile until its meaning here is decided.
    let &EncoderConfig {
        settings: Settings { size, frame_rate, bitrate, qp_range },
        max_size: _,          // in the room and the level
        max_bitrate: _,       // in the level
        max_memory_bytes: _,  // checked before
        idr_period_frames: _, // counted by `NvencEncoder` from the last IDR of any cause
        profile,
        colour,
        sample_aspect,
        temporal_layers,
        slices,
        threads: _, // the software backend's
        ref nvenc,
        failover: _, // the failover encoder's
    } = config;
    let &NvencConfig {
        preset: preset_name,
        multi_pass,
        vbv_percent,
        intra_refresh: _,        // in `intra_refresh`
        single_slice_refresh: _, // in `keeps_one_slice`
        reference_frames: _,     // limited in `reference_frames`
        gpu: _,                  // chosen before
        form: _,                 // `NvencEncoder`'s
        converts_rgb: _,         // `SurfaceFormat`'s
    } = nvenc;
    let coded = size.padded_to_even();
    let slices = slices.map_or(1, |slices| u32::from(slices.get()));
    let max = coded.macroblocks().1;
    if slices > max {
        return Err(ConfigError::Slices { slices, max });
    }
    let references = reference_frames(config, can, attempt);
    let level = level.unwrap_or_else(|| config.level_keeping(references));

    let mut init = NV_ENC_INITIALIZE_PARAMS::versioned(api);
    init.encodeGUID = NV_ENC_CODEC_H264_GUID;
    init.presetGUID = preset_guid(preset_name);
    init.tuningInfo = TUNING;
    (init.encodeWidth, init.encodeHeight) = (coded.width(), coded.height());
    (init.darWidth, init.darHeight) = display_aspect(coded, sample_aspect);
    (init.frameRateNum, init.frameRateDen) = (frame_rate.numerator(), frame_rate.denominator());
    let largest = if can.dynamic_size { largest(coded, room, can) } else { coded };
    (init.maxEncodeWidth, init.maxEncodeHeight) = (largest.width(), largest.height());
    // The driver decides picture types, and so knows when an IDR comes. With the low-latency tunings some drivers fail
    // after the first picture when the caller decides.
    init.enablePTD = 1;
    init.enableEncodeAsync = u32::from(can.completion_events && attempt.keeps_events());
    init.zero_what_is_newer_than(api);

    let mut made = *preset;
    made.profileGUID = profile_guid(profile);
    made.gopLength = NVENC_INFINITE_GOPLENGTH;
    made.frameIntervalP = 1;
    made.frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
    rate_control(
        &mut made.rcParams,
        &Rate { bitrate, frame_rate, vbv_percent: vbv_percent.get(), qp_range, multi_pass, attempt, can },
    );
    let h264 = &mut made.encodeCodecConfig.h264Config;
    h264.flags = NV_ENC_CONFIG_H264::repeatSPSPPS;
    h264.idrPeriod = NVENC_INFINITE_GOPLENGTH;
    h264.level = if attempt.keeps_level() { u32::from(level.idc()) } else { NV_ENC_LEVEL_AUTOSELECT };
    h264.chromaFormatIDC = 1;
    (h264.sliceMode, h264.sliceModeData) = (SLICES_IN_A_PICTURE, slices);
    entropy_and_transform(h264, profile, can);
    if attempt.keeps_details() {
        // One unless asked, as presets of this speed use, since the decoder has to keep as many. A picture is
        // predicted from one of them in any case.
        h264.maxNumRefFrames = references;
        h264.numRefL0 =
            if can.multiple_references { NV_ENC_NUM_REF_FRAMES_1 } else { NV_ENC_NUM_REF_FRAMES_AUTOSELECT };
    }
    if temporal_layers == TemporalLayers::Two && has_two_layers(can, attempt) {
        h264.flags |= NV_ENC_CONFIG_H264::enableTemporalSVC | NV_ENC_CONFIG_H264::disableSVCPrefixNalu;
        (h264.numTemporalLayers, h264.maxTemporalLayers) = (2, 2);
    }
    if let Some(IntraRefresh { period_frames, length_frames }) = intra_refresh(config, can, attempt) {
        h264.flags |= NV_ENC_CONFIG_H264::enableIntraRefresh | NV_ENC_CONFIG_H264::outputRecoveryPointSEI;
        if keeps_one_slice(config, can) {
            h264.flags |= NV_ENC_CONFIG_H264::singleSliceIntraRefresh;
        }
        (h264.intraRefreshPeriod, h264.intraRefreshCnt) = (period_frames, length_frames);
    }
    h264.h264VUIParameters = vui(colour);
    made.zero_what_is_newer_than(api);
    Ok(Params { init, config: made })
}

/// Returns the number of references that a session keeps: as many as asked if the session can exclude some of them,
/// within the room of the highest level.
pub(super) fn reference_frames(config: &EncoderConfig, can: &Capabilities, attempt: Attempt) -> u32 {
    if !(can.multiple_references && can.reference_invalidation && attempt.keeps_details()) {
        return 1;
    }
    let largest = config.size().union(config.max_size).padded_to_even();
    u32::from(config.nvenc.reference_frames.get()).min(Level::most_frames(largest))
}

fn has_two_layers(can: &Capabilities, attempt: Attempt) -> bool {
    can.temporal_layers >= 2 && attempt.keeps_details()
}

/// Returns the intra refresh of a session: the one that the caller asked for, else one that the driver never begins by
/// itself, and that arms the session for a request.
///
/// Two temporal layers arm nothing: rows in a picture that no other refers to would refresh none of the later ones.
pub(super) fn intra_refresh(
    config: &EncoderConfig,
    can: &Capabilities,
    attempt: Attempt,
) -> Option<IntraRefresh> {
    if !(can.intra_refresh && attempt.keeps_details()) {
        return None;
    }
    let largest = config.size().union(config.max_size);
    let armed = IntraRefresh { period_frames: NO_PERIOD, length_frames: longest_refresh(largest).get() };
    let has_two_layers = config.temporal_layers == TemporalLayers::Two && has_two_layers(can, attempt);
    config.nvenc.intra_refresh.or((!has_two_layers).then_some(armed))
}

/// Returns the most pictures that an intra refresh can be spread over.
pub(super) fn longest_refresh(size: FrameSize) -> NonZeroU32 {
    let rows = size.padded_to_even().height();
    NonZeroU32::new(rows / ROWS_OF_A_REFRESH).unwrap_or(NonZeroU32::MIN)
}

/// Whether a picture keeps one slice during an intra refresh.
pub(super) fn keeps_one_slice(config: &EncoderConfig, can: &Capabilities) -> bool {
    let has_one = config.slices.is_none_or(|slices| slices.get() == 1);
    config.nvenc.single_slice_refresh && has_one && can.single_slice_intra_refresh
}

/// Names the settings beyond this GPU; usually none.
pub(super) fn left_out(config: &EncoderConfig, can: &Capabilities, attempt: Attempt) -> Vec<&'static str> {
    let references = u32::from(config.nvenc.reference_frames.get());
    let left_out = [
        (reference_frames(config, can, attempt) < references, "some reference frames"),
        (
            config.temporal_layers == TemporalLayers::Two && !has_two_layers(can, attempt),
            "a second temporal layer",
        ),
        (!can.constant_bitrate, "constant bitrate"),
        (!can.custom_vbv, "the size of the VBV"),
        (!can.cabac && config.profile != Profile::ConstrainedBaseline, "CABAC"),
        (!can.transform_8x8 && config.profile == Profile::High, "the 8x8 transform"),
        (
            config.nvenc.intra_refresh.is_some() && intra_refresh(config, can, attempt).is_none(),
            "intra refresh",
        ),
        (
            config.nvenc.single_slice_refresh && !can.single_slice_intra_refresh,
            "one slice during intra refresh",
        ),
        (!can.dynamic_size && config.max_size != config.size(), "a change of size without a new session"),
    ];
    left_out.into_iter().filter_map(|(is, what)| is.then_some(what)).collect()
}

struct Rate<'a> {
    bitrate: Bitrate,
    frame_rate: FrameRate,
    vbv_percent: u32,
    qp_range: QpRange,
    multi_pass: MultiPass,
    attempt: Attempt,
    can: &'a Capabilities,
}

fn rate_control(rc: &mut NV_ENC_RC_PARAMS, rate: &Rate<'_>) {
    let &Rate { bitrate, frame_rate, vbv_percent, qp_range, multi_pass, attempt, can } = rate;
    rc.rateControlMode = if can.constant_bitrate { NV_ENC_PARAMS_RC_CBR } else { NV_ENC_PARAMS_RC_VBR };
    (rc.averageBitRate, rc.maxBitRate) = (bitrate.bps(), bitrate.bps());
    let vbv =
        if can.custom_vbv && attempt.keeps_vbv() { bitrate.vbv_bits(frame_rate, vbv_percent) } else { 0 };
    (rc.vbvBufferSize, rc.vbvInitialDelay) = (vbv, vbv);
    rc.multiPass = match multi_pass {
        MultiPass::Off => NV_ENC_MULTI_PASS_DISABLED,
        MultiPass::QuarterResolution => NV_ENC_TWO_PASS_QUARTER_RESOLUTION,
        MultiPass::FullResolution => NV_ENC_TWO_PASS_FULL_RESOLUTION,
    };
    rc.lookaheadDepth = 0;
    // All other flags stay off: no adaptive quantisation, no lookahead, and no droppable pictures unless asked.
    rc.flags = NV_ENC_RC_PARAMS::zeroReorderDelay;
    if attempt.keeps_details() {
        rc.flags |= NV_ENC_RC_PARAMS::enableMinQP;
        rc.minQP = every_kind(qp_range.min());
        // The coarsest quantiser needs no limit, and is reported to be better without one.
        if qp_range.max() < QpRange::MAX_QP {
            rc.flags |= NV_ENC_RC_PARAMS::enableMaxQP;
        }
        rc.maxQP = every_kind(qp_range.max());
        rc.lowDelayKeyFrameScale = 1;
    }
}

fn every_kind(qp: u8) -> NV_ENC_QP {
    let mut made = NV_ENC_QP::zeroed();
    let qp = u32::from(qp);
    (made.qpInterP, made.qpInterB, made.qpIntra) = (qp, qp, qp);
    made
}

fn entropy_and_transform(h264: &mut NV_ENC_CONFIG_H264, profile: Profile, can: &Capabilities) {
    let is_baseline = profile == Profile::ConstrainedBaseline;
    h264.entropyCodingMode = if is_baseline || !can.cabac {
        NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC
    } else {
        NV_ENC_H264_ENTROPY_CODING_MODE_CABAC
    };
    h264.adaptiveTransformMode = if profile == Profile::High && can.transform_8x8 {
        NV_ENC_H264_ADAPTIVE_TRANSFORM_AUTOSELECT
    } else {
        NV_ENC_H264_ADAPTIVE_TRANSFORM_DISABLE
    };
}

fn vui(colour: Colour) -> NV_ENC_CONFIG_H264_VUI_PARAMETERS {
    let mut vui = NV_ENC_CONFIG_H264_VUI_PARAMETERS::zeroed();
    let code_point = u32::from(colour.matrix.code_point());
    vui.videoSignalTypePresentFlag = 1;
    vui.videoFormat = VIDEO_FORMAT_UNSPECIFIED;
    vui.videoFullRangeFlag = u32::from(colour.range == ColourRange::Full);
    vui.colourDescriptionPresentFlag = 1;
    vui.colourPrimaries = code_point;
    vui.transferCharacteristics = code_point;
    vui.colourMatrix = code_point;
    // A decoder that knows of no reordering shows a picture as soon as it has it.
    vui.bitstreamRestrictionFlag = 1;
    vui
}

/// Returns the display aspect ratio, from which the driver computes that of a pixel.
fn display_aspect(size: FrameSize, pixel: Option<SampleAspect>) -> (u32, u32) {
    let (across, down) = pixel.map_or((1, 1), |pixel| (u32::from(pixel.width()), u32::from(pixel.height())));
    let (width, height) = (size.width() * across, size.height() * down);
    let divisor = greatest_common_divisor(width, height);
    (width / divisor, height / divisor)
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Returns the largest size that the session may change to: the one asked for, within the GPU's limits.
fn largest(coded: FrameSize, asked: FrameSize, can: &Capabilities) -> FrameSize {
    let width = asked.width().min(can.width_limit()).max(coded.width());
    let height = asked.height().min(can.height_limit()).max(coded.height());
    FrameSize::new(width, height).map_or(coded, FrameSize::padded_to_even)
}

fn profile_guid(profile: Profile) -> GUID {
    match profile {
        Profile::ConstrainedBaseline => NV_ENC_H264_PROFILE_BASELINE_GUID,
        Profile::Main => NV_ENC_H264_PROFILE_MAIN_GUID,
        Profile::High => NV_ENC_H264_PROFILE_HIGH_GUID,
    }
}

pub(super) fn preset_guid(preset: NvencPreset) -> GUID {
    match preset {
        NvencPreset::P1 => NV_ENC_PRESET_P1_GUID,
        NvencPreset::P2 => NV_ENC_PRESET_P2_GUID,
        NvencPreset::P3 => NV_ENC_PRESET_P3_GUID,
        NvencPreset::P4 => NV_ENC_PRESET_P4_GUID,
        NvencPreset::P5 => NV_ENC_PRESET_P5_GUID,
        NvencPreset::P6 => NV_ENC_PRESET_P6_GUID,
        NvencPreset::P7 => NV_ENC_PRESET_P7_GUID,
    }
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
