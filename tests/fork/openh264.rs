//! A process that was forked off one in which openh264 has threads: nothing waits for threads that are not there.
#![allow(clippy::panic, clippy::unwrap_used)]

use crate::common::device::{Device, DevicePicture};
use crate::common::{config, encode_run, picture, size};
use d264_double::{Double, in_a_fork, passed_as_child};
use direct264::config::{CallForm, NvencConfig};
use direct264::error::{FrameError, Unreadable};
use direct264::openh264::OpenH264Encoder;
use direct264::{Encoder, EncoderConfig, Error, Frame, Picture, PixelFormat, Reason, Timestamp};

#[test]
fn a_forked_process_loses_the_encoder_and_may_open_another() {
    if passed_as_child("a_forked_process_loses_the_encoder_and_may_open_another", &[]) {
        return;
    }
    let threads = std::num::NonZeroU8::new(2);
    let config = config(size(640, 360), 30, 900).threads(threads);
    // A picture of this size has one slice and needs no second thread.
    let mut grown = OpenH264Encoder::new(&config).unwrap();
    grown.set_size(size(1280, 720)).unwrap();
    let config = config.slices(threads);
    for opened in [OpenH264Encoder::new(&config).unwrap(), grown] {
        fork_off(opened, &config);
    }
}

fn fork_off(encoder: OpenH264Encoder, config: &EncoderConfig) {
    let mut encoder = Some(encoder);
    encode_run(encoder.as_mut().unwrap(), 0, 3);
    in_a_fork(|| {
        let mut lost = encoder.take().unwrap();
        let pixels = picture::Camera::new(lost.size()).i420(3);
        let frame = Frame::contiguous(lost.size(), PixelFormat::I420, &pixels, Timestamp(3)).unwrap();
        match lost.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Ended(why) => assert_eq!(why.reason, Reason::Forked),
            other => panic!("{other:?}"),
        }
        drop(lost);
        let mut another = OpenH264Encoder::new(config).unwrap();
        assert_eq!(encode_run(&mut another, 0, 5).len(), 5);
        another.set_size(size(1280, 720)).unwrap();
        assert_eq!(encode_run(&mut another, 5, 2).len(), 2);
    });
    // The parent goes on as if nothing had been.
    assert_eq!(encode_run(encoder.as_mut().unwrap(), 3, 3).len(), 3);
}

/// A frame in device memory is read by a thread, which a forked process has not got, or with CUDA, which does not work there.
#[test]
fn a_forked_process_reads_no_device_memory_and_says_so_at_once() {
    if passed_as_child("a_forked_process_reads_no_device_memory_and_says_so_at_once", &[]) {
        return;
    }
    let stage = Double::get().load();
    let size = size(320, 240);
    let device = Device::new();
    let pixels = vec![99; PixelFormat::Nv12.frame_bytes(size)];
    let place = DevicePicture::written(&device, size, PixelFormat::Nv12, 512, &pixels);
    let bounded = config(size, 30, 900);
    let direct = bounded.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    for config in [bounded, direct] {
        let mut encoder = Some(OpenH264Encoder::new(&config).unwrap());
        encoder.as_mut().unwrap().encode(&place.frame(0), Picture::Auto).unwrap();
        in_a_fork(|| refuse_device_memory_alone(encoder.take().unwrap(), &place));
        encoder.as_mut().unwrap().encode(&place.frame(1), Picture::Auto).unwrap();
    }
    drop((place, device));
    stage.report().assert_clean("a forked process");
}

fn refuse_device_memory_alone(mut of_parent: OpenH264Encoder, place: &DevicePicture) {
    match of_parent.encode(&place.frame(1), Picture::Auto).unwrap_err() {
        Error::Frame(FrameError::Unreadable(Unreadable::Unavailable(why))) => {
            assert_eq!(why.reason, Reason::Forked);
        }
        other => panic!("{other:?}"),
    }
    // What lies in host memory is encoded here too.
    assert_eq!(encode_run(&mut of_parent, 2, 3).len(), 3);
    drop(of_parent);
}
