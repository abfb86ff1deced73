//! Formats, RGB and lent frames.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use super::{direct, open, small, stage};
use crate::common::{config, decode, picture, size};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::NvencConfig;
use direct264::error::FrameError;
use direct264::frame::RgbOrder;
use direct264::nvenc::{NvencEncoder, PixelsMut};
use direct264::{Encoder, Error, Frame, OwnedAccessUnit, Picture, PixelFormat, Timestamp};

/// One picture in a format, back as I420.
fn through(encoder: &mut NvencEncoder, format: PixelFormat, pixels: &[u8]) -> Vec<u8> {
    let frame = Frame::contiguous(encoder.size(), format, pixels, Timestamp(0)).unwrap();
    let unit = encoder.encode(&frame, Picture::Idr).unwrap().to_owned();
    decode::openh264([&unit.bytes[..]].into_iter()).remove(0)
}

#[test]
fn formats_follow_each_other_and_give_the_same_picture() {
    let stage = stage("");
    let size = size(320, 240);
    let camera = picture::Camera::new(size).i420(3);
    let (luma, chroma) = camera.split_at(320 * 240);
    let (u, v) = chroma.split_at(160 * 120);
    let pairs = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]);
    let nv12: Vec<u8> = luma.iter().copied().chain(pairs).collect();
    let mut encoder = open(&config(size, 30, 4_000));
    for _ in 0..2 {
        for (format, pixels) in [(PixelFormat::I420, &camera), (PixelFormat::Nv12, &nv12)] {
            let shown = through(&mut encoder, format, pixels);
            assert!(picture::psnr(&shown, &camera) > 35.0, "{format:?}");
        }
    }
    drop(encoder);
    stage.report().assert_clean("a change of format");
}

#[test]
fn rgb_of_every_order_and_colour_is_shown_as_it_was_whoever_converts() {
    let stage = stage("");
    let size = size(320, 240);
    let red = |order: RgbOrder| -> Vec<u8> {
        let pixel: &[u8] = match order {
            RgbOrder::Rgb24 => &[255, 0, 0],
            RgbOrder::Bgr24 => &[0, 0, 255],
            RgbOrder::Rgba => &[255, 0, 0, 9],
            RgbOrder::Bgra => &[0, 0, 255, 9],
            other => panic!("{other:?}"),
        };
        pixel.repeat(320 * 240)
    };
    let bt601 = |range| Colour { matrix: ColourMatrix::Bt601, range };
    let bt709 = |range| Colour { matrix: ColourMatrix::Bt709, range };
    let colours = [
        (bt601(ColourRange::Limited), [81, 90, 240]),
        (bt601(ColourRange::Full), [76, 85, 255]),
        (bt709(ColourRange::Limited), [63, 102, 240]),
        (bt709(ColourRange::Full), [54, 99, 255]),
    ];
    for ((colour, expected), converts) in colours.into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let nvenc = NvencConfig::new().converts_rgb(converts);
        let mut encoder = open(&config(size, 30, 2_000).colour(colour).nvenc(nvenc));
        // Frames that NVENC converts are lent, too.
        let by_nvenc = converts || colour == bt601(ColourRange::Limited);
        assert_eq!(encoder.lend(PixelFormat::Rgb(RgbOrder::Rgba)).is_ok(), by_nvenc, "{colour:?}");
        for order in [RgbOrder::Rgb24, RgbOrder::Bgr24, RgbOrder::Rgba, RgbOrder::Bgra] {
            let shown = through(&mut encoder, PixelFormat::Rgb(order), &red(order));
            let (luma, chroma) = shown.split_at(320 * 240);
            let middle = [luma[320 * 100 + 160], chroma[160 * 60 + 80], chroma[160 * 120 + 160 * 60 + 80]];
            for (found, expected) in middle.into_iter().zip(expected) {
                assert!(found.abs_diff(expected) <= 2, "{colour:?} {order:?} {converts}: {middle:?}");
            }
        }
    }
    stage.report().assert_clean("RGB");
}

#[test]
fn a_lent_frame_is_encoded_as_it_was_written_and_two_may_be_out() {
    let stage = stage("");
    let size = size(320, 240);
    let camera = picture::Camera::new(size);
    for config in [config(size, 30, 4_000), direct(config(size, 30, 4_000))] {
        let mut encoder = open(&config);
        let mut units: Vec<OwnedAccessUnit> = Vec::new();
        for number in 0..6 {
            let mut frame = encoder.lend(PixelFormat::I420).unwrap();
            assert_eq!((frame.size(), frame.format()), (size, PixelFormat::I420));
            let next = encoder.lend(PixelFormat::I420).unwrap();
            assert!(matches!(
                encoder.lend(PixelFormat::I420).unwrap_err(),
                Error::Frame(FrameError::AllLent { lent: 2 })
            ));
            let pixels = camera.i420(number);
            if let PixelsMut::I420 { y, u, v } = frame.pixels_mut() {
                let mut from = &pixels[..];
                for (plane, width, height) in [(y, 320, 240), (u, 160, 120), (v, 160, 120)] {
                    for row in plane.bytes.chunks_mut(plane.stride_bytes).take(height) {
                        let (this, rest) = from.split_at(width);
                        row[..width].copy_from_slice(this);
                        from = rest;
                    }
                }
            }
            drop(next);
            let unit = encoder.encode_lent(frame, Timestamp(i64::from(number)), Picture::Auto).unwrap();
            assert_eq!(unit.timestamp, Timestamp(i64::from(number)));
            assert_eq!(unit.times.convert, Duration::ZERO);
            units.push(unit.to_owned());
        }
        for (number, shown) in (0..).zip(decode::openh264(units.iter().map(|unit| &unit.bytes[..]))) {
            assert!(picture::psnr(&shown, &camera.i420(number)) > 33.0, "picture {number}");
        }
    }
    stage.report().assert_clean("lent frames");
}

#[test]
fn a_lent_frame_may_outlive_a_change_of_session_and_the_encoder() {
    let stage = stage("");
    let mut encoder = open(&small());
    let kept = encoder.lend(PixelFormat::Nv12).unwrap();
    let resized = encoder.lend(PixelFormat::Nv12).unwrap();
    encoder.set_size(size(640, 360)).unwrap();
    assert!(matches!(
        encoder.encode_lent(resized, Timestamp(0), Picture::Auto).unwrap_err(),
        Error::Frame(FrameError::Size { .. })
    ));
    encoder.set_size(size(320, 240)).unwrap();
    assert!(encoder.encode_lent(kept, Timestamp(0), Picture::Auto).unwrap().is_idr);
    assert!(matches!(
        encoder.lend(PixelFormat::Rgb(RgbOrder::Rgba)).unwrap_err(),
        Error::Frame(FrameError::NotLent { .. })
    ));
    let late = encoder.lend(PixelFormat::Nv12).unwrap();
    drop(encoder);
    drop(late);
    stage.report().assert_clean("frames that come late");
}
