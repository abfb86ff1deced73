use std::num::NonZeroU8;

use direct264_sys::nvenc::{NV_ENC_QP, NV_ENC_TUNING_INFO_LOW_LATENCY};

use super::*;
use crate::colour::ColourMatrix;

const ALL: Capabilities = Capabilities {
    min_width: 145,
    min_height: 49,
    max_width: 4096,
    max_height: 4096,
    max_macroblocks: 65_536,
    engines: 1,
    cabac: true,
    transform_8x8: true,
    constant_bitrate: true,
    custom_vbv: true,
    dynamic_bitrate: true,
    dynamic_size: true,
    completion_events: false,
    intra_refresh: true,
    single_slice_intra_refresh: true,
    reference_invalidation: true,
    multiple_references: true,
    temporal_layers: 4,
};

fn size(width: u32, height: u32) -> FrameSize {
    FrameSize::new(width, height).unwrap()
}

fn config() -> EncoderConfig {
    let rate = FrameRate::new(30_000, 1_001).unwrap();
    EncoderConfig::new(size(1920, 1080), rate, Bitrate::from_mbps(6).unwrap())
}

/// A preset with every setting that the crate avoids.
fn hostile_preset(api: ApiVersion) -> NV_ENC_CONFIG {
    let mut preset = NV_ENC_CONFIG::versioned(api);
    preset.gopLength = 250;
    preset.frameIntervalP = 4;
    preset.rcParams.flags = u32::MAX;
    preset.rcParams.lookaheadDepth = 32;
    preset.rcParams.lowDelayKeyFrameScale = 2;
    preset.rcParams.multiPass = NV_ENC_TWO_PASS_FULL_RESOLUTION;
    preset.rcParams.vbvBufferSize = 99;
    let h264 = &mut preset.encodeCodecConfig.h264Config;
    h264.flags = u32::MAX;
    h264.idrPeriod = 250;
    h264.maxNumRefFrames = 4;
    h264.entropyCodingMode = NV_ENC_H264_ENTROPY_CODING_MODE_CABAC;
    h264.h264VUIParameters.timingInfoPresentFlag = 1;
    preset
}

fn made(config: &EncoderConfig, can: &Capabilities, api: ApiVersion, attempt: Attempt) -> Params {
    let preset = hostile_preset(api);
    let room = config.size().union(config.max_size).padded_to_even();
    let request = Request { config, level: None, attempt, room, preset: &preset, can, api };
    params(&request).unwrap()
}

fn asked(config: &EncoderConfig) -> Params {
    made(config, &ALL, ApiVersion::V12_1, Attempt::AsAsked)
}

fn h264(params: &Params) -> &NV_ENC_CONFIG_H264 {
    &params.config.encodeCodecConfig.h264Config
}

/// The flags of a session with intra refresh.
const REFRESH: u32 = NV_ENC_CONFIG_H264::enableIntraRefresh | NV_ENC_CONFIG_H264::outputRecoveryPointSEI;

fn every(qp: NV_ENC_QP) -> [u32; 3] {
    [qp.qpInterP, qp.qpInterB, qp.qpIntra]
}

#[test]
fn the_session_is_set_up_for_the_least_delay() {
    let Params { init, .. } = asked(&config());
    assert_eq!(init.encodeGUID, NV_ENC_CODEC_H264_GUID);
    assert_eq!(init.presetGUID, NV_ENC_PRESET_P1_GUID);
    assert_eq!(init.tuningInfo, NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY);
    assert_ne!(init.tuningInfo, NV_ENC_TUNING_INFO_LOW_LATENCY);
    assert_eq!((init.encodeWidth, init.encodeHeight), (1920, 1080));
    assert_eq!((init.maxEncodeWidth, init.maxEncodeHeight), (1920, 1080));
    assert_eq!((init.darWidth, init.darHeight), (16, 9));
    assert_eq!((init.frameRateNum, init.frameRateDen), (30_000, 1_001));
    assert_eq!((init.enablePTD, init.enableEncodeAsync), (1, 0));
    assert_eq!(init.flags, 0);
    assert!(init.encodeConfig.is_null());
}

#[test]
fn rate_control_is_cbr_with_a_vbv_of_one_frame_and_nothing_that_waits_or_drops() {
    let Params { config: made, .. } = asked(&config());
    let rc = &made.rcParams;
    assert_eq!(rc.rateControlMode, NV_ENC_PARAMS_RC_CBR);
    assert_eq!((rc.averageBitRate, rc.maxBitRate), (6_000_000, 6_000_000));
    // 6 Mbit/s at 30000/1001 frames a second.
    assert_eq!((rc.vbvBufferSize, rc.vbvInitialDelay), (200_200, 200_200));
    assert_eq!(rc.lowDelayKeyFrameScale, 1);
    assert_eq!(rc.multiPass, NV_ENC_MULTI_PASS_DISABLED);
    assert_eq!(rc.lookaheadDepth, 0);
    // The coarsest quantiser is no limit.
    assert_eq!(rc.flags, NV_ENC_RC_PARAMS::zeroReorderDelay | NV_ENC_RC_PARAMS::enableMinQP);
    assert_eq!((every(rc.minQP), every(rc.maxQP)), ([10; 3], [51; 3]));
}

#[test]
fn the_stream_has_no_period_one_reference_headers_with_each_idr_and_a_whole_vui() {
    let params = asked(&config());
    assert_eq!((params.config.gopLength, params.config.frameIntervalP), (NVENC_INFINITE_GOPLENGTH, 1));
    assert_eq!(params.config.frameFieldMode, NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME);
    let h264 = h264(&params);
    assert_eq!(h264.flags, NV_ENC_CONFIG_H264::repeatSPSPPS | REFRESH);
    assert_eq!(h264.idrPeriod, NVENC_INFINITE_GOPLENGTH);
    assert_eq!(h264.level, 40);
    assert_eq!((h264.sliceMode, h264.sliceModeData), (3, 1));
    assert_eq!((h264.maxNumRefFrames, h264.numRefL0), (1, 1));
    assert_eq!(h264.chromaFormatIDC, 1);
    let vui = &h264.h264VUIParameters;
    assert_eq!((vui.videoSignalTypePresentFlag, vui.videoFormat, vui.videoFullRangeFlag), (1, 5, 0));
    assert_eq!(vui.colourDescriptionPresentFlag, 1);
    assert_eq!((vui.colourPrimaries, vui.transferCharacteristics, vui.colourMatrix), (1, 1, 1));
    assert_eq!((vui.bitstreamRestrictionFlag, vui.timingInfoPresentFlag), (1, 0));
}

#[test]
fn the_period_of_idrs_is_counted_elsewhere() {
    let params = asked(&config().idr_period_frames(NonZeroU32::new(60)));
    assert_eq!(params.config.gopLength, NVENC_INFINITE_GOPLENGTH);
    assert_eq!(h264(&params).idrPeriod, NVENC_INFINITE_GOPLENGTH);
}

#[test]
fn each_profile_has_its_guid_entropy_coder_and_transform() {
    let coded = |profile, can: &Capabilities| {
        let params = made(&config().profile(profile), can, ApiVersion::V12_1, Attempt::AsAsked);
        let h264 = h264(&params);
        (params.config.profileGUID, h264.entropyCodingMode, h264.adaptiveTransformMode)
    };
    let (cavlc, cabac) = (NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC, NV_ENC_H264_ENTROPY_CODING_MODE_CABAC);
    let (off, auto) = (NV_ENC_H264_ADAPTIVE_TRANSFORM_DISABLE, NV_ENC_H264_ADAPTIVE_TRANSFORM_AUTOSELECT);
    assert_eq!(coded(Profile::ConstrainedBaseline, &ALL), (NV_ENC_H264_PROFILE_BASELINE_GUID, cavlc, off));
    assert_eq!(coded(Profile::Main, &ALL), (NV_ENC_H264_PROFILE_MAIN_GUID, cabac, off));
    assert_eq!(coded(Profile::High, &ALL), (NV_ENC_H264_PROFILE_HIGH_GUID, cabac, auto));
    let few = Capabilities { cabac: false, transform_8x8: false, ..ALL };
    assert_eq!(coded(Profile::High, &few), (NV_ENC_H264_PROFILE_HIGH_GUID, cavlc, off));
}

#[test]
fn every_setting_reaches_its_field() {
    let nvenc = NvencConfig::new()
        .preset(NvencPreset::P5)
        .multi_pass(MultiPass::QuarterResolution)
        .vbv_percent(NonZeroU32::new(250).unwrap())
        .intra_refresh(Some(IntraRefresh::new(60, 15).unwrap()));
    let config = config()
        .max_size(size(2560, 1440))
        .slices(NonZeroU8::new(4))
        .qp_range(QpRange::new(18, 40).unwrap())
        .colour(Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Full })
        .nvenc(nvenc);
    let params = asked(&config);
    assert_eq!(params.init.presetGUID, NV_ENC_PRESET_P5_GUID);
    assert_eq!((params.init.maxEncodeWidth, params.init.maxEncodeHeight), (2560, 1440));
    let rc = &params.config.rcParams;
    assert_eq!(rc.multiPass, NV_ENC_TWO_PASS_QUARTER_RESOLUTION);
    assert_eq!((rc.vbvBufferSize, rc.vbvInitialDelay), (500_500, 500_500));
    assert_eq!((every(rc.minQP), every(rc.maxQP)), ([18; 3], [40; 3]));
    assert_eq!(rc.flags & NV_ENC_RC_PARAMS::enableMaxQP, NV_ENC_RC_PARAMS::enableMaxQP);
    let h264 = h264(&params);
    assert_eq!((h264.sliceMode, h264.sliceModeData), (3, 4));
    assert_eq!((h264.intraRefreshPeriod, h264.intraRefreshCnt), (60, 15));
    assert_eq!(h264.flags, NV_ENC_CONFIG_H264::repeatSPSPPS | REFRESH);
    let vui = &h264.h264VUIParameters;
    assert_eq!((vui.videoFullRangeFlag, vui.colourMatrix), (1, 6));
}

#[test]
fn every_preset_has_its_guid() {
    use NvencPreset::{P1, P2, P3, P4, P5, P6, P7};
    let guids = [P1, P2, P3, P4, P5, P6, P7].map(preset_guid);
    let expected = [
        NV_ENC_PRESET_P1_GUID,
        NV_ENC_PRESET_P2_GUID,
        NV_ENC_PRESET_P3_GUID,
        NV_ENC_PRESET_P4_GUID,
        NV_ENC_PRESET_P5_GUID,
        NV_ENC_PRESET_P6_GUID,
        NV_ENC_PRESET_P7_GUID,
    ];
    assert_eq!(guids, expected);
}

#[test]
fn a_missing_capability_is_left_out_and_nothing_else_with_it() {
    let config = config()
        .max_size(size(2560, 1440))
        .nvenc(NvencConfig::new().intra_refresh(Some(IntraRefresh::new(60, 15).unwrap())));
    let with = |can: Capabilities| {
        (made(&config, &can, ApiVersion::V12_1, Attempt::AsAsked), left_out(&config, &can, Attempt::AsAsked))
    };
    let (whole, nothing) = with(ALL);
    assert!(nothing.is_empty());

    let (params, told) = with(Capabilities { custom_vbv: false, ..ALL });
    assert_eq!((params.config.rcParams.vbvBufferSize, params.config.rcParams.vbvInitialDelay), (0, 0));
    assert_eq!(params.config.rcParams.rateControlMode, NV_ENC_PARAMS_RC_CBR);
    assert_eq!(h264(&params).flags, h264(&whole).flags);
    assert_eq!(told, ["the size of the VBV"]);

    let (params, told) = with(Capabilities { constant_bitrate: false, ..ALL });
    assert_eq!(params.config.rcParams.rateControlMode, NV_ENC_PARAMS_RC_VBR);
    assert_eq!(params.config.rcParams.vbvBufferSize, whole.config.rcParams.vbvBufferSize);
    assert_eq!(told, ["constant bitrate"]);

    let (params, told) = with(Capabilities { intra_refresh: false, ..ALL });
    assert_eq!(h264(&params).flags, NV_ENC_CONFIG_H264::repeatSPSPPS);
    assert_eq!(h264(&whole).flags, NV_ENC_CONFIG_H264::repeatSPSPPS | REFRESH);
    assert_eq!((h264(&params).intraRefreshPeriod, h264(&params).intraRefreshCnt), (0, 0));
    assert_eq!(told, ["intra refresh"]);

    let (params, told) = with(Capabilities { dynamic_size: false, ..ALL });
    assert_eq!((params.init.maxEncodeWidth, params.init.maxEncodeHeight), (1920, 1080));
    assert_eq!(told.len(), 1);

    let (params, told) = with(Capabilities { multiple_references: false, ..ALL });
    assert_eq!((h264(&params).numRefL0, h264(&params).maxNumRefFrames), (0, 1));
    assert!(told.is_empty());
}

#[test]
fn references_are_kept_as_asked_and_each_picture_uses_one() {
    let five =
        |config: EncoderConfig| config.nvenc(NvencConfig::new().reference_frames(NonZeroU8::new(5).unwrap()));
    let config = five(config());
    let params = asked(&config);
    assert_eq!((h264(&params).maxNumRefFrames, h264(&params).numRefL0), (5, 1));
    // Level 4 has room for four pictures of 1080p.
    assert_eq!(h264(&params).level, 50);
    for can in [
        Capabilities { multiple_references: false, ..ALL },
        Capabilities { reference_invalidation: false, ..ALL },
    ] {
        let params = made(&config, &can, ApiVersion::V12_1, Attempt::AsAsked);
        assert_eq!((h264(&params).maxNumRefFrames, h264(&params).level), (1, 40));
        assert_eq!(left_out(&config, &can, Attempt::AsAsked), ["some reference frames"]);
    }
    let can = Capabilities { max_width: 16_384, max_height: 16_384, ..ALL };
    let large = size(16_384, 4_096);
    let large = five(config.with_settings(Settings { size: large, ..config.settings }));
    assert_eq!(reference_frames(&large, &can, Attempt::AsAsked), 2);
    let huge = EncoderConfig { max_size: size(16_384, 8_704), ..large };
    assert_eq!(reference_frames(&huge, &can, Attempt::AsAsked), 1);
    assert_eq!(reference_frames(&huge, &can, Attempt::PresetKept), 1);
}

#[test]
fn two_temporal_layers_are_asked_for_without_prefixes_where_the_gpu_has_them() {
    let config = config().temporal_layers(TemporalLayers::Two);
    for api in ApiVersion::ALL {
        let params = made(&config, &ALL, api, Attempt::AsAsked);
        let flags = NV_ENC_CONFIG_H264::enableTemporalSVC | NV_ENC_CONFIG_H264::disableSVCPrefixNalu;
        assert_eq!(h264(&params).flags, NV_ENC_CONFIG_H264::repeatSPSPPS | flags);
        assert_eq!((h264(&params).numTemporalLayers, h264(&params).maxTemporalLayers), (2, 2));
    }
    let can = Capabilities { temporal_layers: 1, ..ALL };
    let params = made(&config, &can, ApiVersion::V12_1, Attempt::AsAsked);
    let flags = NV_ENC_CONFIG_H264::repeatSPSPPS | REFRESH;
    assert_eq!((h264(&params).flags, h264(&params).numTemporalLayers), (flags, 0));
    assert_eq!(left_out(&config, &can, Attempt::AsAsked), ["a second temporal layer"]);
    assert_eq!(left_out(&config, &ALL, Attempt::PresetKept), ["a second temporal layer"]);
}

#[test]
fn a_maximum_beyond_the_gpu_is_the_gpus() {
    let params = asked(&config().max_size(size(8192, 2160)));
    assert_eq!((params.init.maxEncodeWidth, params.init.maxEncodeHeight), (4096, 2160));
}

#[test]
fn each_set_of_settings_leaves_out_a_little_more() {
    let of = |attempt| made(&config(), &ALL, ApiVersion::V12_1, attempt);
    let seen = |attempt| {
        let params = of(attempt);
        let rc = params.config.rcParams;
        (h264(&params).level, rc.vbvBufferSize, h264(&params).maxNumRefFrames, rc.lowDelayKeyFrameScale)
    };
    assert_eq!(seen(Attempt::AsAsked), (40, 200_200, 1, 1));
    assert_eq!(seen(Attempt::LevelLeftOut), (0, 200_200, 1, 1));
    assert_eq!(seen(Attempt::VbvLeftOut), (0, 0, 1, 1));
    assert_eq!(seen(Attempt::PresetKept), (0, 0, 4, 2));
    for &attempt in Attempt::ALL {
        // Every set keeps the settings that the contract rests on.
        let params = of(attempt);
        assert_eq!(params.config.rcParams.averageBitRate, 6_000_000);
        assert_eq!(params.config.gopLength, NVENC_INFINITE_GOPLENGTH);
        assert_ne!(params.config.rcParams.flags & NV_ENC_RC_PARAMS::zeroReorderDelay, 0);
        assert_ne!(h264(&params).flags & NV_ENC_CONFIG_H264::repeatSPSPPS, 0);
        assert_eq!(h264(&params).h264VUIParameters.bitstreamRestrictionFlag, 1);
    }
}

#[test]
fn a_session_has_completion_events_where_the_gpu_has_them_and_the_driver_takes_them() {
    let events = |can: &Capabilities, attempt| {
        let params = made(&config(), can, ApiVersion::V12_1, attempt);
        (params.init.enableEncodeAsync, h264(&params).level, params.config.rcParams.vbvBufferSize)
    };
    let can = Capabilities { completion_events: true, ..ALL };
    assert_eq!(events(&ALL, Attempt::AsAsked), (0, 40, 200_200));
    assert_eq!(events(&can, Attempt::AsAsked), (1, 40, 200_200));
    // All else stays as asked.
    assert_eq!(events(&can, Attempt::EventsLeftOut), (0, 40, 200_200));
    assert_eq!(events(&can, Attempt::PresetKept).0, 0);
    assert_eq!(Attempt::ALL.contains(&Attempt::EventsLeftOut), cfg!(windows));
}

#[test]
fn every_session_is_armed_for_an_intra_refresh_on_request() {
    let of = |config: &EncoderConfig| {
        let params = asked(config);
        let h264 = h264(&params);
        (h264.flags, h264.intraRefreshPeriod, h264.intraRefreshCnt)
    };
    let flags = NV_ENC_CONFIG_H264::repeatSPSPPS | REFRESH;
    // 1080 rows, and those of the largest size.
    assert_eq!(of(&config()), (flags, 1 << 30, 33));
    assert_eq!(of(&config().max_size(size(2560, 1440))), (flags, 1 << 30, 45));
    let low = EncoderConfig::new(size(320, 50), FrameRate::hz(30).unwrap(), Bitrate::MIN);
    assert_eq!(of(&low), (flags, 1 << 30, 1));
    let periodic = config().nvenc(NvencConfig::new().intra_refresh(Some(IntraRefresh::new(60, 15).unwrap())));
    assert_eq!(of(&periodic), (flags, 60, 15));

    let cannot = Capabilities { intra_refresh: false, ..ALL };
    for (can, attempt) in [(cannot, Attempt::AsAsked), (ALL, Attempt::PresetKept)] {
        let params = made(&config(), &can, ApiVersion::V12_1, attempt);
        assert_eq!(h264(&params).flags, NV_ENC_CONFIG_H264::repeatSPSPPS);
        assert_eq!(left_out(&config(), &can, attempt), [] as [&str; 0]);
        assert_eq!(left_out(&periodic, &can, attempt), ["intra refresh"]);
    }
}

#[test]
fn a_single_slice_is_kept_in_an_intra_refresh_only_where_it_is_asked_for() {
    let one = config().nvenc(NvencConfig::new().single_slice_refresh(true));
    let single = |config: &EncoderConfig, can: &Capabilities, api| {
        let params = made(config, can, api, Attempt::AsAsked);
        h264(&params).flags & NV_ENC_CONFIG_H264::singleSliceIntraRefresh != 0
    };
    for api in ApiVersion::ALL {
        assert!(!single(&config(), &ALL, api), "{api}");
        assert_eq!(single(&one, &ALL, api), api >= ApiVersion::V11_1, "{api}");
    }
    assert!(!single(&one.clone().slices(NonZeroU8::new(4)), &ALL, ApiVersion::V12_1));
    let cannot = Capabilities { single_slice_intra_refresh: false, ..ALL };
    assert!(!single(&one, &cannot, ApiVersion::V12_1));
    assert_eq!(left_out(&one, &cannot, Attempt::AsAsked), ["one slice during intra refresh"]);
}

#[test]
fn what_an_older_api_does_not_know_is_not_asked_of_it() {
    for api in ApiVersion::ALL {
        let params = made(&config(), &ALL, api, Attempt::AsAsked);
        assert_eq!(params.init.version, api.words().NV_ENC_INITIALIZE_PARAMS);
        assert_eq!(params.config.version, api.words().NV_ENC_CONFIG);
    }
}

#[test]
fn an_odd_size_is_padded_and_the_shape_of_a_pixel_becomes_that_of_the_display() {
    let config =
        EncoderConfig::new(size(719, 575), FrameRate::hz(25).unwrap(), Bitrate::from_mbps(2).unwrap())
            .sample_aspect(Some(SampleAspect::new(16, 11).unwrap()));
    let Params { init, .. } = asked(&config);
    assert_eq!((init.encodeWidth, init.encodeHeight), (720, 576));
    assert_eq!((init.darWidth, init.darHeight), (20, 11));
}

#[test]
fn the_vbv_is_never_nothing_and_never_more_than_common_decoders_hold() {
    let slow = FrameRate::new(1, 10).unwrap();
    assert_eq!(Bitrate::MIN.vbv_bits(FrameRate::hz(1000).unwrap(), 1), 1);
    assert_eq!(Bitrate::MAX.vbv_bits(slow, NvencConfig::MAX_VBV_PERCENT), 240_000_000);
    assert_eq!(Bitrate::from_mbps(6).unwrap().vbv_bits(FrameRate::hz(60).unwrap(), 100), 100_000);
}

#[test]
fn more_slices_than_rows_of_macroblocks_are_refused_with_the_limit() {
    let config =
        EncoderConfig::new(size(320, 64), FrameRate::hz(30).unwrap(), Bitrate::MIN).slices(NonZeroU8::new(5));
    let preset = hostile_preset(ApiVersion::V12_1);
    let request = Request {
        config: &config,
        level: None,
        attempt: Attempt::AsAsked,
        room: config.size(),
        preset: &preset,
        can: &ALL,
        api: ApiVersion::V12_1,
    };
    assert_eq!(params(&request).unwrap_err(), ConfigError::Slices { slices: 5, max: 4 });
}
