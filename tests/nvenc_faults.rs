//! Every driver call of a session's life is made to fail, once each: the error is typed, nothing is left behind, no
//! rule of the driver is broken on the way out, and the next session works.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use common::device::{self, Device, DevicePicture};
use common::{config, encode_run, picture, size};
use d264_double::{Double, Stage};
use direct264::nvenc::NvencEncoder;
use direct264::{
    Bitrate, CallForm, CudaImage, Encoder, EncoderConfig, Error, Frame, NvencConfig, Picture, Pipeline,
    PixelFormat, Reason, RgbOrder, Timestamp,
};

/// What a session does from its opening to its end.
fn life(config: &EncoderConfig) -> Result<(), Error> {
    let mut encoder = NvencEncoder::new(config)?;
    let camera = picture::Camera::new(encoder.size());
    for number in 0..6 {
        let pixels = camera.i420(number);
        let timestamp = Timestamp(i64::from(number));
        let frame = Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, timestamp)?;
        let picture = if number == 4 { Picture::Idr } else { Picture::Auto };
        encoder.encode(&frame, picture)?;
        match number {
            1 => encoder.set_bitrate(Bitrate::from_kbps(600)?)?,
            2 => drop(encoder.parameter_sets()?),
            _ => {}
        }
    }
    Ok(())
}

fn forms() -> [EncoderConfig; 2] {
    let bounded = config(size(320, 240), 30, 500);
    let direct = bounded.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    [bounded, direct]
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::Unavailable(why) => why.reason,
        Error::Driver(why) => why.reason,
        other => panic!("neither unavailable nor a driver error: {other:?}"),
    }
}

/// The calls of a whole life, in order, each name once.
fn calls(stage: &Stage, live: &impl Fn() -> Result<(), Error>) -> Vec<(String, u64)> {
    stage.reset();
    stage.set("TRACE=100000");
    live().unwrap();
    let mut calls: Vec<(String, u64)> = Vec::new();
    for (name, _) in stage.report().trace() {
        match calls.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => calls.push((name, 1)),
        }
    }
    calls
}

/// Calls whose answer changes nothing: those of an end, and of what is only worth knowing.
fn may_pass(name: &str) -> bool {
    ["Destroy", "Free", "Release", "Unregister", "Unmap", "PopCurrent", "cuStreamSynchronize", "LastError"]
        .iter()
        .any(|part| name.contains(part))
}

/// Has each call of a life fail, at several places, with several statuses. What is alive beside it stays alive.
fn fail_each_call(
    stage: &Stage,
    what_lives: &str,
    may_pass: impl Fn(&str) -> bool,
    live: impl Fn() -> Result<(), Error>,
) {
    let beside = stage.report().leaks();
    let calls = calls(stage, &live);
    assert!(calls.len() > 25, "{calls:?}");
    for (name, count) in &calls {
        // `cuInit` is called once in a process and is not here.
        let mut places = vec![1, 2, count.div_ceil(2), *count];
        places.sort_unstable();
        places.dedup();
        for which in places {
            for status in [2, 20, 4_000_000_000_u32] {
                // A dead context is another test's.
                stage.reset();
                stage.set(&format!("FAULT={name}:{which}={status}"));
                let what = format!("{name}:{which}={status}, {what_lives}");
                let lived = live();
                let report = stage.report();
                if report.faults(name) == 0 {
                    continue;
                }
                match &lived {
                    // Of an end, all calls may fail unheard, the end of stream among them.
                    Ok(()) => {
                        let of_the_end = ["nvEncEncodePicture", "cuCtxPushCurrent"].contains(&name.as_str());
                        let is_last = of_the_end && which == *count;
                        assert!(may_pass(name) || is_last, "{what}: nobody noticed");
                    }
                    Err(error) => {
                        let _ = reason(error);
                        assert!(std::error::Error::source(error).is_some(), "{what}");
                    }
                }
                assert!(report.violations().is_empty(), "{what}: {:?}", report.violations());
                assert_eq!(report.leaks(), beside, "{what}");
                stage.set("FAULT=");
                live().unwrap_or_else(|error| panic!("after {what}: {error:?}"));
            }
        }
    }
}

#[test]
fn each_call_that_fails_is_told_leaves_nothing_behind_and_the_next_session_works() {
    let stage = Double::get().load();
    for config in forms() {
        fail_each_call(&stage, &format!("{config:?}"), may_pass, || life(&config));
    }
    stage.report().assert_clean("lives with faults");
}

#[test]
fn the_same_holds_for_frames_in_device_memory() {
    let stage = Double::get().load();
    stage.reset();
    let size = size(320, 240);
    let device = Device::new();
    let pictures = [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Bgra)]
        .map(|format| DevicePicture::new(&device, size, format, 1280));
    let pixels = vec![99; 1280 * 360];
    for picture in &pictures {
        picture.write(&device, &pixels[..picture.image.format().frame_bytes(size)]);
    }
    device.stream.synchronize().unwrap();
    for config in forms() {
        // Read in place, copied on the GPU, and, since it is RGB that NVENC would turn into BT.601, downloaded.
        let [nv12, bgra] = [pictures[0].image, pictures[1].image];
        // What cannot be registered is copied.
        let may_pass =
            |name: &str| may_pass(name) || ["nvEncRegisterResource", "nvEncMapInputResource"].contains(&name);
        fail_each_call(&stage, &format!("{config:?}"), may_pass, || {
            let mut encoder = NvencEncoder::new(&config)?;
            for (number, image) in [nv12, nv12.freed_soon(), bgra, nv12, bgra].into_iter().enumerate() {
                let picture = if number == 3 { Picture::Idr } else { Picture::Auto };
                encoder.encode(&device::frame(size, image, number as i64), picture)?;
            }
            encoder.forget_cuda(Some(nv12.address()))
        });
    }
    drop((pictures, device));
    stage.report().assert_clean("lives with faults");
}

/// What a pipelined session does: frames of the host and of the GPU by turns, changes under a frame in flight, a flush.
fn pipelined_life(config: &EncoderConfig, image: CudaImage) -> Result<(), Error> {
    let mut pipeline = Pipeline::new(NvencEncoder::new(config)?);
    let size = pipeline.encoder().size();
    let camera = picture::Camera::new(size);
    let mut next = 0;
    for number in 0..9 {
        let pixels = camera.i420(number);
        let timestamp = Timestamp(i64::from(number));
        let frame = match number {
            4 | 5 => device::frame(size, image, timestamp.0),
            6 => device::frame(size, image.freed_soon(), timestamp.0),
            _ => Frame::contiguous(size, PixelFormat::I420, &pixels, timestamp)?,
        };
        let picture = if number == 3 { Picture::Idr } else { Picture::Auto };
        for unit in pipeline.submit(&frame, picture)? {
            assert_eq!(unit?.timestamp, Timestamp(next), "in order");
            next += 1;
        }
        match number {
            1 => pipeline.set_bitrate(Bitrate::from_kbps(600)?)?,
            2 => drop(pipeline.parameter_sets()?),
            7 => {
                assert_eq!(pipeline.flush()?.len(), 1);
                next += 1;
            }
            _ => {}
        }
    }
    pipeline.forget_cuda(None)
}

#[test]
fn the_same_holds_with_a_frame_in_flight() {
    let stage = Double::get().load();
    stage.reset();
    let device = Device::new();
    let size = size(320, 240);
    let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
    place.write(&device, &vec![99; PixelFormat::Nv12.frame_bytes(size)]);
    device.stream.synchronize().unwrap();
    let may_pass =
        |name: &str| may_pass(name) || ["nvEncRegisterResource", "nvEncMapInputResource"].contains(&name);
    for config in forms() {
        fail_each_call(&stage, &format!("pipelined, {config:?}"), may_pass, || {
            pipelined_life(&config, place.image)
        });
    }
    drop((place, device));
    stage.report().assert_clean("lives with faults");
}

#[test]
fn what_no_access_unit_is_ends_the_session_as_a_driver_error() {
    let stage = Double::get().load();
    for config in forms() {
        for spoiled in ["empty", "garbage"] {
            stage.reset();
            stage.set(&format!("FAULT=nvEncLockBitstream:3={spoiled}"));
            match life(&config).unwrap_err() {
                Error::Driver(why) => assert_eq!(why.call, "nvEncLockBitstream", "{why}"),
                other => panic!("{other:?}"),
            }
            stage.report().assert_clean(spoiled);
        }
    }
}

#[test]
fn a_picture_that_is_held_back_is_an_error_and_not_read() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("FAULT=nvEncEncodePicture:3=17");
        match life(&config).unwrap_err() {
            Error::Driver(why) => assert_eq!((why.call, why.status), ("nvEncEncodePicture", 17)),
            other => panic!("{other:?}"),
        }
        stage.report().assert_clean("a picture held back");
    }
}

#[test]
fn memory_that_is_refused_is_told_as_such() {
    let stage = Double::get().load();
    for fault in ["nvEncInitializeEncoder:1=10", "nvEncCreateBitstreamBuffer:2=10", "cuStreamCreate:1=2"] {
        for config in forms() {
            stage.reset();
            stage.set(&format!("FAULT={fault}"));
            let error = life(&config).unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{fault}: {error:?}");
            assert_eq!(reason(&error), Reason::OutOfMemory, "{fault}");
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
                Error::Driver(why) => assert_eq!((why.call, why.status), ("nvEncEncodePicture", 20)),
                other => panic!("{other:?}"),
            }
        }
        assert!(encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).is_err());
        assert!(encoder.parameter_sets().is_err());
        drop(encoder);
        stage.report().assert_clean("an encoder whose session failed");
    }
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
