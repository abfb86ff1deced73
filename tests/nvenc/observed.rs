//! The stage times, contexts and streams of an encoder, seen from outside on the driver double.
#![allow(clippy::panic, clippy::unwrap_used)]
#![expect(unsafe_code, reason = "a second client of the driver in this process makes its calls itself")]

use std::time::Duration;

use crate::common::device::Device;
use crate::common::{config, encode_run, picture, size, unhurried};
use d264_double::Double;
use direct264::access_unit::StageTimes;
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::RgbOrder;
use direct264::nvenc::NvencEncoder;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameId, Picture, Pipeline, PixelFormat, Recovery,
    Timestamp,
};
use direct264_sys::nvenc::ApiVersion;

fn forms() -> [EncoderConfig; 2] {
    let bounded = config(size(320, 240), 30, 500);
    [bounded.clone(), bounded.nvenc(NvencConfig::new().form(CallForm::Direct))]
}

/// A lower bound: however busy the machine is, an encoder that takes so long is waited for at least as long.
#[test]
fn the_time_of_the_encoder_is_in_submit_and_wait() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("LATENCY_US=20000");
        let mut encoder = NvencEncoder::new(&config).unwrap();
        for unit in encode_run(&mut encoder, 0, 3) {
            let StageTimes { submit, wait, total, .. } = unit.times;
            assert!(submit + wait >= Duration::from_millis(20), "{:?}", unit.times);
            assert!(total >= submit + wait, "{:?}", unit.times);
        }
        drop(encoder);
        stage.report().assert_clean("an encoder that takes 20 ms");
    }
}

#[test]
fn only_what_has_to_be_converted_is() {
    let stage = Double::get().load();
    stage.reset();
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    let rgba = PixelFormat::Rgb(RgbOrder::Rgba);
    for (format, colour, converts, is_converted) in [
        (PixelFormat::I420, Colour::BT709_LIMITED, false, false),
        (PixelFormat::Nv12, Colour::BT709_LIMITED, false, false),
        (rgba, bt601, false, false),
        (rgba, Colour::BT709_LIMITED, false, true),
        (rgba, Colour::BT709_LIMITED, true, false),
        (PixelFormat::Rgb(RgbOrder::Rgb24), bt601, true, true),
    ] {
        for form in [CallForm::default(), CallForm::Direct] {
            let nvenc = NvencConfig::new().form(form).converts_rgb(converts);
            let config = config(size(320, 240), 30, 500).colour(colour).nvenc(nvenc);
            let mut encoder = NvencEncoder::new(&config).unwrap();
            let pixels = vec![99; format.frame_bytes(encoder.size())];
            for number in 0..2 {
                let frame = Frame::contiguous(encoder.size(), format, &pixels, Timestamp(number)).unwrap();
                let times = encoder.encode(&frame, Picture::Auto).unwrap().times;
                assert_eq!(times.convert > Duration::ZERO, is_converted, "{format:?} {colour:?}: {times:?}");
            }
        }
    }
    stage.report().assert_clean("formats");
}

#[test]
fn encoders_share_one_context() {
    let stage = Double::get().load();
    stage.reset();
    let [bounded, direct] = forms();
    let mut encoders = [bounded, direct].map(|config| NvencEncoder::new(&config).unwrap());
    for encoder in &mut encoders {
        encode_run(encoder, 0, 2);
    }
    let report = stage.report();
    assert_eq!((report.calls("cuDevicePrimaryCtxRetain"), report.calls("cuDevicePrimaryCtxRelease")), (1, 0));
    drop(encoders);
    let report = stage.report();
    assert_eq!(report.calls("cuDevicePrimaryCtxRelease"), 1);
    report.assert_clean("two encoders");
}

/// The driver's own text is an extra, never the message.
#[test]
fn the_status_comes_before_what_the_driver_says() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let pixels = picture::Camera::new(encoder.size()).i420(0);
        let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
        stage.set("FAULT=nvEncEncodePicture:1=20");
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Driver(why) => {
                let (status, said) = why.detail.split_once("; the driver says: ").unwrap();
                assert!(status.starts_with("NV_ENC_ERR_GENERIC (20): ") && !said.is_empty(), "{why}");
            }
            other => panic!("{other:?}"),
        }
        drop(encoder);
        stage.report().assert_clean("a refusal with words");
    }
}

/// A stream of the default kind would wait for whatever else the process does on the GPU.
#[test]
fn every_stream_is_apart_from_the_default_one() {
    const CU_STREAM_NON_BLOCKING: &str = "1";
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        let report = stage.report();
        let flags = report.json()["stream_flags"].as_object().unwrap();
        assert!(flags.len() == 1 && flags.contains_key(CU_STREAM_NON_BLOCKING), "{flags:?}");
    }
}

/// The caller's own kernels may keep the GPU busy, and NVENC has a kernel between picture and encoder.
#[test]
fn every_stream_has_the_greatest_priority_if_the_driver_has_priorities() {
    let stage = Double::get().load();
    let refused = ["cuCtxGetStreamPriorityRange:*=801", "cuStreamCreateWithPriority:*=801"];
    for (fault, priority) in [("", "-5"), (refused[0], "0"), (refused[1], "0")] {
        for config in forms() {
            stage.reset();
            stage.set(&format!("FAULT={fault}"));
            let mut encoder = NvencEncoder::new(&config).unwrap();
            encode_run(&mut encoder, 0, 2);
            drop(encoder);
            let report = stage.report();
            let priorities = report.json()["stream_priorities"].as_object().unwrap();
            assert!(priorities.len() == 1 && priorities.contains_key(priority), "{fault}: {priorities:?}");
            report.assert_clean("streams with a priority");
        }
    }
}

/// The memory of the first picture is made at opening, the same for I420 and NV12.
#[test]
fn the_first_picture_allocates_nothing_on_the_gpu() {
    let stage = Double::get().load();
    let made = || ["cuMemAllocPitch", "cuMemHostAlloc"].map(|call| stage.report().calls(call));
    for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Rgb24)] {
        for config in forms() {
            stage.reset();
            let mut encoder = NvencEncoder::new(&config).unwrap();
            assert_eq!(made(), [1, 1]);
            let pixels = vec![99; format.frame_bytes(encoder.size())];
            let frame = Frame::contiguous(encoder.size(), format, &pixels, Timestamp(0)).unwrap();
            encoder.encode(&frame, Picture::Auto).unwrap();
            assert_eq!(made(), [1, 1], "{format:?}");
            drop(encoder);
            stage.report().assert_clean("a first picture");
        }
    }
}

/// Making a stream may wait for the device, and the call that begins a pipeline has the time limit of a frame.
#[test]
fn a_pipeline_that_begins_in_mid_stream_makes_no_stream() {
    let stage = Double::get().load();
    let made = || {
        let report = stage.report();
        let priorities = report.json()["stream_priorities"].as_object().unwrap().clone();
        priorities.values().filter_map(serde_json::Value::as_u64).sum::<u64>()
    };
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let at_opening = made();
        encode_run(&mut encoder, 0, 2);
        let size = encoder.size();
        let pixels = vec![99; PixelFormat::Nv12.frame_bytes(size)];
        let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(0)).unwrap();
        let mut pipeline = Pipeline::new(encoder);
        for _ in 0..4 {
            pipeline.submit(&frame, Picture::Auto).unwrap().for_each(|unit| assert!(unit.is_ok()));
        }
        drop(pipeline);
        assert_eq!(made(), at_opening);
        stage.report().assert_clean("a pipeline in mid-stream");
    }
}

/// A small GPU may not hold the surfaces of two layouts.
#[test]
fn the_surface_of_another_layout_is_freed_before_the_next_one_is_made() {
    let stage = Double::get().load();
    for nvenc in [unhurried(), NvencConfig::new().form(CallForm::Direct)] {
        stage.reset();
        let config = config(size(320, 240), 30, 500).nvenc(nvenc.converts_rgb(true));
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        stage.set("TRACE=10000");
        let format = PixelFormat::Rgb(RgbOrder::Rgba);
        let pixels = vec![99; format.frame_bytes(encoder.size())];
        let frame = Frame::contiguous(encoder.size(), format, &pixels, Timestamp(0)).unwrap();
        encoder.encode(&frame, Picture::Auto).unwrap();
        let memory = ["cuMemFree", "cuMemAllocPitch"];
        let calls: Vec<String> = stage.report().trace().into_iter().map(|(call, _)| call).collect();
        assert!(calls.iter().filter(|call| memory.contains(&&***call)).eq(memory), "{calls:?}");
        drop(encoder);
        stage.report().assert_clean("another layout");
    }
}

/// The next picture would else wait for the output of the one in flight.
#[test]
fn the_output_of_the_encoder_is_ordered_on_a_stream_of_its_own() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        drop(encoder);
        let report = stage.report();
        let session = &report.json()["sessions"][0];
        assert_eq!(session["has_own_output_stream"], true, "{session}");
        report.assert_clean("two streams");
    }
}

#[test]
fn a_driver_that_forgets_no_references_gives_an_idr() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("WITHOUT=nvEncInvalidateRefFrames");
        let keeping = config.nvenc(unhurried().reference_frames(4.try_into().unwrap()));
        let mut encoder = NvencEncoder::new(&keeping).unwrap();
        encode_run(&mut encoder, 0, 3);
        assert_eq!(encoder.invalidate(FrameId(2)..=FrameId(2)).unwrap(), Recovery::Idr);
        let idrs: Vec<bool> = encode_run(&mut encoder, 3, 2).iter().map(|unit| unit.is_idr).collect();
        assert_eq!(idrs, [true, false]);
        drop(encoder);
        stage.report().assert_clean("a driver without invalidation");
    }
}

/// The API version belongs to the process, and another client has a session open that speaks an older one.
#[test]
fn a_session_of_another_version_lives_beside_ours() {
    let stage = Double::get().load();
    let device = Device::new();
    device.context.bind_to_thread().unwrap();
    let driver = direct264_sys::nvenc::load().unwrap();
    for config in forms() {
        let mut before = NvencEncoder::new(&config).unwrap();
        encode_run(&mut before, 0, 2);
        // SAFETY: the context lives until the session is destroyed below.
        let other =
            unsafe { driver.open_session(ApiVersion::V11_0, device.context.cu_ctx().cast()) }.unwrap();
        let ask = || {
            let mut count = 0;
            // SAFETY: the session is open, and `count` lives through the call.
            let code =
                unsafe { (other.functions.nvEncGetEncodeGUIDCount)(other.encoder.as_ptr(), &raw mut count) };
            assert_eq!((code, count), (0, 1));
        };
        ask();
        before.set_bitrate(Bitrate::from_kbps(400).unwrap()).unwrap();
        assert!(encode_run(&mut before, 2, 2).iter().all(|unit| !unit.is_idr));
        let mut after = NvencEncoder::new(&config).unwrap();
        encode_run(&mut after, 0, 2);
        ask();
        encode_run(&mut before, 4, 2);
        // SAFETY: opened above, and not used any more.
        assert_eq!(unsafe { (other.functions.nvEncDestroyEncoder)(other.encoder.as_ptr()) }, 0);
        encode_run(&mut after, 2, 2);
    }
    drop(device);
    stage.report().assert_clean("sessions of two versions");
}
