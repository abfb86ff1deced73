//! Every size from the smallest to the largest, odd ones, and changes of size in the middle of a stream.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::num::NonZeroU8;

use crate::common::{
    config, decode, encode, encode_run, encoders, encoders_and_from_device, picture, size, sps, stream,
};
use direct264::error::ConfigError;
use direct264::openh264::OpenH264Encoder;
use direct264::units::OutOfRange;
use direct264::{Error, EventKind, Frame, FrameSize, Picture, PixelFormat, Timestamp};

#[test]
fn sizes_from_one_macroblock_up_are_coded_and_cropped_to_what_they_are() {
    let sizes =
        [(16, 16), (18, 16), (16, 256), (64, 48), (176, 144), (130, 98), (642, 362), (854, 480), (1366, 768)];
    for (width, height) in sizes {
        let size = size(width, height);
        for mut encoder in encoders(&config(size, 30, 1_000)) {
            let units = encode_run(&mut *encoder, 0, 4);
            assert_eq!(sps::first(&units[0].bytes).pixel_dimensions().unwrap(), (width, height));
            let Some(decoded) = decode::ffmpeg(&stream(&units), size) else { return };
            let camera = picture::Camera::new(size);
            for (number, decoded) in (0..).zip(&decoded) {
                let psnr = picture::psnr(decoded, &camera.i420(number));
                assert!(psnr > 28.0, "{size}, picture {number}: {psnr} dB");
            }
            assert_eq!(decoded.len(), 4, "{size}");
        }
    }
}

#[test]
fn the_largest_picture_that_a_level_holds_is_coded() {
    for size in [size(4096, 2304), size(2304, 4096), size(8192, 1152)] {
        let mut encoder = OpenH264Encoder::new(&config(size, 30, 20_000)).unwrap();
        let flat = vec![100; PixelFormat::I420.frame_bytes(size)];
        let unit = encode(&mut encoder, &flat, 0, Picture::Auto);
        assert_eq!(decode::openh264([&unit.bytes[..]].into_iter()).len(), 1, "{size}");
    }
}

#[test]
fn what_the_library_cannot_take_is_refused_with_the_limit_before_anything_is_opened() {
    let refused =
        |width, height| match OpenH264Encoder::new(&config(size(width, height), 30, 1_000)).unwrap_err() {
            Error::Config(error) => error,
            error => panic!("{error:?}"),
        };
    assert_eq!(
        refused(14, 64),
        OutOfRange::Size { width: 14, height: 64, min_side: 16, max_side: 8_688 }.into()
    );
    assert!(matches!(refused(64, 8), ConfigError::OutOfRange(OutOfRange::Size { min_side: 16, .. })));
    assert!(
        matches!(refused(1, 1), ConfigError::OutOfRange(OutOfRange::Size { width: 1, height: 1, .. })),
        "as given, not as padded"
    );
    assert!(matches!(refused(9_000, 256), ConfigError::OutOfRange(OutOfRange::Size { max_side: 8_688, .. })));
    let too_many = refused(7680, 4320);
    assert!(matches!(too_many, ConfigError::Area { macroblocks: 129_600, max_macroblocks: 36_864, .. }));
    assert!(too_many.to_string().contains("7680x4320"), "{too_many}");
    assert!(matches!(refused(4096, 2306), ConfigError::Area { .. }));
}

#[test]
fn an_odd_picture_is_padded_by_repeating_its_last_column_and_row() {
    for (width, height) in [(35, 33), (64, 33), (35, 64), (321, 241)] {
        let size = size(width, height);
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            for mut encoder in encoders(&config(size, 30, 2_000)) {
                let coded = encoder.coded_size();
                assert_eq!((coded.width(), coded.height()), (width + width % 2, height + height % 2));
                let camera = picture::Camera::new(size);
                let i420 = camera.i420(0);
                let pixels = if format == PixelFormat::Nv12 { to_nv12(size, &i420) } else { i420.clone() };
                let frame = Frame::contiguous(size, format, &pixels, Timestamp(0)).unwrap();
                let unit = encoder.encode(&frame, Picture::Auto).unwrap().to_owned();
                assert_eq!(
                    sps::first(&unit.bytes).pixel_dimensions().unwrap(),
                    (coded.width(), coded.height())
                );
                let Some(decoded) = decode::ffmpeg(&unit.bytes, coded) else { return };
                let psnr = picture::psnr(&decoded[0], &padded(size, &i420));
                assert!(psnr > 34.0, "{size} {format:?}: {psnr} dB");
            }
        }
    }
}

#[test]
fn a_change_of_size_starts_with_an_idr_of_the_new_size_and_nothing_is_lost() {
    let sizes = [
        size(640, 360),
        size(1280, 720),
        size(320, 180),
        size(642, 362),
        size(641, 361),
        size(642, 362),
        size(321, 181),
    ];
    for mut encoder in encoders_and_from_device(&config(sizes[0], 30, 1_500).max_size(size(1280, 720))) {
        let mut first = 0;
        for &size in &sizes {
            encoder.set_size(size).unwrap();
            assert_eq!(encoder.size(), size);
            let units = encode_run(&mut *encoder, first, 5);
            first += 5;
            assert!(units[0].is_idr, "{size}");
            assert!(units[1..].iter().all(|unit| !unit.is_idr), "{size}");
            let coded = size.padded_to_even();
            assert_eq!(
                sps::first(&units[0].bytes).pixel_dimensions().unwrap(),
                (coded.width(), coded.height())
            );
            let Some(decoded) = decode::ffmpeg(&stream(&units), coded) else { return };
            assert_eq!(decoded.len(), 5, "{size}");
        }
        let recreated: Vec<_> = encoder
            .take_events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Recreated { size, .. } => Some((event.frame_id.0, size)),
                _ => None,
            })
            .collect();
        // The first `set_size` changed nothing.
        let expected: Vec<_> = (1..sizes.len()).map(|at| (5 * at as u64, sizes[at])).collect();
        assert_eq!(recreated, expected);
    }
}

#[test]
fn a_size_that_cannot_be_taken_leaves_the_encoder_as_it_was() {
    // One row of macroblocks is too few for the slices, whether the session could hold the size or not.
    let config = config(size(320, 240), 30, 500).slices(NonZeroU8::new(4));
    for mut encoder in encoders(&config) {
        encode_run(&mut *encoder, 0, 3);
        for (wrong, is_side) in [(size(8, 8), true), (size(320, 16), false), (size(640, 16), false)] {
            match encoder.set_size(wrong).unwrap_err() {
                Error::Config(ConfigError::OutOfRange(_)) => assert!(is_side),
                Error::Config(ConfigError::Slices { slices: 4, max: 1 }) => assert!(!is_side),
                other => panic!("{wrong}: {other:?}"),
            }
        }
        let units = encode_run(&mut *encoder, 3, 3);
        assert!(units.iter().all(|unit| !unit.is_idr));
    }
}

fn to_nv12(size: FrameSize, i420: &[u8]) -> Vec<u8> {
    let luma = (size.width() * size.height()) as usize;
    let (y, chroma) = i420.split_at(luma);
    let (u, v) = chroma.split_at(chroma.len() / 2);
    y.iter().copied().chain(u.iter().zip(v).flat_map(|(&u, &v)| [u, v])).collect()
}

/// What an I420 picture of odd size looks like when its last luma column and row are repeated.
fn padded(size: FrameSize, i420: &[u8]) -> Vec<u8> {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let coded = size.padded_to_even();
    let (y, chroma) = i420.split_at(width * height);
    (0..coded.height() as usize)
        .flat_map(|row| (0..coded.width() as usize).map(move |column| (row, column)))
        .map(|(row, column)| y[row.min(height - 1) * width + column.min(width - 1)])
        .chain(chroma.iter().copied())
        .collect()
}
