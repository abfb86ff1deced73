//! Frames in device memory that cannot be read: wrong addresses, downloads that fail or hang.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{both_backends, camera, forms, stage, written};
use crate::common::device::{Device, DevicePicture, frame};
use crate::common::live::PATIENCE;
use crate::common::{LIMITS, config, size, within};
use direct264::error::{FrameError, Unreadable};
use direct264::frame::CudaImage;
use direct264::openh264::OpenH264Encoder;
use direct264::{Backend, Encoder, Error, Frame, Picture, PixelFormat, Timestamp};

#[test]
fn an_address_that_is_none_is_told_and_harms_nothing() {
    let stage = stage("");
    let size = size(320, 240);
    let pixels = &camera(size, 0..1)[0];
    for config in forms(config(size, 30, 1_000)) {
        let device = Device::new();
        let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
        place.write(&device, pixels);
        let short = device.memory(512 * 300);
        let host = pixels.as_ptr() as u64;
        for mut encoder in both_backends(&config) {
            let mut refusal = |address| match encoder
                .encode(&frame(size, CudaImage::nv12(address, 512), 0), Picture::Auto)
            {
                Err(Error::Frame(error)) => error,
                other => panic!("{other:?}"),
            };
            assert_eq!(refusal(4096), FrameError::NoDeviceMemory { address: 4096 });
            assert_eq!(refusal(host), FrameError::NoDeviceMemory { address: host });
            let needed = 512 * 119 + 320;
            let bytes = 512 * 60;
            assert_eq!(refusal(short.address), FrameError::Allocation { bytes, needed });
            assert!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().is_idr);
        }
        drop((place, short));
    }
    stage.report().assert_clean("wrong addresses");
}

#[test]
fn a_download_that_fails_costs_the_frame_and_not_the_encoder() {
    let stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    let beside = stage.report().leaks();
    let calls = [
        "cuPointerGetAttributes",
        "cuStreamCreate",
        "cuEventCreate",
        "cuMemHostAlloc",
        "cuEventRecord",
        "cuStreamWaitEvent",
        "cuMemcpy2DAsync",
        "cuStreamQuery",
    ];
    for (config, call) in forms(config(size, 30, 1_000)).iter().flat_map(|one| calls.map(|call| (one, call)))
    {
        let mut encoder = OpenH264Encoder::new(config).unwrap();
        stage.set(&format!("FAULT={call}:1=2;cuStreamCreateWithPriority:1=2"));
        match encoder.encode(&place.frame(0), Picture::Auto) {
            Err(Error::Frame(FrameError::Unreadable(Unreadable::Driver(why)))) => {
                assert_eq!((why.call, why.status()), (call, Some(2)));
            }
            other => panic!("{call}: {:?}", other.map(|unit| unit.bytes.len())),
        }
        assert!(encoder.encode(&place.frame(1), Picture::Auto).unwrap().is_idr, "{call}");
        drop(encoder);
        let report = stage.report();
        assert!(report.violations().is_empty(), "{call}: {:?}", report.violations());
        assert_eq!(report.leaks(), beside, "{call}");
    }
    drop((place, device));
}

#[test]
fn a_gpu_that_never_gets_there_is_waited_for_with_a_limit_and_until_it_does_its_frames_are_refused() {
    let stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    let limit = Duration::from_millis(300);
    let mut encoder =
        OpenH264Encoder::new(&config(size, 30, 1_000).nvenc(within(LIMITS.first(limit)))).unwrap();
    let late = FrameError::TimedOut { call: "cuStreamQuery", limit };
    stage.set("FAULT=cuStreamQuery:*=600");
    let asked = || stage.report().calls("cuPointerGetAttributes");
    let before = asked();
    for number in 0..3 {
        match encoder.encode(&place.frame(number), Picture::Auto) {
            Err(Error::Frame(error)) => assert_eq!(error, late),
            other => panic!("{:?}", other.map(|unit| unit.bytes.len())),
        }
    }
    assert!(
        asked() - before <= 2,
        "only the first frame is tried: one question for its GPU, one for its bytes"
    );
    // Its memory may still be read.
    match encoder.forget_cuda(None) {
        Err(Error::StillInUse(why)) => assert_eq!(why.backend, Backend::OpenH264),
        other => panic!("{other:?}"),
    }
    let pixels = camera(size, 0..1).remove(0);
    let host = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(3)).unwrap();
    assert!(encoder.encode(&host, Picture::Auto).unwrap().is_idr);
    stage.set("FAULT=");
    let deadline = Instant::now() + PATIENCE;
    while encoder.forget_cuda(None).is_err() {
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!encoder.encode(&place.frame(4), Picture::Auto).unwrap().is_idr);
    drop((encoder, place, device));
    stage.report().assert_clean("a GPU that got there late");
}
