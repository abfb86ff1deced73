//! A process that was forked off one in which openh264 has threads: nothing waits for threads that are not there.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use common::{config, encode_run, picture, size};
use d264_double::{as_child, in_a_fork};
use direct264::openh264::OpenH264Encoder;
use direct264::{Encoder, EncoderConfig, Error, Frame, Picture, PixelFormat, Reason, Timestamp};

#[test]
fn a_forked_process_loses_the_encoder_and_may_open_another() {
    if let Some(output) = as_child("a_forked_process_loses_the_encoder_and_may_open_another", &[]) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
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
            Error::Driver(why) => assert_eq!(why.reason, Reason::Forked),
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
