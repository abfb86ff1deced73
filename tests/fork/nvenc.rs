//! A process that was forked after CUDA was initialised has no NVENC: it is told so, whatever it tries, and nothing in it
//! hangs, crashes or calls a driver that is not its own.
#![allow(clippy::panic, clippy::unwrap_used)]

use crate::common::device::Device;
use crate::common::{config, encode_run, picture, size};
use d264_double::{Double, in_a_fork, passed_as_child};
use direct264::config::{CallForm, NvencConfig};
use direct264::nvenc::{NvencEncoder, probe};
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameRate, Picture, PixelFormat, QpRange, Reason,
    Timestamp,
};

/// What a forked process may call: it belongs to no device and no session.
const HARMLESS: [&str; 2] = ["NvEncodeAPIGetMaxSupportedVersion", "cuDriverGetVersion"];

fn forms() -> [EncoderConfig; 2] {
    let bounded = config(size(320, 240), 30, 500);
    let direct = bounded.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    [bounded, direct]
}

fn is_forked<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_) | Error::Ended(_)), "{error:?}");
    assert_eq!(error.reason(), Reason::Forked);
}

#[test]
fn a_forked_process_is_told_and_the_parent_goes_on() {
    if passed_as_child("a_forked_process_is_told_and_the_parent_goes_on", &[]) {
        return;
    }
    let stage = Double::get().load();
    for config in forms() {
        let mut encoder = Some(NvencEncoder::new(&config).unwrap());
        let (mut lent, mut returned) = (None, None);
        if let Some(encoder) = &mut encoder {
            encode_run(encoder, 0, 3);
            lent = Some(encoder.lend(PixelFormat::Nv12).unwrap());
            returned = Some(encoder.lend(PixelFormat::Nv12).unwrap());
        }
        drop(returned);
        in_a_fork(|| {
            stage.reset();
            is_forked(NvencEncoder::new(&config));
            assert_eq!(probe().encoder().unwrap_err().reason, Reason::Forked);

            let mut encoder = encoder.take().unwrap();
            let pixels = picture::Camera::new(encoder.size()).i420(3);
            let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(3)).unwrap();
            is_forked(encoder.encode(&frame, Picture::Auto));
            is_forked(encoder.lend(PixelFormat::Nv12));
            is_forked(encoder.encode_lent(lent.take().unwrap(), Timestamp(3), Picture::Idr));
            is_forked(encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()));
            is_forked(encoder.set_frame_rate(FrameRate::hz(60).unwrap()));
            is_forked(encoder.set_qp_range(QpRange::new(20, 40).unwrap()));
            is_forked(encoder.set_size(size(200, 100)));
            is_forked(encoder.parameter_sets());
            drop(encoder);
            let report = stage.report();
            let calls = report.json()["calls"].as_object().unwrap();
            assert!(calls.keys().all(|call| HARMLESS.contains(&call.as_str())), "{calls:?}");
        });
        encode_run(encoder.as_mut().unwrap(), 3, 3);
        drop(encoder);
        drop(lent);
        stage.report().assert_clean("a process that was forked from");
    }
}

/// It was somebody else in the process that initialised CUDA, which is as good.
#[test]
fn a_process_forked_after_another_clients_cuda_is_told_too() {
    if passed_as_child("a_process_forked_after_another_clients_cuda_is_told_too", &[]) {
        return;
    }
    let stage = Double::get().load();
    let device = Device::new();
    in_a_fork(|| {
        for config in forms() {
            is_forked(NvencEncoder::new(&config));
        }
        assert_eq!(probe().encoder().unwrap_err().reason, Reason::Forked);
    });
    for config in forms() {
        encode_run(&mut NvencEncoder::new(&config).unwrap(), 0, 2);
    }
    drop(device);
    stage.report().assert_clean("a process that was forked from");
}
