//! Every driver call of a session's life is made to fail, once each: the error is typed, nothing is left behind, no
//! rule of the driver is broken on the way out, and the next session works.
#![allow(clippy::panic, clippy::unwrap_used)]

mod answers;

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Instant;

use crate::common::device::{self, Device, DevicePicture};
use crate::common::live::{PATIENCE, ms, small};
use crate::common::{LIMITS, config, picture, size};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameId, Picture, Pipeline, PixelFormat, Reason, Timestamp,
};

/// The life of a session from its opening to its end, with frames in host memory.
fn life(config: &EncoderConfig) -> Result<(), Error> {
    let mut encoder = NvencEncoder::new(config)?;
    let camera = picture::Camera::new(encoder.size());
    let pictures: Vec<Vec<u8>> = (0..8).map(|number| camera.i420(number)).collect();
    let size = encoder.size();
    live(&mut encoder, |number| {
        Ok(Frame::contiguous(size, PixelFormat::I420, &pictures[number as usize], Timestamp(number))?)
    })
}

fn live<'a>(
    encoder: &mut NvencEncoder,
    frame: impl Fn(i64) -> Result<Frame<'a>, Error>,
) -> Result<(), Error> {
    for number in 0..8 {
        let picture = match number {
            1 => Picture::IntraRefresh { frames: NonZeroU32::MIN },
            4 => Picture::Idr,
            _ => Picture::Auto,
        };
        encoder.encode(&frame(number)?, picture)?;
        match number {
            1 => encoder.set_bitrate(Bitrate::from_kbps(600)?)?,
            2 => drop(encoder.parameter_sets()?),
            // The newest frame, and the one before with all that came of it.
            3 => drop(encoder.invalidate(FrameId(3)..=FrameId(3))?),
            6 => drop(encoder.invalidate(FrameId(5)..=FrameId(5))?),
            _ => {}
        }
    }
    Ok(())
}

/// The same with frames in device memory: read in place, copied on the GPU, and, since it is RGB that NVENC would turn
/// into BT.601, downloaded.
struct OnDevice {
    pictures: [DevicePicture; 2],
    _device: Device,
}

impl OnDevice {
    fn new() -> Self {
        let size = small();
        let device = Device::new();
        let pictures = [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Bgra)].map(|format| {
            DevicePicture::written(&device, size, format, 1280, &vec![99; format.frame_bytes(size)])
        });
        Self { pictures, _device: device }
    }

    fn life(&self, config: &EncoderConfig) -> Result<(), Error> {
        let [nv12, bgra] = [self.pictures[0].image, self.pictures[1].image];
        let images = [nv12, nv12.freed_soon(), bgra, nv12, bgra, nv12, nv12.freed_soon(), nv12];
        let mut encoder = NvencEncoder::new(config)?;
        live(&mut encoder, |number| Ok(device::frame(config.size(), images[number as usize], number)))?;
        encoder.forget_cuda(Some(nv12.address()))
    }
}

fn forms() -> [EncoderConfig; 2] {
    let keeping = NvencConfig::new().reference_frames(NonZeroU8::new(4).unwrap());
    let with = |form| config(small(), 30, 500).nvenc(keeping.clone().form(form));
    [with(CallForm::Bounded(LIMITS)), with(CallForm::Direct)]
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::Unavailable(why) => why.reason,
        Error::Driver(why) => why.reason,
        other => panic!("neither unavailable nor a driver error: {other:?}"),
    }
}

/// A function that a life calls.
struct Called {
    name: String,
    count: u64,
    /// Which of its calls may fail unheard: the end of stream and what else comes when the last access unit is out, and
    /// the entering of a context for a call that may.
    may_pass: Vec<u64>,
}

/// The functions that a whole life calls, in the order of their first calls.
fn calls(
    stage: &Stage,
    may_pass: &impl Fn(&str) -> bool,
    live: &impl Fn() -> Result<(), Error>,
) -> Vec<Called> {
    stage.reset();
    stage.set("TRACE=100000");
    live().unwrap();
    let trace = stage.report().trace();
    let end = trace.iter().rposition(|(name, _)| name == "nvEncLockBitstream").unwrap();
    let mut calls: Vec<Called> = Vec::new();
    for (at, (name, _)) in trace.iter().enumerate() {
        let known = calls.iter().position(|known| known.name == *name).unwrap_or_else(|| {
            calls.push(Called { name: name.clone(), count: 0, may_pass: Vec::new() });
            calls.len() - 1
        });
        let called = &mut calls[known];
        called.count += 1;
        let may = match name.as_str() {
            "nvEncEncodePicture" => at > end,
            "cuCtxPushCurrent" => at > end || trace.get(at + 1).is_some_and(|(next, _)| may_pass(next)),
            name => may_pass(name),
        };
        if may {
            called.may_pass.push(called.count);
        }
    }
    calls
}

/// Calls whose answer changes nothing: those of an end, and of what is only worth knowing.
fn may_pass(name: &str) -> bool {
    ["Destroy", "Free", "Release", "Unregister", "Unmap", "PopCurrent", "cuStreamSynchronize", "LastError"]
        .iter()
        .any(|part| name.contains(part))
        // An IDR takes the place of what is refused, and a new session that of a change; what is optional is left out.
        || ["nvEncInvalidateRefFrames", "nvEncReconfigureEncoder"].contains(&name)
        || is_optional(name)
}

/// Calls without which a session opens all the same: see `calls.rs`.
fn is_optional(name: &str) -> bool {
    let optional = [
        "cuDeviceGetName",
        "cuDeviceGetUuid",
        "cuCtxGetStreamPriorityRange",
        "cuStreamCreateWithPriority",
        "nvEncGetEncodeGUIDCount",
        "nvEncGetEncodeGUIDs",
        "nvEncGetEncodeCaps",
        "nvEncSetIOCudaStreams",
    ];
    optional.contains(&name)
}

/// Calls that are made before there is a session, or for one that has yet to come.
fn is_of_an_opening(name: &str) -> bool {
    [
        "cuDeviceGet",
        "cuDevicePrimaryCtxRetain",
        "NvEncodeAPI",
        "nvEncOpen",
        "nvEncGetEncode",
        "nvEncInitialize",
        "nvEncSetIO",
    ]
    .iter()
    .any(|part| name.starts_with(part))
}

/// Numbers that a call is made to answer: such as mean something of their own, one that means nothing more than an
/// error, and one that no header knows.
fn statuses(name: &str) -> &'static [u32] {
    match name {
        "nvEncOpenEncodeSessionEx" => &[1, 2, 10, 20, 21, 4_000_000_000],
        _ if name.starts_with("cu") => &[2, 3, 20, 4_000_000_000],
        _ => &[2, 10, 20, 4_000_000_000],
    }
}

fn reason_of(name: &str, status: u32) -> Reason {
    match (name, status) {
        ("nvEncOpenEncodeSessionEx", 1 | 2) => Reason::NoEncoderOnGpu,
        ("nvEncOpenEncodeSessionEx", 10 | 21) => Reason::SessionLimit,
        (_, 2) if name.starts_with("cu") => Reason::OutOfMemory,
        (_, 3) if name.starts_with("cu") => Reason::Forked,
        (_, 10) if name.starts_with("nvEnc") => Reason::OutOfMemory,
        _ => Reason::DriverError,
    }
}

/// The error names the call and what it answered, and says what that means.
fn assert_told(error: &Error, name: &str, status: u32, what: &str) {
    let reason = reason_of(name, status);
    match error {
        Error::Unavailable(why) => {
            assert_eq!(why.reason, reason, "{what}: {why}");
            assert!(reason != Reason::DriverError, "{what}: {why}");
            for part in [name, &status.to_string()] {
                assert!(why.detail.contains(part), "{what}: {why}");
            }
        }
        Error::Driver(why) => {
            assert_eq!(
                (why.call.trim_end_matches("_v2"), why.status(), why.reason),
                (name, Some(i64::from(status)), reason),
                "{what}: {why}"
            );
            assert!(reason == Reason::DriverError || !is_of_an_opening(name), "{what}: {why}");
        }
        other => panic!("{what}: neither unavailable nor a driver error: {other:?}"),
    }
    assert!(std::error::Error::source(error).is_some(), "{what}");
}

/// The faults to try on a call that is made `count` times: each status at its first and its last place, and one at
/// each place between, as far as those are few.
fn tries(name: &str, count: u64) -> Vec<(u64, u32)> {
    const FEW: u64 = 24;
    let of_all = |place| statuses(name).iter().map(move |&status| (place, status));
    let by_turns = statuses(name).iter().copied().cycle();
    let step = count.div_ceil(FEW) as usize;
    let between = (2..count).step_by(step).zip(by_turns);
    of_all(1).chain(between).chain((count > 1).then(|| of_all(count)).into_iter().flatten()).collect()
}

/// Has each call of a life fail, at its places, with several statuses. What is alive beside it stays alive.
fn fail_each_call(
    stage: &Stage,
    what_lives: &str,
    may_pass: impl Fn(&str) -> bool,
    live: impl Fn() -> Result<(), Error>,
) {
    let beside = stage.report().leaks();
    let calls = calls(stage, &may_pass, &live);
    assert!(calls.len() > 25);
    for Called { name, count, may_pass } in &calls {
        // `cuInit` is called once in a process and is not here. A dead context is another test's.
        for (which, status) in tries(name, *count) {
            stage.reset();
            stage.set(&format!("FAULT={name}:{which}={status}"));
            let what = format!("{name}:{which}={status}, {what_lives}");
            let lived = live();
            let report = stage.report();
            if report.faults(name) == 0 {
                continue;
            }
            match &lived {
                Ok(()) => assert!(may_pass.contains(&which), "{what}: nobody noticed"),
                Err(error) => assert_told(error, name, status, &what),
            }
            assert!(report.violations().is_empty(), "{what}: {:?}", report.violations());
            // What a thread of the session's frees last may be freed a moment after the error is told.
            let deadline = Instant::now() + PATIENCE;
            while stage.report().leaks() != beside && Instant::now() < deadline {
                std::thread::sleep(ms(1));
            }
            assert_eq!(stage.report().leaks(), beside, "{what}");
            stage.set("FAULT=");
            live().unwrap_or_else(|error| panic!("after {what}: {error:?}"));
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
    let on_device = OnDevice::new();
    // Memory that cannot be registered is copied.
    let may_pass =
        |name: &str| may_pass(name) || ["nvEncRegisterResource", "nvEncMapInputResource"].contains(&name);
    for config in forms() {
        fail_each_call(&stage, &format!("{config:?}"), may_pass, || on_device.life(&config));
    }
    drop(on_device);
    stage.report().assert_clean("lives with faults");
}

/// The life of a pipelined session: frames of the host and of the GPU by turns, changes under a frame in flight, a
/// flush.
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
            1 => pipeline.encoder_mut().set_bitrate(Bitrate::from_kbps(600)?)?,
            2 => drop(pipeline.encoder_mut().parameter_sets()?),
            7 => {
                assert_eq!(pipeline.flush()?.len(), 1);
                next += 1;
            }
            _ => {}
        }
    }
    pipeline.encoder_mut().forget_cuda(None)
}

#[test]
fn the_same_holds_with_a_frame_in_flight() {
    let stage = Double::get().load();
    stage.reset();
    let device = Device::new();
    let size = size(320, 240);
    let pixels = vec![99; PixelFormat::Nv12.frame_bytes(size)];
    let place = DevicePicture::written(&device, size, PixelFormat::Nv12, 512, &pixels);
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
