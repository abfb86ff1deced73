//! Pictures that no prediction sees coming: the frame still comes out.
#![allow(clippy::unwrap_used)]

use crate::common::{config, decode, encode, encoders, picture, size};
use direct264::{OwnedAccessUnit, Picture};

#[test]
fn noise_after_a_flat_picture_loses_no_frame_as_an_idr_or_not() {
    for (width, height) in [(64, 64), (320, 240), (640, 360), (1280, 720)] {
        let size = size(width, height);
        let flat = vec![100; direct264::PixelFormat::I420.frame_bytes(size)];
        for noise_is in [Picture::Auto, Picture::Idr] {
            for mut encoder in encoders(&config(size, 30, 20_000)) {
                let mut units: Vec<OwnedAccessUnit> =
                    (0..40).map(|number| encode(&mut *encoder, &flat, number, Picture::Auto)).collect();
                for number in 40..44 {
                    let picture = if number == 40 { noise_is } else { Picture::Auto };
                    units.push(encode(&mut *encoder, &picture::noise(size, number as u32), number, picture));
                }
                let bytes: Vec<usize> = units[38..].iter().map(|unit| unit.bytes.len()).collect();
                let decoded = decode::openh264(units.iter().map(|unit| &unit.bytes[..]));
                assert_eq!(decoded.len(), 44, "{size} {noise_is:?}: {bytes:?}");
            }
        }
    }
}

#[test]
fn noise_at_the_finest_quantiser_overflows_the_library_and_still_no_frame_is_lost() {
    for (width, height) in [(64, 64), (640, 360), (1280, 720)] {
        let size = size(width, height);
        for picture in [Picture::Auto, Picture::Idr] {
            let fine = config(size, 30, 20_000).qp_range(direct264::QpRange::new(0, 0).unwrap());
            for mut encoder in encoders(&fine) {
                let flat = vec![100; direct264::PixelFormat::I420.frame_bytes(size)];
                let mut units = vec![encode(&mut *encoder, &flat, 0, Picture::Auto)];
                for number in 1..6 {
                    units.push(encode(&mut *encoder, &picture::noise(size, number as u32), number, picture));
                }
                let decoded = decode::openh264(units.iter().map(|unit| &unit.bytes[..]));
                assert_eq!(decoded.len(), 6, "{size}");
            }
        }
    }
}
