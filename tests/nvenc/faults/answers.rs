//! Faults with a meaning of their own: memory that is refused, unusable output, a dead context, and the calls after an error.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::{OnDevice, forms, life, reason};
use crate::common::live::ms;
use crate::common::{LIMITS, encode_run, picture, within};
use d264_double::{Double, Stage, with_each_fault_as_child};
use direct264::error::CallOutcome;
use direct264::nvenc::NvencEncoder;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameId, Picture, PixelFormat, Reason, Timestamp,
};

/// Has a fault happen to a life with frames in host memory, and to one with frames in device memory; the errors.
fn both_lives(stage: &Stage, config: &EncoderConfig, fault: &str) -> [Error; 2] {
    stage.reset();
    stage.set(&format!("FAULT={fault}"));
    let of_host = life(config).unwrap_err();
    stage.report().assert_clean(fault);
    stage.reset();
    let on_device = OnDevice::new();
    stage.set(&format!("FAULT={fault}"));
    let of_device = on_device.life(config).unwrap_err();
    drop(on_device);
    stage.report().assert_clean(fault);
    [of_host, of_device]
}

#[test]
fn what_no_access_unit_is_ends_the_session_as_a_driver_error() {
    let stage = Double::get().load();
    for config in forms() {
        for spoiled in ["empty", "garbage"] {
            for error in both_lives(&stage, &config, &format!("nvEncLockBitstream:3={spoiled}")) {
                match error {
                    Error::Driver(why) => {
                        assert_eq!(
                            (why.call, why.outcome),
                            ("nvEncLockBitstream", CallOutcome::Unusable),
                            "{why}"
                        );
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_picture_that_is_held_back_is_an_error_and_not_read() {
    let stage = Double::get().load();
    for config in forms() {
        for error in both_lives(&stage, &config, "nvEncEncodePicture:3=17") {
            match error {
                Error::Driver(why) => assert_eq!((why.call, why.status()), ("nvEncEncodePicture", Some(17))),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A lack of memory for a stream, with a priority and without.
const NO_STREAM: &str = "cuStreamCreateWithPriority:1=2;cuStreamCreate:1=2";

#[test]
fn memory_that_is_refused_is_told_as_such() {
    let stage = Double::get().load();
    for fault in ["nvEncInitializeEncoder:1=10", "nvEncCreateBitstreamBuffer:2=10", NO_STREAM] {
        for config in forms() {
            stage.reset();
            stage.set(&format!("FAULT={fault}"));
            let error = life(&config).unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{fault}: {error:?}");
            assert_eq!(reason(&error), Reason::OutOfMemory, "{fault}");
        }
    }
    // What a copy on the GPU and a download need.
    for fault in ["cuMemAllocPitch:1=2", "cuMemHostAlloc:1=2", "nvEncCreateBitstreamBuffer:3=10"] {
        for config in forms() {
            stage.reset();
            let on_device = OnDevice::new();
            stage.set(&format!("FAULT={fault}"));
            let error = on_device.life(&config).unwrap_err();
            assert_eq!(reason(&error), Reason::OutOfMemory, "{fault}: {error:?}");
            drop(on_device);
            stage.report().assert_clean(fault);
        }
    }
    // What the first picture needs is asked for when it comes.
    for fault in ["cuMemAllocPitch:1=2", "cuMemHostAlloc:1=2", "nvEncRegisterResource:1=10"] {
        for config in forms() {
            stage.reset();
            stage.set(&format!("FAULT={fault}"));
            let error = life(&config).unwrap_err();
            assert_eq!(reason(&error), Reason::OutOfMemory, "{fault}: {error:?}");
            stage.report().assert_clean(fault);
        }
    }
}

#[test]
fn a_session_that_is_refused_and_yet_has_a_handle_is_destroyed() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("FAULT=nvEncOpenEncodeSessionEx:1=20!");
        assert!(matches!(life(&config).unwrap_err(), Error::Driver(_)));
        stage.report().assert_clean("a session that nobody wanted");
    }
}

#[test]
fn after_an_error_every_call_fails_with_it() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        stage.set("FAULT=nvEncEncodePicture:1=20");
        let pixels = picture::Camera::new(encoder.size()).i420(2);
        let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(2)).unwrap();
        for _ in 0..2 {
            match encoder.encode(&frame, Picture::Auto).unwrap_err() {
                Error::Driver(why) => assert_eq!((why.call, why.status()), ("nvEncEncodePicture", Some(20))),
                other => panic!("{other:?}"),
            }
        }
        assert!(encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).is_err());
        assert!(encoder.parameter_sets().is_err());
        assert!(encoder.invalidate(FrameId(0)..=FrameId(1)).is_err());
        drop(encoder);
        stage.report().assert_clean("an encoder whose session failed");
    }
}

/// The same for a frame in device memory, whose memory is still let go of.
#[test]
fn after_an_error_memory_is_let_go_of_all_the_same() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let on_device = OnDevice::new();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encoder.encode(&on_device.pictures[0].frame(0), Picture::Auto).unwrap();
        stage.set("FAULT=nvEncEncodePicture:1=20");
        for _ in 0..2 {
            match encoder.encode(&on_device.pictures[0].frame(1), Picture::Auto).unwrap_err() {
                Error::Driver(why) => assert_eq!((why.call, why.status()), ("nvEncEncodePicture", Some(20))),
                other => panic!("{other:?}"),
            }
        }
        encoder.forget_cuda(Some(on_device.pictures[0].image.address())).unwrap();
        drop(on_device);
        drop(encoder);
        stage.report().assert_clean("memory of a session that failed");
    }
}

/// A call that hangs costs the session, and is named.
#[test]
fn an_invalidation_that_hangs_is_given_up_and_named() {
    let stage = Double::get().load();
    stage.reset();
    let [bounded, _] = forms();
    let keeping = within(LIMITS.rest(ms(400))).reference_frames(NonZeroU8::new(4).unwrap());
    let mut encoder = NvencEncoder::new(&bounded.nvenc(keeping)).unwrap();
    encode_run(&mut encoder, 0, 3);
    stage.set("FAULT=nvEncInvalidateRefFrames:1=hang");
    match encoder.invalidate(FrameId(2)..=FrameId(2)).unwrap_err() {
        Error::Driver(why) => {
            assert_eq!((why.call, why.reason), ("nvEncInvalidateRefFrames", Reason::TimedOut));
        }
        other => panic!("{other:?}"),
    }
    stage.set("FAULT=");
    drop(encoder);
    stage.assert_clean_soon("an invalidation that hung");
}

/// An error after which CUDA answers nothing else in this context.
#[test]
fn a_context_that_dies_is_told_and_the_next_session_has_another() {
    let stage = Double::get().load();
    for fault in ["cuMemcpyHtoDAsync:2=700", "cuCtxPushCurrent:12=719", "cuStreamSynchronize:1=700"] {
        for config in forms() {
            stage.reset();
            stage.set(&format!("FAULT={fault}"));
            let what = format!("{fault}, {config:?}");
            if let Err(error) = life(&config) {
                assert_eq!(reason(&error), Reason::DriverError, "{what}: {error:?}");
            }
            assert!(
                stage.report().json()["faults"].as_object().is_some_and(|faults| !faults.is_empty()),
                "{what}"
            );
            stage.report().assert_clean(&what);
            stage.set("FAULT=");
            life(&config).unwrap_or_else(|error| panic!("after {what}: {error:?}"));
        }
    }
}

/// The same under frames in device memory. Whoever made them holds the context, which stays dead: the error says so.
#[test]
fn a_context_that_dies_under_frames_in_it_is_told_as_lost_and_so_is_the_next_opening() {
    let test = "a_context_that_dies_under_frames_in_it_is_told_as_lost_and_so_is_the_next_opening";
    let faults = [
        "cuEventRecord:2=700",
        "cuCtxPushCurrent:18=719",
        "cuMemcpy2DAsync:1=700",
        "cuStreamWaitEvent:3=214",
        "cuEventRecord:2=lost",
        "nvEncEncodePicture:2=lost",
    ];
    with_each_fault_as_child(test, &faults, a_context_dies_by);
}

fn a_context_dies_by(fault: &str) {
    static HELD: AtomicPtr<OnDevice> = AtomicPtr::new(std::ptr::null_mut());
    let stage = Double::get().load();
    stage.set("FAULT=");
    let on_device = OnDevice::new();
    stage.set(&format!("FAULT={fault}"));
    for config in forms() {
        match on_device.life(&config).unwrap_err() {
            Error::Driver(why) => assert!(why.is_context_lost, "{fault}: {why}"),
            Error::Unavailable(why) => assert!(why.is_context_lost, "{fault}: {why}"),
            other => panic!("{fault}: {other:?}"),
        }
    }
    assert!(stage.report().violations().is_empty(), "{fault}: {:?}", stage.report().violations());
    // Nothing that lives in a dead context can be given back: it is held for good, where a leak sanitizer sees that.
    HELD.store(Box::into_raw(Box::new(on_device)), Ordering::Relaxed);
    // What nobody reads would not be written.
    std::hint::black_box(&HELD);
}
