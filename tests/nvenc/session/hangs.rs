//! Driver calls that hang: each costs its limit, and the error names the call.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{open, small, stage};
use crate::common::device::{Device, DevicePicture};
use crate::common::live::{PATIENCE, ms};
use crate::common::{LIMITS, encode_run, picture, within};
use d264_double::Stage;
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::frame::RgbOrder;
use direct264::nvenc::{NvencEncoder, probe_within};
use direct264::{Encoder, Error, Frame, Picture, PixelFormat, Reason, Timestamp};

/// Waits until every session has ended, so that no thread reads memory of the test any more.
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
            let pixels = vec![99; PixelFormat::Nv12.frame_bytes(config.size())];
            DevicePicture::written(device, config.size(), PixelFormat::Nv12, 512, &pixels)
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
        ("cuStreamCreateWithPriority", "nvEncInitializeEncoder"),
        ("nvEncInitializeEncoder", "nvEncInitializeEncoder"),
        ("nvEncSetIOCudaStreams", "nvEncSetIOCudaStreams"),
        ("nvEncCreateBitstreamBuffer", "nvEncCreateBitstreamBuffer"),
        ("cuMemAllocPitch", "nvEncMapInputResource"),
        ("nvEncRegisterResource", "nvEncMapInputResource"),
        ("nvEncMapInputResource", "nvEncMapInputResource"),
        ("cuMemHostAlloc", "cuMemHostAlloc"),
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

/// RGB needs other memory than what was made at opening.
#[test]
fn a_first_picture_that_hangs_is_told_by_the_call_or_the_one_it_was_on_the_way_to() {
    let stage = stage("");
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    let config = small().colour(bt601).nvenc(within(LIMITS.first(ms(400))));
    let rgba = PixelFormat::Rgb(RgbOrder::Rgba);
    for (call, told) in [
        ("cuMemAllocPitch", "nvEncMapInputResource"),
        ("nvEncRegisterResource", "nvEncMapInputResource"),
        ("nvEncMapInputResource", "nvEncMapInputResource"),
        ("cuMemHostAlloc", "cuMemHostAlloc"),
    ] {
        let mut encoder = open(&config);
        stage.set(&format!("FAULT={call}:1=hang"));
        let pixels = vec![99; rgba.frame_bytes(encoder.size())];
        let frame = Frame::contiguous(encoder.size(), rgba, &pixels, Timestamp(0)).unwrap();
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
