//! What the driver does not take back at once is given back again: after a busy answer, and at the end of the session.
#![allow(clippy::panic, clippy::unwrap_used)]

use crate::common::device::{Device, DevicePicture, frame};
use crate::common::{config, size, try_encode_run};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig};
use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, EncoderConfig, Error, Picture, PixelFormat};

/// The calls that give back what lies in memory, or what the driver lends.
const CALLS: [&str; 3] = ["nvEncUnlockBitstream", "nvEncUnmapInputResource", "nvEncUnregisterResource"];

fn forms() -> [EncoderConfig; 2] {
    let config = config(size(320, 240), 30, 500);
    [config.clone(), config.nvenc(NvencConfig::new().form(CallForm::Direct))]
}

/// Encodes frames of two sizes, so that memory is also given back in mid-stream.
fn life(config: &EncoderConfig) -> Result<(), Error> {
    let mut encoder = NvencEncoder::new(&config.clone().max_size(size(640, 360)))?;
    try_encode_run(&mut encoder, 0, 2)?;
    encoder.set_size(size(640, 360))?;
    try_encode_run(&mut encoder, 2, 2).map(drop)
}

/// Encodes frames in device memory, in place and from a copy, and lets go of the memory.
fn life_on_device(config: &EncoderConfig, picture: &DevicePicture) -> Result<(), Error> {
    let mut encoder = NvencEncoder::new(config)?;
    for number in 0..2 {
        encoder.encode(&picture.frame(number), Picture::Auto)?;
        encoder.encode(&frame(picture.size, picture.image.freed_soon(), number), Picture::Auto)?;
    }
    encoder.forget_cuda(Some(picture.image.address()))
}

fn picture_on(device: &Device) -> DevicePicture {
    let picture = DevicePicture::new(device, size(320, 240), PixelFormat::Nv12, 512);
    picture.write(device, &vec![99; PixelFormat::Nv12.frame_bytes(size(320, 240))]);
    device.stream.synchronize().unwrap();
    picture
}

fn set(stage: &Stage, fault: &str) {
    stage.reset();
    stage.set(&format!("FAULT={fault}"));
}

#[test]
fn a_busy_answer_is_waited_for() {
    let stage = Double::get().load();
    stage.reset();
    let device = Device::new();
    let picture = picture_on(&device);
    for config in forms() {
        for call in CALLS {
            for busy in ["13", "18"] {
                for first in 1..=2 {
                    let fault = format!("{call}:{first}-{}={busy}-", first + 2);
                    set(&stage, &fault);
                    life(&config).unwrap_or_else(|error| panic!("{fault}: {error:?}"));
                    assert_eq!(stage.report().faults(call), 3, "{fault}");
                    set(&stage, &fault);
                    life_on_device(&config, &picture).unwrap_or_else(|error| panic!("{fault}: {error:?}"));
                    let violations = stage.report().violations();
                    assert!(violations.is_empty(), "{fault}: {violations:?}");
                }
            }
        }
    }
    drop((picture, device));
    stage.report().assert_clean("busy answers");
}

/// A refusal is told where somebody waits for an answer. The thing is given back again before what it depends on goes.
#[test]
fn what_is_refused_is_given_back_before_its_memory_is_freed_or_its_buffer_destroyed() {
    let stage = Double::get().load();
    stage.reset();
    let device = Device::new();
    let picture = picture_on(&device);
    let beside = stage.report().leaks();
    for config in forms() {
        for call in CALLS {
            set(&stage, "");
            life(&config).unwrap();
            let of_host = stage.report().calls(call);
            set(&stage, "");
            life_on_device(&config, &picture).unwrap();
            let of_device = stage.report().calls(call);
            assert!(of_host > 1 && of_device > 1, "{call}");
            for status in ["20-", "4000000000-"] {
                for (is_device, count) in [(false, of_host), (true, of_device)] {
                    for which in 1..=count {
                        let fault = format!("{call}:{which}={status}");
                        set(&stage, &fault);
                        let lived = if is_device { life_on_device(&config, &picture) } else { life(&config) };
                        let report = stage.report();
                        assert_eq!(report.faults(call), 1, "{fault}");
                        if let Err(error) = &lived {
                            assert!(matches!(error, Error::Driver(why) if why.call == call), "{error:?}");
                        }
                        assert!(report.violations().is_empty(), "{fault}: {:?}", report.violations());
                        assert_eq!(report.leaks(), beside, "{fault}");
                    }
                }
            }
        }
    }
    drop((picture, device));
    stage.report().assert_clean("refused releases");
}

/// Memory that stays registered outlives the session.
#[test]
fn memory_that_is_never_taken_back_is_freed_after_the_session() {
    let stage = Double::get().load();
    for config in forms() {
        for call in ["nvEncUnmapInputResource", "nvEncUnregisterResource"] {
            set(&stage, &format!("{call}:*=20-"));
            stage.set("TRACE=100000");
            let lived = life(&config);
            assert!(lived.is_ok(), "{call}: {lived:?}");
            let report = stage.report();
            let last = |name: &str| report.trace().iter().rposition(|(called, _)| called == name).unwrap();
            assert!(last("cuMemFree") > last("nvEncDestroyEncoder"), "{call}");
            assert_eq!(report.leaks(), [], "{call}");
            // The encoder is destroyed with what it did not take back. Nothing else is wrong.
            let broken = report.violations();
            assert!(
                broken.iter().all(|broken| broken.function == "nvEncDestroyEncoder"),
                "{call}: {broken:?}"
            );
        }
    }
}
