//! The NVENC session beyond the contract of every backend, on the driver double.
#![allow(clippy::panic, clippy::unwrap_used)]

mod changes;
mod hangs;
mod pixels;

use std::num::NonZeroU32;

use crate::common::{LIMITS, config, decode, encode, encode_run, picture, size, stream, unhurried};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, GpuChoice, IntraRefresh, MultiPass, NvencConfig, NvencPreset, Profile};
use direct264::nvenc::{NvencEncoder, Version, probe};
use direct264::{Bitrate, Encoder, EncoderConfig, Error, Picture, Reason};

fn stage(settings: &str) -> Stage {
    let stage = Double::get().load();
    stage.set(settings);
    stage
}

fn open(config: &EncoderConfig) -> NvencEncoder {
    NvencEncoder::new(config).unwrap()
}

fn refusal(config: &EncoderConfig) -> Reason {
    match NvencEncoder::new(config).unwrap_err() {
        Error::Unavailable(why) => why.reason,
        Error::Driver(why) => why.reason,
        other => panic!("{other:?}"),
    }
}

fn small() -> EncoderConfig {
    config(size(320, 240), 30, 500)
}

fn direct(config: EncoderConfig) -> EncoderConfig {
    config.nvenc(NvencConfig::new().form(CallForm::Direct))
}

#[test]
fn each_api_version_from_11_0_to_12_1_is_spoken_and_newer_drivers_get_12_1() {
    for (driver, spoken) in [
        ("11.0", (11, 0)),
        ("11.1", (11, 1)),
        ("12.0", (12, 0)),
        ("12.1", (12, 1)),
        ("12.2", (12, 1)),
        ("13.0", (12, 1)),
    ] {
        let stage = stage(&format!("API={driver}"));
        let mut encoder = open(&small());
        assert_eq!(encoder.api(), Version { major: spoken.0, minor: spoken.1 });
        let units = encode_run(&mut encoder, 0, 5);
        encoder.set_bitrate(Bitrate::from_kbps(700).unwrap()).unwrap();
        assert_eq!(encode_run(&mut encoder, 5, 5).iter().filter(|unit| unit.is_idr).count(), 0);
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 5);
        drop(encoder);
        stage.report().assert_clean(driver);
    }
}

#[test]
fn another_client_of_the_process_may_speak_another_version() {
    const LIST_OF_11_0: u32 = 0x7002_000b;
    let stage = stage("");
    assert_eq!(stage.make_instance(LIST_OF_11_0), 0);
    let mut encoder = open(&small());
    encode_run(&mut encoder, 0, 2);
    assert_eq!(stage.make_instance(LIST_OF_11_0), 0);
    encode_run(&mut encoder, 2, 2);
    encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
    drop(encoder);
    // It comes between our instance and our session.
    let instances = || stage.report().calls("NvEncodeAPICreateInstance");
    let before = instances();
    stage.set("FAULT=nvEncOpenEncodeSessionEx:1=15");
    drop(open(&small()));
    assert_eq!(instances() - before, 2);
    stage.report().assert_clean("two clients");
}

#[test]
fn a_driver_may_lack_what_is_optional_and_nothing_else() {
    let optional = "WITHOUT=nvEncGetSequenceParams,nvEncGetLastErrorString,nvEncSetIOCudaStreams";
    let stage = stage(optional);
    for config in [small(), direct(small())] {
        let mut encoder = open(&config);
        let units = encode_run(&mut encoder, 0, 4);
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 4);
        match encoder.parameter_sets().unwrap_err() {
            Error::Driver(why) => assert_eq!(why.reason, Reason::MissingSymbol),
            other => panic!("{other:?}"),
        }
        assert_eq!(encode_run(&mut encoder, 4, 2).len(), 2);
        stage.set("FAULT=nvEncReconfigureEncoder:1=8");
        encoder.set_bitrate(Bitrate::from_kbps(600).unwrap()).unwrap();
        assert_eq!(encode_run(&mut encoder, 6, 2).len(), 2);
    }
    stage.report().assert_clean("a driver without what is optional");
    stage.set("WITHOUT=nvEncEncodePicture");
    assert_eq!(refusal(&small()), Reason::MissingSymbol);
    stage.report().assert_clean("a driver without what is required");
}

#[test]
fn a_driver_below_11_0_is_too_old() {
    let _stage = stage("API=10.0");
    match NvencEncoder::new(&small()).unwrap_err() {
        Error::Unavailable(why) => {
            assert_eq!(why.reason, Reason::DriverTooOld);
            assert!(why.detail.contains("10.0") && why.detail.contains("11.0"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_probe_tells_versions_and_what_the_gpu_can_and_leaves_nothing_open() {
    let stage = stage("API=12.0");
    let found = probe();
    assert_eq!(found.driver_api, Some(Version { major: 12, minor: 0 }));
    assert_eq!(found.api, Some(Version { major: 12, minor: 0 }));
    assert_eq!(found.cuda, Some(Version { major: 12, minor: 2 }));
    let (gpu, can) = found.encoder().unwrap();
    assert_eq!((gpu.index, gpu.name.as_str()), (0, "NVIDIA Double"));
    assert!(gpu.uuid.is_some() && can.max_width >= 4096 && can.cabac);
    stage.report().assert_clean("the probe");
}

#[test]
fn a_gpu_without_h264_has_no_encoder() {
    let stage = stage("CODECS=hevc");
    assert_eq!(refusal(&small()), Reason::NoEncoderOnGpu);
    assert_eq!(probe().encoder().unwrap_err().reason, Reason::NoEncoderOnGpu);
    stage.report().assert_clean("a session without H.264");
}

#[test]
fn a_session_limit_is_told_and_over_when_a_session_ends() {
    for status in [10, 21] {
        let stage = stage(&format!("SESSIONS=1\nSESSION_STATUS={status}"));
        let first = open(&small());
        assert_eq!(refusal(&small()), Reason::SessionLimit);
        drop(first);
        drop(open(&small()));
        stage.report().assert_clean("sessions in turn");
    }
}

#[test]
fn a_gpu_is_chosen_by_index_or_uuid_and_one_that_is_not_there_is_no_gpu() {
    let _stage = stage("");
    let with = |gpu| small().nvenc(unhurried().gpu(gpu));
    let encoder = open(&with(GpuChoice::Index(0)));
    let uuid = encoder.gpu_uuid().unwrap();
    assert_eq!(open(&with(GpuChoice::Uuid(uuid))).gpu_index(), 0);
    assert_eq!(refusal(&with(GpuChoice::Index(7))), Reason::NoGpu);
    let mut other = uuid;
    other.0[3] ^= 1;
    assert_eq!(refusal(&with(GpuChoice::Uuid(other))), Reason::NoGpu);
}

#[test]
fn a_size_that_the_gpu_does_not_take_is_told_with_its_limits() {
    let stage = stage("");
    match NvencEncoder::new(&config(size(64, 64), 30, 100)).unwrap_err() {
        Error::Unavailable(why) => {
            assert_eq!(why.reason, Reason::UnsupportedSize);
            assert!(why.detail.contains("145x49"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let mut encoder = open(&small());
    assert!(matches!(encoder.set_size(size(8192, 64)).unwrap_err(), Error::Config(_)));
    assert_eq!(encode_run(&mut encoder, 0, 2).len(), 2);
    drop(encoder);
    stage.report().assert_clean("sizes");
}

#[test]
fn settings_that_are_refused_are_tried_in_order_and_told() {
    let stage = stage("FAULT=nvEncInitializeEncoder:1-2=8");
    let mut encoder = open(&small());
    assert_eq!(encode_run(&mut encoder, 0, 3).len(), 3);
    drop(encoder);
    let report = stage.report();
    assert_eq!(report.sessions().last().unwrap()["settings"]["vbvBufferSize"], 0);
    report.assert_clean("a session with fewer settings");

    stage.set("FAULT=nvEncInitializeEncoder:*=12");
    match NvencEncoder::new(&small()).unwrap_err() {
        Error::Unavailable(why) => {
            assert_eq!(why.reason, Reason::UnsupportedSetting);
            assert!(why.detail.contains("as asked") && why.detail.contains("without a level"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    stage.report().assert_clean("no session at all");
}

#[test]
fn every_setting_opens_and_encodes_on_either_thread() {
    let stage = stage("");
    let nvenc = NvencConfig::new()
        .preset(NvencPreset::P4)
        .multi_pass(MultiPass::FullResolution)
        .vbv_percent(NonZeroU32::new(300).unwrap())
        .intra_refresh(Some(IntraRefresh::new(30, 10).unwrap()));
    for profile in [Profile::ConstrainedBaseline, Profile::Main, Profile::High] {
        for form in [CallForm::Bounded(LIMITS), CallForm::Direct] {
            let config = config(size(640, 360), 30, 1_000).profile(profile).nvenc(nvenc.clone().form(form));
            let mut encoder = open(&config);
            let units = encode_run(&mut encoder, 0, 4);
            if let Some(shown) = decode::ffmpeg(&stream(&units), size(640, 360)) {
                assert_eq!(shown.len(), 4);
            }
        }
    }
    stage.report().assert_clean("all settings");
}

#[test]
fn a_busy_driver_is_asked_again() {
    let stage =
        stage("FAULT=nvEncEncodePicture:2-4=18;nvEncLockBitstream:3-6=13;nvEncReconfigureEncoder:1=18");
    let mut encoder = open(&small());
    assert_eq!(encode_run(&mut encoder, 0, 4).len(), 4);
    encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
    assert_eq!(encode_run(&mut encoder, 4, 2).len(), 2);
    drop(encoder);
    stage.report().assert_clean("a busy driver");
}

#[test]
fn slices_are_as_many_as_asked_for() {
    let stage = stage("");
    let mut encoder = open(&config(size(640, 360), 30, 1_000).slices(std::num::NonZeroU8::new(4)));
    let pixels = picture::Camera::new(size(640, 360)).i420(0);
    let unit = encode(&mut encoder, &pixels, 0, Picture::Auto);
    assert_eq!(unit.nal_ranges.len(), 2 + 4);
    drop(encoder);
    stage.report().assert_clean("slices");
}
