//! Frames in device memory survive what frames in host memory survive: whichever call fails, the same frame comes out of
//! software, and when the hardware is back the stream returns to it. On the driver double.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Instant;

use crate::common::device::{Device, DevicePicture, nv12};
use crate::common::live::{PATIENCE, eager, hasty, ms, small};
use crate::common::{decode, picture, size};
use d264_double::{Double, Stage, passed_as_child, threads, with_each_fault_as_child};
use direct264::config::{BackOff, FailoverConfig};
use direct264::error::{FrameError, Unreadable};
use direct264::{
    Backend, BackendOrder, Encoder, EncoderConfig, Error, FailoverEncoder, Frame, OwnedAccessUnit, Picture,
    PixelFormat, Reason, Timestamp, open,
};

struct Source {
    device: Device,
    camera: picture::Camera,
    places: Vec<DevicePicture>,
    /// Where the places begin that are in use.
    from: usize,
    units: Vec<OwnedAccessUnit>,
}

impl Source {
    fn new() -> Self {
        let device = Device::new();
        let mut source = Self {
            device,
            camera: picture::Camera::new(small()),
            places: Vec::new(),
            from: 0,
            units: Vec::new(),
        };
        source.change_places();
        source
    }

    /// What was used so far may still be read by a call that hangs, and is not written to any more.
    fn change_places(&mut self) {
        self.from = self.places.len();
        for _ in 0..2 {
            self.places.push(DevicePicture::new(&self.device, small(), PixelFormat::Nv12, 512));
        }
    }

    /// Encodes the next picture, which lies in one of two places by turns.
    fn encode(&mut self, encoder: &mut FailoverEncoder) -> Backend {
        let number = self.units.len();
        let pixels = nv12(small(), &self.camera.i420(number as u32));
        let place = &self.places[self.from + number % 2];
        place.write(&self.device, &pixels);
        let unit = encoder.encode(&place.frame(number as i64), Picture::Auto).unwrap().to_owned();
        self.device.stream.synchronize().unwrap();
        assert_eq!(unit.timestamp.0, number as i64);
        self.units.push(unit);
        self.units[number].backend
    }

    fn until(&mut self, encoder: &mut FailoverEncoder, backend: Backend) {
        let deadline = Instant::now() + PATIENCE;
        while self.encode(encoder) != backend {
            assert!(Instant::now() < deadline, "never came to {backend}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Every frame is there, decodable and like its source.
    fn assert_whole(&self, what: &str) {
        let stream: Vec<u8> = self.units.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
        let Some(shown) = decode::ffmpeg(&stream, small()) else { return };
        assert_eq!(shown.len(), self.units.len(), "{what}");
        for (number, shown) in shown.iter().enumerate() {
            let db = picture::psnr(shown, &self.camera.i420(number as u32));
            assert!(db > 28.0, "{what}: {db:.1} dB in frame {number}");
        }
    }
}

fn survive(stage: &Stage, config: &EncoderConfig, fault: &str) {
    stage.reset();
    let mut source = Source::new();
    let opened = open(config, &BackendOrder::auto()).unwrap();
    let mut encoder = opened.encoder;
    (0..4).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::Nvenc));
    stage.set(&format!("FAULT={fault}"));
    assert_eq!(source.encode(&mut encoder), Backend::OpenH264, "{fault}");
    assert!(source.units[4].is_idr, "{fault}");
    source.change_places();
    stage.set("FAULT=");
    source.until(&mut encoder, Backend::Nvenc);
    (0..4).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::Nvenc));
    assert_eq!((encoder.counters().fallbacks, encoder.counters().restorations), (1, 1), "{fault}");
    source.assert_whole(fault);
    // What is forgotten may be freed while the encoder lives on.
    for place in &source.places {
        encoder.forget_cuda(Some(place.image.address())).unwrap();
    }
    drop(source);
    drop(encoder);
    stage.assert_clean_soon(fault);
}

#[test]
fn no_frame_is_lost_whichever_call_fails() {
    let stage = Double::get().load();
    for fault in [
        "nvEncEncodePicture:1=20",
        "nvEncEncodePicture:1=4711",
        "nvEncLockBitstream:1=20",
        "nvEncLockBitstream:1=empty",
        "nvEncLockBitstream:1=garbage",
        "nvEncUnlockBitstream:1=20",
        "cuPointerGetAttributes:1=999",
        "cuEventRecord:1=2",
        "cuStreamWaitEvent:1=2",
    ] {
        survive(&stage, &eager(), fault);
    }
}

#[test]
fn no_frame_is_lost_when_the_driver_hangs() {
    let stage = Double::get().load();
    for fault in ["nvEncEncodePicture:1=hang700", "nvEncLockBitstream:1=hang700"] {
        survive(&stage, &hasty(), fault);
    }
}

/// Runs the rest of a test in a process of its own: what hangs there hangs for good.
fn alone(test: &str, rest: impl FnOnce()) {
    if !passed_as_child(test, &[]) {
        rest();
    }
}

fn host_frame(pixels: &[u8], number: i64) -> Frame<'_> {
    Frame::contiguous(small(), PixelFormat::I420, pixels, Timestamp(number)).unwrap()
}

/// What hung comes back.
fn until_forgotten(encoder: &mut FailoverEncoder) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = encoder.forget_cuda(None) {
        assert!(Instant::now() < deadline, "it never came back: {error}");
        std::thread::sleep(ms(2));
    }
}

/// A session that hangs there shuts out neither this GPU nor the others.
#[test]
fn a_session_that_hangs_where_it_enters_the_gpu_costs_no_frame() {
    alone("a_session_that_hangs_where_it_enters_the_gpu_costs_no_frame", || {
        let stage = Double::get().load();
        let mut source = Source::new();
        stage.set("FAULT=cuDevicePrimaryCtxRetain:1=hang");
        let opened = open(&hasty(), &BackendOrder::auto()).unwrap();
        assert_eq!(opened.passed_over[0].reason, Reason::TimedOut);
        let mut encoder = opened.encoder;
        // The hanging call still hangs.
        assert_eq!(source.encode(&mut encoder), Backend::OpenH264);
        source.until(&mut encoder, Backend::Nvenc);
        assert_eq!(stage.report().faults("cuDevicePrimaryCtxRetain"), 1);
        source.assert_whole("a context that was entered by others");
        encoder.forget_cuda(None).unwrap();
    });
}

#[test]
fn a_driver_that_hangs_in_the_session_and_in_the_download_costs_the_frames_on_the_gpu_and_not_the_caller() {
    let test = "a_driver_that_hangs_in_the_session_and_in_the_download_costs_the_frames_on_the_gpu_and_not_the_caller";
    alone(test, || {
        let stage = Double::get().load();
        let mut source = Source::new();
        let mut encoder = open(&hasty(), &BackendOrder::auto()).unwrap().encoder;
        (0..3).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::Nvenc));
        for call in ["cuMemHostAlloc", "cuPointerGetAttributes"] {
            stage.set(&format!("FAULT=nvEncLockBitstream:1=hang;{call}:*=hang"));
            let start = Instant::now();
            let number = source.units.len() as i64;
            match encoder.encode(&source.places[source.from].frame(number), Picture::Auto).unwrap_err() {
                Error::Frame(FrameError::TimedOut { call: told, limit }) => {
                    assert_eq!((told, limit), (call, ms(400)));
                }
                other => panic!("{call}: {other:?}"),
            }
            // Two limits of 400 ms, and no wait for the driver, which hangs still.
            assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
            let pixels = source.camera.i420(source.units.len() as u32);
            let unit = encoder.encode(&host_frame(&pixels, number), Picture::Auto).unwrap().to_owned();
            assert_eq!((unit.backend, unit.is_idr), (Backend::OpenH264, true));
            source.units.push(unit);
            let error = encoder.forget_cuda(None).unwrap_err();
            assert!(matches!(error, Error::StillInUse(_)), "{error:?}");
            assert_eq!(error.reason(), Reason::TimedOut);
            assert!(encoder.is_leaving());
            // Nothing of what hangs is read from again.
            source.change_places();
            stage.set("FAULT=");
            until_forgotten(&mut encoder);
            assert!(!encoder.is_leaving());
            source.until(&mut encoder, Backend::Nvenc);
        }
        source.assert_whole("downloads that hang");
        encoder.forget_cuda(None).unwrap();
        drop((source, encoder));
        stage.assert_clean_soon("downloads that hang");
    });
}

#[test]
fn a_context_that_dies_costs_its_frames_and_not_the_stream() {
    // In a process of its own: the primary context is every test's.
    if passed_as_child("a_context_that_dies_costs_its_frames_and_not_the_stream", &[]) {
        return;
    }
    let stage = Double::get().load();
    let mut source = Source::new();
    let mut encoder = open(&eager(), &BackendOrder::auto()).unwrap().encoder;
    (0..3).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::Nvenc));
    stage.set("FAULT=nvEncLockBitstream:1=20;cuStreamSynchronize:1=700");
    let place = &source.places[0];
    for number in 3..5 {
        match encoder.encode(&place.frame(number), Picture::Auto).unwrap_err() {
            Error::Frame(FrameError::Unreadable(Unreadable::Driver(why))) => {
                assert_eq!(why.status(), Some(700))
            }
            other => panic!("{other:?}"),
        }
    }
    // What lies in host memory is encoded all the same.
    let pixels = source.camera.i420(5);
    let frame = Frame::contiguous(small(), PixelFormat::I420, &pixels, Timestamp(5)).unwrap();
    let unit = encoder.encode(&frame, Picture::Auto).unwrap();
    assert_eq!((unit.backend, unit.is_idr), (Backend::OpenH264, true));
    assert_not_tried_again(&stage, &mut encoder, &pixels);
    drop(encoder);
    // Nothing that lives in a dead context can be given back.
    std::mem::forget(source);
}

/// The back-off is 5 ms, doubling to 40.
fn assert_not_tried_again(stage: &Stage, encoder: &mut FailoverEncoder, pixels: &[u8]) {
    // An attempt that was under way ends, and its thread with it.
    let deadline = Instant::now() + PATIENCE;
    while threads().iter().any(|name| name == "direct264-retry") {
        assert!(Instant::now() < deadline, "a dead context is tried again");
        std::thread::sleep(ms(1));
    }
    let opened = || stage.report().calls("nvEncOpenEncodeSessionEx");
    let before = opened();
    for _ in 0..20 {
        std::thread::sleep(ms(20));
        let unit = encoder.encode(&host_frame(pixels, 0), Picture::Auto).unwrap();
        assert_eq!(unit.backend, Backend::OpenH264);
    }
    assert_eq!(opened(), before, "a dead context is tried again");
}

/// CUDA is initialised once in a process, so that all who need it wait for the first who asks.
#[test]
fn a_driver_that_hangs_where_cuda_is_initialised_costs_the_frames_on_the_gpu_and_not_the_caller() {
    let test = "a_driver_that_hangs_where_cuda_is_initialised_costs_the_frames_on_the_gpu_and_not_the_caller";
    alone(test, || {
        let stage = Double::get().load();
        stage.set("FAULT=cuInit:1=hang");
        let opened = open(&hasty(), &BackendOrder::auto()).unwrap();
        assert_eq!(opened.passed_over[0].reason, Reason::TimedOut);
        let mut encoder = opened.encoder;
        // The caller's own CUDA works.
        let mut source = Source::new();
        match encoder.encode(&source.places[0].frame(0), Picture::Auto).unwrap_err() {
            Error::Frame(FrameError::TimedOut { call: "cuInit", limit }) => assert_eq!(limit, ms(400)),
            other => panic!("{other:?}"),
        }
        let pixels = source.camera.i420(0);
        assert!(encoder.encode(&host_frame(&pixels, 0), Picture::Auto).unwrap().is_idr);
        source.change_places();
        stage.set("FAULT=");
        until_forgotten(&mut encoder);
        source.until(&mut encoder, Backend::Nvenc);
        encoder.forget_cuda(None).unwrap();
        drop((source, encoder));
        stage.assert_clean_soon("an initialisation that hangs");
    });
}

/// The encoder that stood in is kept for the next time, and a call of its own may hang still.
#[test]
fn memory_that_a_stand_in_may_still_read_is_not_let_go_of() {
    alone("memory_that_a_stand_in_may_still_read_is_not_let_go_of", || {
        let stage = Double::get().load();
        let mut source = Source::new();
        // The stand-in fetches the frame before the hardware is tried again, which calls the same function.
        let later = BackOff::new(ms(1_000), ms(1_000)).unwrap();
        let failover = FailoverConfig::new().retry(Some(later)).warm_software(true);
        let mut encoder = open(&hasty().failover(failover), &BackendOrder::auto()).unwrap().encoder;
        (0..3).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::Nvenc));
        stage.set("FAULT=nvEncEncodePicture:1=20;cuMemHostAlloc:1=hang");
        let error = encoder.encode(&source.places[0].frame(3), Picture::Auto).unwrap_err();
        assert!(
            matches!(error, Error::Frame(FrameError::TimedOut { call: "cuMemHostAlloc", .. })),
            "{error:?}"
        );
        source.change_places();
        let pixels = source.camera.i420(3);
        let deadline = Instant::now() + PATIENCE;
        while encoder.encode(&host_frame(&pixels, 3), Picture::Auto).unwrap().backend != Backend::Nvenc {
            assert!(Instant::now() < deadline, "never came back");
            std::thread::sleep(ms(2));
        }
        let error = encoder.forget_cuda(None).unwrap_err();
        assert!(matches!(error, Error::StillInUse(_)), "{error:?}");
        stage.set("FAULT=");
        until_forgotten(&mut encoder);
        drop((source, encoder));
        stage.assert_clean_soon("a stand-in whose call hangs");
    });
}

/// Whatever NVENC says where it opens sessions in a lost context: also that there are none to be had, which passes.
#[test]
fn attempts_end_where_the_context_is_lost_whatever_nvenc_says() {
    let test = "attempts_end_where_the_context_is_lost_whatever_nvenc_says";
    let faults = ["nvEncOpenEncodeSessionEx:*=10", "nvEncOpenEncodeSessionEx:*=20"];
    with_each_cause_as_child(test, &faults, |fault, cause| {
        let stage = Double::get().load();
        let device = Device::new();
        let mut encoder = open(&eager(), &BackendOrder::auto()).unwrap().encoder;
        assert_eq!(encoder.backend(), Backend::OpenH264);
        let pixels = picture::Camera::new(small()).i420(0);
        let opened = || stage.report().calls("nvEncOpenEncodeSessionEx");
        let (before, deadline) = (opened(), Instant::now() + PATIENCE);
        while opened() < before + 2 {
            assert!(Instant::now() < deadline, "{fault}: not tried again");
            encoder.encode(&host_frame(&pixels, 0), Picture::Auto).unwrap();
        }
        kill_context_of(&stage, &device, cause);
        stage.set(&format!("FAULT={fault}"));
        assert_not_tried_again(&stage, &mut encoder, &pixels);
        drop(encoder);
        std::mem::forget(device);
    });
}

/// The causes of a dead context: the caller's own work, such as a kernel that reads where nothing is; or a GPU that fell
/// off the bus.
const CAUSES: [&str; 2] = ["700", "lost"];

/// Kills the context in a call of the caller.
fn kill_context_of(stage: &Stage, device: &Device, cause: &str) {
    device.context.bind_to_thread().unwrap();
    stage.set(&format!("FAULT=cuStreamSynchronize:1={cause}"));
    device.stream.synchronize().unwrap_err();
}

/// NVENC has no word for it: whichever call is the first to fail, CUDA is asked.
#[test]
fn a_context_that_died_unseen_is_not_tried_again() {
    let faults = ["nvEncEncodePicture:1=20", "nvEncLockBitstream:1=20", "nvEncReconfigureEncoder:1=20"];
    let test = "a_context_that_died_unseen_is_not_tried_again";
    with_each_cause_as_child(test, &faults, a_context_dies_before);
}

/// Tries each fault after each cause, in processes of their own.
fn with_each_cause_as_child(test: &str, faults: &[&str], check: impl FnOnce(&str, &str)) {
    for (fault, cause) in faults.iter().flat_map(|fault| CAUSES.map(|cause| (fault, cause))) {
        if !passed_as_child(test, &[("FAULT", fault), ("WHICH", cause)]) {
            let mine = |key| std::env::var(key).unwrap();
            return check(&mine("D264_DOUBLE_FAULT"), &mine("D264_DOUBLE_WHICH"));
        }
    }
}

fn a_context_dies_before(fault: &str, cause: &str) {
    let stage = Double::get().load();
    stage.set("FAULT=");
    let device = Device::new();
    let mut encoder = open(&eager(), &BackendOrder::auto()).unwrap().encoder;
    let pixels = picture::Camera::new(small()).i420(0);
    for number in 0..3 {
        encoder.encode(&host_frame(&pixels, number), Picture::Auto).unwrap();
    }
    kill_context_of(&stage, &device, cause);
    stage.set(&format!("FAULT={fault}"));
    if fault.starts_with("nvEncReconfigureEncoder") {
        encoder.set_bitrate(direct264::Bitrate::from_kbps(200).unwrap()).unwrap();
    }
    assert_eq!(encoder.encode(&host_frame(&pixels, 3), Picture::Auto).unwrap().backend, Backend::OpenH264);
    assert_not_tried_again(&stage, &mut encoder, &pixels);
    assert_eq!(encoder.counters().fallbacks, 1);
    drop(encoder);
    std::mem::forget(device);
}

/// The stream is in software and attempts at the hardware go on when a frame shows that its context is lost.
#[test]
fn a_context_that_dies_while_hardware_is_tried_again_ends_that() {
    let test = "a_context_that_dies_while_hardware_is_tried_again_ends_that";
    with_each_fault_as_child(test, &["cuStreamQuery:1=719", "cuStreamQuery:1=lost"], |fault| {
        let stage = Double::get().load();
        let mut source = Source::new();
        stage.set("FAULT=\nSESSIONS=0");
        let mut encoder = open(&eager(), &BackendOrder::auto()).unwrap().encoder;
        (0..3).for_each(|_| assert_eq!(source.encode(&mut encoder), Backend::OpenH264));
        stage.set(&format!("FAULT={fault}"));
        let frame = source.places[0].frame(3);
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Frame(FrameError::Unreadable(Unreadable::Driver(why))) => {
                assert_eq!((why.call, why.is_context_lost), ("cuStreamQuery", true));
            }
            other => panic!("{other:?}"),
        }
        assert_not_tried_again(&stage, &mut encoder, &source.camera.i420(4));
        drop(encoder);
        std::mem::forget(source);
    });
}

/// Within the session, into a new one, in software and back on hardware: the size follows the frame.
#[test]
fn the_size_of_frames_in_device_memory_is_followed_on_either_backend() {
    let stage = Double::get().load();
    let config = eager().max_size(size(176, 144));
    let mut encoder = open(&config, &BackendOrder::auto()).unwrap().encoder;
    let device = Device::new();
    let mut units: Vec<OwnedAccessUnit> = Vec::new();
    let mut places = Vec::new();
    let mut encode = |encoder: &mut FailoverEncoder, size| {
        let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
        let i420 = picture::Camera::new(size).i420(units.len() as u32);
        place.write(&device, &nv12(size, &i420));
        let unit = encoder.encode(&place.frame(units.len() as i64), Picture::Auto).unwrap().to_owned();
        device.stream.synchronize().unwrap();
        let (backend, is_idr) = (unit.backend, unit.is_idr);
        if is_idr && let Some(shown) = decode::ffmpeg(&unit.bytes, size) {
            assert!(picture::psnr(&shown[0], &i420) > 28.0, "{size} on {backend}");
        }
        places.push(place);
        units.push(unit);
        (backend, is_idr)
    };
    let sizes = [size(176, 144), size(208, 160), small()];
    for (backend, setting) in
        [(Backend::Nvenc, ""), (Backend::OpenH264, "FAULT=nvEncEncodePicture:1=20\nSESSIONS=0")]
    {
        stage.set(setting);
        for size in sizes {
            assert_eq!(encode(&mut encoder, size), (backend, true), "{size}");
            assert_eq!(encode(&mut encoder, size), (backend, false), "{size}");
            assert_eq!(encoder.size(), size);
        }
    }
    stage.set("SESSIONS=100");
    let deadline = Instant::now() + PATIENCE;
    while encode(&mut encoder, small()).0 != Backend::Nvenc {
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(ms(2));
    }
    for size in sizes {
        assert_eq!(encode(&mut encoder, size), (Backend::Nvenc, true), "{size}");
    }
    encoder.forget_cuda(None).unwrap();
    drop((encoder, places, device));
    stage.assert_clean_soon("followed sizes");
}
