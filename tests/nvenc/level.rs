//! The level of a session on NVENC, to whose ceiling drivers limit bitrate and VBV.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU32;

use crate::common::{config, encode_run, size, sps, unhurried};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig, Profile};
use direct264::nvenc::NvencEncoder;
use direct264::{Bitrate, Encoder, EncoderConfig, FrameRate, OwnedAccessUnit};

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps).unwrap()
}

fn forms(config: &EncoderConfig) -> [EncoderConfig; 2] {
    [config.clone(), config.clone().nvenc(NvencConfig::new().form(CallForm::Direct))]
}

/// The statuses of a call so far.
fn statuses(stage: &Stage, call: &str) -> Vec<u64> {
    stage.report().trace().into_iter().filter(|(name, _)| name == call).map(|(_, status)| status).collect()
}

/// Encodes two frames at each of these bitrates.
fn ramp(encoder: &mut NvencEncoder, kbits: &[u64]) -> Vec<OwnedAccessUnit> {
    let mut units = encode_run(encoder, 0, 2);
    for &step in kbits {
        encoder.set_bitrate(kbps(step)).unwrap();
        assert_eq!(encoder.settings().bitrate, kbps(step));
        units.extend(encode_run(encoder, units.len() as u32, 2));
    }
    units
}

fn idrs(units: &[OwnedAccessUnit]) -> Vec<usize> {
    (0..units.len()).filter(|&at| units[at].is_idr).collect()
}

#[test]
fn a_ramp_from_the_opening_bitrate_of_a_call_costs_no_idr() {
    let stage = Double::get().load();
    for (width, height, steps) in [
        (320, 240, &[150, 400, 900, 2_000][..]),
        (640, 360, &[500, 1_200, 2_500, 5_000, 12_000]),
        (1280, 720, &[600, 1_500, 3_000, 8_000, 14_000]),
    ] {
        for profile in [Profile::ConstrainedBaseline, Profile::High] {
            for config in forms(&config(size(width, height), 30, 300).profile(profile)) {
                stage.reset();
                stage.set("TRACE=100000");
                let mut encoder = NvencEncoder::new(&config).unwrap();
                let units = ramp(&mut encoder, steps);
                let what = format!("{width}x{height} {profile:?}");
                assert_eq!(idrs(&units), [0], "{what}");
                assert_eq!(statuses(&stage, "nvEncInitializeEncoder"), [0], "{what}");
                assert_eq!(statuses(&stage, "nvEncReconfigureEncoder"), vec![0; steps.len()], "{what}");
                drop(encoder);
                stage.report().assert_clean(&what);
            }
        }
    }
}

/// 1.25 times the table's rate is the standard's ceiling for High, and 1.2 times that of the drivers.
#[test]
fn a_rate_of_high_that_drivers_refuse_gets_a_higher_level() {
    let stage = Double::get().load();
    for config in forms(&config(size(1280, 720), 30, 17_200).profile(Profile::High)) {
        stage.reset();
        stage.set("TRACE=100000");
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let units = encode_run(&mut encoder, 0, 2);
        assert_eq!(statuses(&stage, "nvEncInitializeEncoder"), [0], "with its level");
        assert!(sps::first(&units[0].bytes).level_idc > 31);
        drop(encoder);
        stage.report().assert_clean("a rate of High");
    }
}

#[test]
fn a_vbv_of_many_frames_gets_a_level_with_room_for_it() {
    let stage = Double::get().load();
    let percent = NonZeroU32::new(400).unwrap();
    let config = config(size(320, 240), 1, 5_000).nvenc(unhurried().vbv_percent(percent));
    stage.set("TRACE=100000");
    let mut encoder = NvencEncoder::new(&config).unwrap();
    encode_run(&mut encoder, 0, 2);
    assert_eq!(statuses(&stage, "nvEncInitializeEncoder"), [0]);
    // A frame rate that lets the VBV outgrow the level costs an IDR, or nothing, and is no error.
    encoder.set_frame_rate(FrameRate::new(1, 10).unwrap()).unwrap();
    let units = encode_run(&mut encoder, 2, 2);
    assert_eq!(units.len(), 2);
    drop(encoder);
    stage.report().assert_clean("a large VBV");
}

/// Each refusal of a raised level goes to the next way, and none to the caller.
#[test]
fn a_level_that_cannot_be_raised_in_the_session_is_raised_in_a_new_one() {
    let stage = Double::get().load();
    for config in forms(&config(size(1280, 720), 30, 1_000)) {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        stage.set("FAULT=nvEncReconfigureEncoder:*=8");
        let before = sps::first(&encoder.parameter_sets().unwrap()).level_idc;
        encoder.set_bitrate(kbps(60_000)).unwrap();
        let units = encode_run(&mut encoder, 2, 2);
        assert_eq!(idrs(&units), [0]);
        assert!(sps::first(&units[0].bytes).level_idc > before);
        assert_eq!(encoder.settings().bitrate, kbps(60_000));
        drop(encoder);
        stage.report().assert_clean("a level in a new session");
    }
}

/// The level of a stream is known beforehand, and has room for all that was stated.
#[test]
fn a_stated_highest_bitrate_and_size_cost_no_other_idr() {
    let stage = Double::get().load();
    let stated = config(size(640, 360), 30, 500).max_size(size(1920, 1080)).max_bitrate(Some(kbps(45_000)));
    for config in forms(&stated) {
        stage.reset();
        stage.set("TRACE=100000");
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let units = ramp(&mut encoder, &[2_000, 14_000, 45_000]);
        assert_eq!(idrs(&units), [0]);
        assert_eq!((sps::first(&units[0].bytes).level_idc, config.level().idc()), (41, 41));
        encoder.set_size(size(1920, 1080)).unwrap();
        let units = ramp(&mut encoder, &[20_000, 45_000]);
        assert_eq!(idrs(&units), [0]);
        assert_eq!(sps::first(&units[0].bytes).level_idc, 41);
        assert_eq!(statuses(&stage, "nvEncReconfigureEncoder"), [0; 6]);
        assert_eq!(statuses(&stage, "nvEncInitializeEncoder"), [0]);
        drop(encoder);
        stage.report().assert_clean("a stated bitrate and size");
    }
}

/// Beyond what was stated the level is raised, once.
#[test]
fn a_bitrate_beyond_the_stated_one_costs_one_idr() {
    let stage = Double::get().load();
    for config in forms(&config(size(1280, 720), 30, 1_000)) {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let units = ramp(&mut encoder, &[10_000, 30_000, 45_000, 20_000, 50_000]);
        assert_eq!(idrs(&units), [0, 4]);
        assert_eq!(sps::first(&units[4].bytes).level_idc, 41);
        drop(encoder);
        stage.report().assert_clean("a bitrate beyond the stated one");
    }
}

/// Many decoders go no further, and a stream seldom becomes all that it has room for.
#[test]
fn room_raises_the_level_to_5_2_at_most_and_the_stream_itself_raises_it_more() {
    let largest = size(4096, 2304);
    assert_eq!(config(size(16, 1840), 1_000, 300).max_size(largest).level().idc(), 52);
    assert!(config(largest, 1_000, 300).level().idc() > 52);
}
