//! What NVENC does beyond the contract of every backend, on the driver double.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::common::device::{Device, DevicePicture};
use crate::common::live::{PATIENCE, ms};
use crate::common::{
    LIMITS, config, decode, encode, encode_run, picture, size, sps, stream, unhurried, within,
};
use d264_double::{Double, Stage};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, GpuChoice, IntraRefresh, MultiPass, NvencConfig, NvencPreset, Profile};
use direct264::error::FrameError;
use direct264::frame::RgbOrder;
use direct264::nvenc::{NvencEncoder, PixelsMut, Version, probe, probe_within};
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, EventKind, Frame, FrameRate, OwnedAccessUnit, Picture,
    PixelFormat, QpRange, Reason, Timestamp,
};

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

/// Waits until a thread that was given up reads nothing of the test's any more.
fn until_sessions_have_ended(stage: &Stage, who: &str) {
    let deadline = Instant::now() + PATIENCE;
    let left = || {
        let report = stage.report();
        report.calls("nvEncOpenEncodeSessionEx") - report.calls("nvEncDestroyEncoder")
    };
    while left() > 0 {
        assert!(Instant::now() < deadline, "{who}: a session has not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
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
fn rate_changes_reconfigure_with_the_vbv_and_without_an_idr_or_a_reset() {
    let stage = stage("");
    let mut encoder = open(&config(size(640, 360), 30, 1_000));
    let mut units = encode_run(&mut encoder, 0, 10);
    encoder.set_bitrate(Bitrate::from_kbps(3_000).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 10, 10));
    encoder.set_frame_rate(FrameRate::hz(60).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 20, 10));
    encoder.set_qp_range(QpRange::new(20, 45).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 30, 10));
    assert_eq!(units.iter().filter(|unit| unit.is_idr).count(), 1);
    assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 40);
    drop(encoder);
    let report = stage.report();
    report.assert_clean("changes of rate");
    let changes = report.sessions().last().unwrap()["reconfigurations"].as_array().unwrap().clone();
    let vbv: Vec<_> =
        changes.iter().map(|change| change["settings"]["vbvBufferSize"].as_u64().unwrap()).collect();
    assert_eq!(vbv, [100_000, 50_000, 50_000]);
    assert!(changes.iter().all(|change| change["forceIDR"] == false && change["resetEncoder"] == false));
}

#[test]
fn without_the_capability_a_change_of_rate_takes_a_new_session() {
    let stage = stage("CAPS=SUPPORT_DYN_BITRATE_CHANGE=0");
    let before = stage.report().sessions().len();
    let mut encoder = open(&small());
    encode_run(&mut encoder, 0, 2);
    encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
    let units = encode_run(&mut encoder, 2, 2);
    assert!(units[0].is_idr && !units[1].is_idr);
    drop(encoder);
    let report = stage.report();
    report.assert_clean("a new session for a new rate");
    assert_eq!(report.sessions().len() - before, 2);
}

#[test]
fn a_size_within_the_maximum_is_a_reconfiguration_and_beyond_it_a_new_session() {
    let stage = stage("SESSIONS=1");
    let before = stage.report().sessions().len();
    let mut encoder = open(&small().max_size(size(640, 360)));
    let mut units = vec![encode_run(&mut encoder, 0, 4)];
    for (number, next) in [(1, size(640, 360)), (2, size(200, 100)), (3, size(800, 600)), (4, size(321, 241))]
    {
        encoder.set_size(next).unwrap();
        assert_eq!(encoder.size(), next);
        units.push(encode_run(&mut encoder, number * 4, 4));
    }
    for (units, expected) in units.iter().zip([(320, 240), (640, 360), (200, 100), (800, 600), (322, 242)]) {
        assert_eq!(units.iter().map(|unit| unit.is_idr).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(sps::first(&units[0].bytes).pixel_dimensions().unwrap(), expected);
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 4);
    }
    let recreated =
        encoder.take_events().into_iter().filter(|event| matches!(event.kind, EventKind::Recreated { .. }));
    assert_eq!(recreated.count(), 4);
    drop(encoder);
    let report = stage.report();
    report.assert_clean("changes of size");
    assert_eq!(report.sessions().len() - before, 2);
}

/// One picture in a format, back as I420.
fn through(encoder: &mut NvencEncoder, format: PixelFormat, pixels: &[u8]) -> Vec<u8> {
    let frame = Frame::contiguous(encoder.size(), format, pixels, Timestamp(0)).unwrap();
    let unit = encoder.encode(&frame, Picture::Idr).unwrap().to_owned();
    decode::openh264([&unit.bytes[..]].into_iter()).remove(0)
}

#[test]
fn formats_follow_each_other_and_give_the_same_picture() {
    let stage = stage("");
    let size = size(320, 240);
    let camera = picture::Camera::new(size).i420(3);
    let (luma, chroma) = camera.split_at(320 * 240);
    let (u, v) = chroma.split_at(160 * 120);
    let pairs = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]);
    let nv12: Vec<u8> = luma.iter().copied().chain(pairs).collect();
    let mut encoder = open(&config(size, 30, 4_000));
    for _ in 0..2 {
        for (format, pixels) in [(PixelFormat::I420, &camera), (PixelFormat::Nv12, &nv12)] {
            let shown = through(&mut encoder, format, pixels);
            assert!(picture::psnr(&shown, &camera) > 35.0, "{format:?}");
        }
    }
    drop(encoder);
    stage.report().assert_clean("a change of format");
}

#[test]
fn rgb_goes_as_it_is_for_bt601_limited_and_is_converted_for_all_else() {
    let stage = stage("");
    let size = size(320, 240);
    let red = |order: RgbOrder| -> Vec<u8> {
        let pixel: &[u8] = match order {
            RgbOrder::Rgb24 => &[255, 0, 0],
            RgbOrder::Bgr24 => &[0, 0, 255],
            RgbOrder::Rgba => &[255, 0, 0, 9],
            RgbOrder::Bgra => &[0, 0, 255, 9],
            other => panic!("{other:?}"),
        };
        pixel.repeat(320 * 240)
    };
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    for (colour, expected) in [(bt601, [81, 90, 240]), (Colour::BT709_LIMITED, [63, 102, 240])] {
        let mut encoder = open(&config(size, 30, 2_000).colour(colour));
        for order in [RgbOrder::Rgb24, RgbOrder::Bgr24, RgbOrder::Rgba, RgbOrder::Bgra] {
            let shown = through(&mut encoder, PixelFormat::Rgb(order), &red(order));
            let (luma, chroma) = shown.split_at(320 * 240);
            let middle = [luma[320 * 100 + 160], chroma[160 * 60 + 80], chroma[160 * 120 + 160 * 60 + 80]];
            for (found, expected) in middle.into_iter().zip(expected) {
                assert!(found.abs_diff(expected) <= 2, "{colour:?} {order:?}: {middle:?}");
            }
        }
    }
    stage.report().assert_clean("RGB");
}

#[test]
fn a_lent_frame_is_encoded_as_it_was_written_and_two_may_be_out() {
    let stage = stage("");
    let size = size(320, 240);
    let camera = picture::Camera::new(size);
    for config in [config(size, 30, 4_000), direct(config(size, 30, 4_000))] {
        let mut encoder = open(&config);
        let mut units: Vec<OwnedAccessUnit> = Vec::new();
        for number in 0..6 {
            let mut frame = encoder.lend(PixelFormat::I420).unwrap();
            assert_eq!((frame.size(), frame.format()), (size, PixelFormat::I420));
            let next = encoder.lend(PixelFormat::I420).unwrap();
            assert!(matches!(
                encoder.lend(PixelFormat::I420).unwrap_err(),
                Error::Frame(FrameError::AllLent { lent: 2 })
            ));
            let pixels = camera.i420(number);
            if let PixelsMut::I420 { y, u, v } = frame.pixels_mut() {
                let mut from = &pixels[..];
                for (plane, width, height) in [(y, 320, 240), (u, 160, 120), (v, 160, 120)] {
                    for row in plane.bytes.chunks_mut(plane.stride_bytes).take(height) {
                        let (this, rest) = from.split_at(width);
                        row[..width].copy_from_slice(this);
                        from = rest;
                    }
                }
            }
            drop(next);
            let unit = encoder.encode_lent(frame, Timestamp(i64::from(number)), Picture::Auto).unwrap();
            assert_eq!(unit.timestamp, Timestamp(i64::from(number)));
            assert_eq!(unit.times.convert, Duration::ZERO);
            units.push(unit.to_owned());
        }
        for (number, shown) in (0..).zip(decode::openh264(units.iter().map(|unit| &unit.bytes[..]))) {
            assert!(picture::psnr(&shown, &camera.i420(number)) > 33.0, "picture {number}");
        }
    }
    stage.report().assert_clean("lent frames");
}

#[test]
fn a_lent_frame_may_outlive_a_change_of_session_and_the_encoder() {
    let stage = stage("");
    let mut encoder = open(&small());
    let kept = encoder.lend(PixelFormat::Nv12).unwrap();
    let resized = encoder.lend(PixelFormat::Nv12).unwrap();
    encoder.set_size(size(640, 360)).unwrap();
    assert!(matches!(
        encoder.encode_lent(resized, Timestamp(0), Picture::Auto).unwrap_err(),
        Error::Frame(FrameError::Size { .. })
    ));
    encoder.set_size(size(320, 240)).unwrap();
    assert!(encoder.encode_lent(kept, Timestamp(0), Picture::Auto).unwrap().is_idr);
    assert!(matches!(
        encoder.lend(PixelFormat::Rgb(RgbOrder::Rgba)).unwrap_err(),
        Error::Frame(FrameError::NotLent { .. })
    ));
    let late = encoder.lend(PixelFormat::Nv12).unwrap();
    drop(encoder);
    drop(late);
    stage.report().assert_clean("frames that come late");
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
fn a_call_that_hangs_costs_the_limit_and_the_session_and_nothing_else() {
    let stage = stage("");
    let limits = LIMITS.first(ms(1_500)).rest(ms(300));
    let config = small().nvenc(within(limits));
    // A frame in device memory waits for what writes it, so that its limit is always the first.
    let limits_of = |is_on_device| if is_on_device { limits.first } else { limits.rest };
    let calls = [
        ("nvEncEncodePicture", false),
        ("nvEncLockBitstream", false),
        ("nvEncUnlockBitstream", false),
        ("cuMemcpyHtoDAsync", false),
        ("nvEncEncodePicture", true),
        ("nvEncLockBitstream", true),
        ("nvEncUnlockBitstream", true),
    ];
    for (call, is_on_device) in calls {
        let device = is_on_device.then(Device::new);
        let place = device.as_ref().map(|device| {
            let place = DevicePicture::new(device, config.size(), PixelFormat::Nv12, 512);
            place.write(device, &vec![99; PixelFormat::Nv12.frame_bytes(config.size())]);
            device.stream.synchronize().unwrap();
            place
        });
        let mut encoder = open(&config);
        encode_run(&mut encoder, 0, 3);
        stage.set(&format!("FAULT={call}:1=hang"));
        let pixels = picture::Camera::new(encoder.size()).i420(3);
        let host = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(3)).unwrap();
        let frame = place.as_ref().map_or(host, |place| place.frame(3));
        let start = Instant::now();
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Driver(why) => assert_eq!((why.reason, why.call), (Reason::TimedOut, call)),
            other => panic!("{other:?}"),
        }
        let (took, limit) = (start.elapsed(), limits_of(is_on_device));
        assert!(took >= limit && took < PATIENCE, "{call}: {took:?}");
        assert!(matches!(encoder.encode(&frame, Picture::Auto).unwrap_err(), Error::Driver(_)));
        let start = Instant::now();
        drop(encoder);
        assert!(start.elapsed() < limits.first, "{call}: the end waits");
        // The next session is not held up.
        encode_run(&mut open(&config), 0, 2);
        // The call comes back after all: what it held is given back then, on its own thread.
        stage.set("FAULT=");
        until_sessions_have_ended(&stage, call);
        drop((place, device));
        stage.assert_clean_soon(call);
    }
}

#[test]
fn an_opening_that_hangs_is_given_up_and_told_by_the_call_or_the_one_it_was_on_the_way_to() {
    let stage = stage("");
    let config = small().nvenc(within(LIMITS.open(ms(400))));
    for (call, told) in [
        ("cuDeviceGetCount", "cuInit"),
        ("cuDevicePrimaryCtxRetain", "nvEncOpenEncodeSessionEx"),
        ("NvEncodeAPICreateInstance", "nvEncOpenEncodeSessionEx"),
        ("nvEncOpenEncodeSessionEx", "nvEncOpenEncodeSessionEx"),
        ("nvEncGetEncodeGUIDs", "nvEncGetEncodePresetConfigEx"),
        ("nvEncGetEncodeCaps", "nvEncGetEncodePresetConfigEx"),
        ("nvEncGetEncodePresetConfigEx", "nvEncGetEncodePresetConfigEx"),
        ("cuStreamCreate", "nvEncInitializeEncoder"),
        ("nvEncInitializeEncoder", "nvEncInitializeEncoder"),
        ("nvEncSetIOCudaStreams", "nvEncSetIOCudaStreams"),
        ("nvEncCreateBitstreamBuffer", "nvEncCreateBitstreamBuffer"),
    ] {
        stage.set(&format!("FAULT={call}:1=hang"));
        match NvencEncoder::new(&config).unwrap_err() {
            Error::Unavailable(why) => {
                assert_eq!(why.reason, Reason::TimedOut, "{call}: {why}");
                assert!(
                    why.detail.starts_with(&format!("{told}, or a call on the way to it")),
                    "{call}: {why}"
                );
            }
            other => panic!("{call}: {other:?}"),
        }
        stage.set("FAULT=");
        // The opening goes on once the call has come back, and could run into the next fault instead of the next one.
        stage.assert_clean_soon(call);
    }
}

/// What is made when the first picture comes.
#[test]
fn a_first_picture_that_hangs_is_told_by_the_call_or_the_one_it_was_on_the_way_to() {
    let stage = stage("");
    let config = small().nvenc(within(LIMITS.first(ms(400))));
    for (call, told) in [
        ("cuMemAllocPitch", "nvEncMapInputResource"),
        ("nvEncRegisterResource", "nvEncMapInputResource"),
        ("nvEncMapInputResource", "nvEncMapInputResource"),
        ("cuMemHostAlloc", "cuMemHostAlloc"),
    ] {
        let mut encoder = open(&config);
        stage.set(&format!("FAULT={call}:1=hang"));
        let pixels = picture::Camera::new(encoder.size()).i420(0);
        let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Driver(why) => assert_eq!((why.reason, why.call), (Reason::TimedOut, told), "{call}"),
            other => panic!("{call}: {other:?}"),
        }
        drop(encoder);
        stage.set("FAULT=");
        stage.assert_clean_soon(call);
    }
}

#[test]
fn a_probe_that_hangs_is_given_up_with_what_it_found() {
    let stage = stage("");
    let limit = ms(400);
    for (call, gpus) in [("cuDeviceGetCount", 0), ("cuDevicePrimaryCtxRetain", 1), ("nvEncGetEncodeCaps", 1)]
    {
        let released = || stage.report().calls("cuDevicePrimaryCtxRelease");
        let before = released();
        stage.set(&format!("FAULT={call}:1=hang"));
        let start = Instant::now();
        let found = probe_within(limit);
        assert!(start.elapsed() >= limit && start.elapsed() < PATIENCE, "{call}");
        assert_eq!(found.encoder().unwrap_err().reason, Reason::TimedOut, "{call}");
        assert!(found.cuda.is_some() && found.api.is_some(), "{call}");
        assert_eq!(found.gpus.len(), gpus, "{call}");
        // The probe that was given up goes on from there, and comes to its end.
        stage.set("FAULT=");
        while released() == before {
            assert!(start.elapsed() < PATIENCE, "{call}");
            std::thread::sleep(Duration::from_millis(5));
        }
        stage.assert_clean_soon(call);
    }
    assert!(probe_within(PATIENCE).encoder().is_ok());
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
