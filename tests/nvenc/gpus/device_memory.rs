//! Frames in the memory of a GPU that is not the encoder's, or that has no encoder.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{on, on_gpu};
use crate::common::device::{self, Device, DevicePicture};
use crate::common::live::PATIENCE;
use crate::common::{config, encode_run, picture, size};
use d264_double::{Double, Part};
use direct264::config::{BackOff, FailoverConfig, GpuChoice};
use direct264::error::FrameError;
use direct264::nvenc::{NvencEncoder, probe};
use direct264::openh264::OpenH264Encoder;
use direct264::{Backend, BackendOrder, Encoder, Error, Picture, PixelFormat, Reason};

#[test]
fn a_frame_on_another_gpu_than_the_encoder_is_refused_in_words_and_software_reads_it_anywhere() {
    let test = "a_frame_on_another_gpu_than_the_encoder_is_refused_in_words_and_software_reads_it_anywhere";
    on(Part::All, "nvenc:NVIDIA L4,none:NVIDIA H100,nvenc:NVIDIA T4", test, || {
        let stage = Double::get().load();
        let size = size(320, 240);
        let pixels = device::nv12(size, &picture::Camera::new(size).i420(0));
        let devices = [0, 1, 2].map(Device::on);
        let pictures = devices
            .each_ref()
            .map(|device| DevicePicture::written(device, size, PixelFormat::Nv12, 512, &pixels));
        for (gpu, others) in [(0, [1, 2]), (2, [0, 1])] {
            let config = on_gpu(GpuChoice::Index(gpu));
            let failover = direct264::open(&config, &BackendOrder::auto()).unwrap().encoder;
            let encoders: [Box<dyn Encoder>; 2] =
                [Box::new(NvencEncoder::new(&config).unwrap()), Box::new(failover)];
            for mut encoder in encoders {
                for other in others {
                    match encoder.encode(&pictures[other].frame(0), Picture::Auto) {
                        Err(Error::Frame(error)) => {
                            let expected = FrameError::OtherGpu { frame: other as i32, encoder: gpu as i32 };
                            assert_eq!(error, expected);
                            let words = error.to_string();
                            assert!(words.contains(&format!("on GPU {other}")), "{words}");
                            assert!(words.contains(&format!("on GPU {gpu}")), "{words}");
                        }
                        other => panic!("{:?}", other.map(|unit| unit.bytes.len())),
                    }
                }
                assert!(encoder.encode(&pictures[gpu as usize].frame(1), Picture::Auto).unwrap().is_idr);
                assert_eq!(encoder.backend(), Backend::Nvenc);
                encoder.forget_cuda(None).unwrap();
            }
        }
        let mut software = OpenH264Encoder::new(&on_gpu(GpuChoice::Any)).unwrap();
        for (picture, number) in pictures.iter().zip(0..) {
            software.encode(&picture.frame(number), Picture::Auto).unwrap();
        }
        drop((software, pictures, devices));
        stage.report().assert_clean("frames on several GPUs");
    });
}

/// The encoder that is ready is kept for the next frame that it can read.
#[test]
fn a_frame_of_another_gpu_does_not_keep_a_stream_in_software() {
    let test = "a_frame_of_another_gpu_does_not_keep_a_stream_in_software";
    on(Part::All, "nvenc:NVIDIA L4,none:NVIDIA H100", test, || {
        let stage = Double::get().load();
        stage.set("CAPS=WIDTH_MAX=320,HEIGHT_MAX=240");
        let soon = BackOff::new(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
        let small = size(160, 96);
        let device = Device::on(1);
        let pixels = device::nv12(small, &picture::Camera::new(small).i420(0));
        let elsewhere = DevicePicture::written(&device, small, PixelFormat::Nv12, 256, &pixels);
        // Left for a size that it does not take, and for a failure.
        for is_for_size in [true, false] {
            let config = config(small, 30, 300).failover(FailoverConfig::new().retry(Some(soon)));
            let mut encoder = direct264::open(&config, &BackendOrder::auto()).unwrap().encoder;
            encode_run(&mut encoder, 0, 2);
            let encoded = || stage.report().calls("nvEncUnlockBitstream");
            let before = encoded();
            if is_for_size {
                encoder.set_size(size(400, 96)).unwrap();
                encode_run(&mut encoder, 2, 1);
                encoder.set_size(small).unwrap();
            } else {
                stage.set("FAULT=nvEncEncodePicture:1=20");
                encode_run(&mut encoder, 2, 1);
            }
            assert_eq!(encoder.backend(), Backend::OpenH264);
            // The hardware is ready as soon as it has encoded a picture of its own.
            let deadline = Instant::now() + PATIENCE;
            while encoded() == before {
                assert!(Instant::now() < deadline, "was not tried again");
                std::thread::sleep(Duration::from_millis(1));
            }
            let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
            for number in 3..23 {
                let unit = encoder.encode(&elsewhere.frame(number), Picture::Auto).unwrap();
                assert_eq!(unit.backend, Backend::OpenH264);
                std::thread::sleep(Duration::from_millis(5));
            }
            let deadline = Instant::now() + PATIENCE;
            let unit = loop {
                let unit = encode_run(&mut encoder, 23, 1).remove(0);
                if unit.backend == Backend::Nvenc {
                    break unit;
                }
                assert!(Instant::now() < deadline, "never came back");
                std::thread::sleep(Duration::from_millis(2));
            };
            assert!(unit.is_idr);
            assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), opened, "what was found is kept");
        }
        drop((elsewhere, device));
        stage.assert_clean_soon("frames of another GPU at a return");
    });
}

/// Where no GPU encodes, a stream of frames in device memory is encoded in software, to the very bytes that the same
/// pictures in host memory give there.
fn in_software_from_device_memory(reason: Reason) {
    // A driver is looked for once. The stage loads all of it, also what this process has not got.
    assert_eq!(probe().encoder().unwrap_err().reason, reason);
    let stage = Double::get().load();
    let size = size(320, 240);
    let open = || direct264::open(&on_gpu(GpuChoice::Any), &BackendOrder::auto()).unwrap();
    let (mut host, opened) = (open().encoder, open());
    let passed_over: Vec<_> = opened.passed_over.iter().map(|why| (why.backend, why.reason)).collect();
    assert_eq!(passed_over, [(Backend::Nvenc, reason)]);
    let mut encoder = opened.encoder;
    let device = Device::new();
    let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
    let camera = picture::Camera::new(size);
    for number in 0..6 {
        let pixels = device::nv12(size, &camera.i420(number));
        place.write(&device, &pixels);
        let timestamp = direct264::Timestamp(i64::from(number));
        let frame = direct264::Frame::contiguous(size, PixelFormat::Nv12, &pixels, timestamp).unwrap();
        let expected = host.encode(&frame, Picture::Auto).unwrap();
        let unit = encoder.encode(&place.frame(i64::from(number)), Picture::Auto).unwrap();
        assert_eq!(unit.backend, Backend::OpenH264);
        assert!(unit.bytes == expected.bytes, "frame {number}");
    }
    encoder.forget_cuda(None).unwrap();
    drop((host, encoder, place, device));
    stage.report().assert_clean("frames on a GPU that does not encode");
}

#[test]
fn frames_on_a_gpu_without_an_encoder_are_encoded_in_software() {
    let test = "frames_on_a_gpu_without_an_encoder_are_encoded_in_software";
    on(Part::All, "none:NVIDIA H100", test, || in_software_from_device_memory(Reason::NoEncoderOnGpu));
}

#[test]
fn frames_on_a_gpu_whose_encode_library_is_missing_are_encoded_in_software() {
    let test = "frames_on_a_gpu_whose_encode_library_is_missing_are_encoded_in_software";
    on(Part::CudaOnly, "nvenc:NVIDIA H100", test, || {
        in_software_from_device_memory(Reason::NoVideoCapability);
    });
}
