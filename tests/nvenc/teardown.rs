//! Sessions whose end hangs, and what is left of a session that hangs: the caller goes on, in the time of its limits.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Instant;

use crate::common::device::{self, Device, DevicePicture};
use crate::common::live::{PATIENCE, ms};
use crate::common::{LIMITS, config, encode_run, size, within};
use d264_double::{Double, passed_as_child};
use direct264::config::CallLimits;
use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, EncoderConfig, Error, Frame, FrameRate, Picture, PixelFormat, Reason, Timestamp};

fn bounded(limits: CallLimits) -> EncoderConfig {
    config(size(320, 240), 30, 500).nvenc(within(limits))
}

#[test]
fn an_end_that_hangs_goes_on_without_the_caller() {
    let stage = Double::get().load();
    let limits = LIMITS.first(ms(400));
    let device = Device::new();
    let place = on_device(&device);
    let beside = stage.report().leaks();
    let calls = [
        "nvEncDestroyEncoder",
        "nvEncDestroyBitstreamBuffer",
        "cuStreamSynchronize",
        "cuMemFreeHost",
        // What was read in place is let go of.
        "nvEncUnmapInputResource",
        "nvEncUnregisterResource",
    ];
    for call in calls {
        let mut encoder = NvencEncoder::new(&bounded(limits)).unwrap();
        encode_run(&mut encoder, 0, 2);
        encoder.encode(&place.frame(2), Picture::Auto).unwrap();
        encoder.encode(&device::frame(place.size, place.image.freed_soon(), 3), Picture::Auto).unwrap();
        stage.set(&format!("FAULT={call}:1=hang"));
        let start = Instant::now();
        drop(encoder);
        let took = start.elapsed();
        assert!(took >= limits.first && took < PATIENCE, "{call}: {took:?}");
        encode_run(&mut NvencEncoder::new(&bounded(LIMITS)).unwrap(), 0, 2);
        stage.set("FAULT=");
        let deadline = Instant::now() + PATIENCE;
        while stage.report().leaks() != beside {
            assert!(Instant::now() < deadline, "{call}: {:?}", stage.report().leaks());
            std::thread::sleep(ms(20));
        }
    }
    drop((place, device));
    stage.report().assert_clean("ends that hang");
}

fn on_device(device: &Device) -> DevicePicture {
    let size = size(320, 240);
    let place = DevicePicture::new(device, size, PixelFormat::Nv12, 512);
    place.write(device, &vec![99; PixelFormat::Nv12.frame_bytes(size)]);
    device.stream.synchronize().unwrap();
    place
}

/// Who wants to free the memory is told that it may still be read, until the session has ended.
#[test]
fn memory_that_a_session_reads_which_hangs_is_not_let_go_of() {
    let stage = Double::get().load();
    let limits = LIMITS.first(ms(400));
    let device = Device::new();
    let place = on_device(&device);
    for call in ["nvEncLockBitstream", "nvEncDestroyEncoder"] {
        let mut encoder = NvencEncoder::new(&bounded(limits)).unwrap();
        encoder.encode(&place.frame(0), Picture::Auto).unwrap();
        let fault = if call == "nvEncDestroyEncoder" { "nvEncEncodePicture:1=20;" } else { "" };
        stage.set(&format!("FAULT={fault}{call}:1=hang"));
        assert!(matches!(encoder.encode(&place.frame(1), Picture::Auto), Err(Error::Driver(_))));
        let error = encoder.forget_cuda(Some(place.image.address())).unwrap_err();
        assert!(matches!(error, Error::StillInUse(_)), "{call}: {error:?}");
        stage.set("FAULT=");
        let deadline = Instant::now() + PATIENCE;
        while encoder.forget_cuda(Some(place.image.address())).is_err() {
            assert!(Instant::now() < deadline, "{call}: never let go of");
            std::thread::sleep(ms(5));
        }
    }
    drop((place, device));
    stage.assert_clean_soon("memory of a session that hung");
}

#[test]
fn a_new_session_does_not_wait_for_one_whose_end_hangs() {
    let stage = Double::get().load();
    let limits = LIMITS.first(ms(400));
    let mut encoder = NvencEncoder::new(&bounded(limits)).unwrap();
    encode_run(&mut encoder, 0, 2);
    stage.set("FAULT=nvEncDestroyEncoder:1=hang");
    let start = Instant::now();
    encoder.set_size(size(640, 480)).unwrap();
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert!(encode_run(&mut encoder, 2, 2)[0].is_idr);
    stage.set("FAULT=");
    drop(encoder);
    stage.assert_clean_soon("a session that followed one whose end hung");
}

/// In a process of its own: what is leaked on purpose stays leaked.
#[test]
fn a_lent_frame_of_a_session_that_hangs_is_dropped_without_a_call() {
    if passed_as_child("a_lent_frame_of_a_session_that_hangs_is_dropped_without_a_call", &[]) {
        return;
    }
    let stage = Double::get().load();
    let limits = LIMITS.rest(ms(400));
    let mut encoder = NvencEncoder::new(&bounded(limits)).unwrap();
    encode_run(&mut encoder, 0, 2);
    let kept = encoder.lend(PixelFormat::I420).unwrap();
    let encoded = encoder.lend(PixelFormat::I420).unwrap();
    let freed = || stage.report().calls("cuMemFreeHost");
    let before = freed();
    stage.set("FAULT=nvEncEncodePicture:1=hang");
    match encoder.encode_lent(encoded, Timestamp(2), Picture::Auto).unwrap_err() {
        Error::Driver(why) => assert_eq!(why.reason, Reason::TimedOut),
        other => panic!("{other:?}"),
    }
    drop(encoder);
    drop(kept);
    assert_eq!(freed(), before);
}

/// The picture that was staged when the session was lost is freed by the session's thread, once that comes back.
#[test]
fn a_staged_picture_survives_no_session_that_hangs_before_it_is_submitted() {
    let stage = Double::get().load();
    let limits = LIMITS.rest(ms(400));
    let mut encoder = NvencEncoder::new(&bounded(limits)).unwrap();
    encode_run(&mut encoder, 0, 2);
    // So many frames a second that the next IDR raises the level, which takes a call while the picture waits.
    encoder.set_frame_rate(FrameRate::hz(500).unwrap()).unwrap();
    stage.set("FAULT=nvEncReconfigureEncoder:1=hang");
    let pixels = vec![128; PixelFormat::I420.frame_bytes(encoder.size())];
    let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(2)).unwrap();
    match encoder.encode(&frame, Picture::Idr).unwrap_err() {
        Error::Driver(why) => {
            assert_eq!((why.reason, why.call), (Reason::TimedOut, "nvEncReconfigureEncoder"))
        }
        other => panic!("{other:?}"),
    }
    drop(encoder);
    stage.set("FAULT=");
    stage.assert_clean_soon("a picture that was staged");
}

/// Ended as any other, within its context: a part of it that cannot enter that once more is in it all the same.
#[test]
fn a_session_that_opens_too_late_ends_in_its_context() {
    let stage = Double::get().load();
    for push in 1..=6 {
        let limits = LIMITS.open(ms(100));
        stage.set("FAULT=nvEncInitializeEncoder:1=hang");
        let too_late = NvencEncoder::new(&bounded(limits)).unwrap_err();
        assert!(matches!(too_late, Error::Unavailable(why) if why.reason == Reason::TimedOut));
        stage.set(&format!("FAULT=cuCtxPushCurrent:{push}=2"));
        stage.assert_clean_soon("a session that opens too late");
    }
}
