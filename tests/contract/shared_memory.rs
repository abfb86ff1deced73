//! Planes in memory that may change while it is read: the same bytes as borrowed planes, and a mixture at worst.
#![allow(clippy::unwrap_used)]
#![expect(unsafe_code, reason = "planes of raw memory are what is tested")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::common::{config, decode, encoders, picture, size};
use direct264::frame::Plane;
use direct264::{Frame, FrameSize, Picture, PixelFormat, Timestamp};

/// A frame whose planes follow each other without padding from `start` on, in memory that may change.
///
/// # Safety
/// The whole frame is readable for `'a`.
unsafe fn shared<'a>(size: FrameSize, format: PixelFormat, start: *const u8, number: i64) -> Frame<'a> {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let (columns, rows) = size.chroma();
    let (columns, rows) = (columns as usize, rows as usize);
    // SAFETY: as the caller promises.
    let plane =
        |from, stride, rows| unsafe { Plane::from_raw(start.wrapping_add(from), stride * rows, stride) };
    let chroma = width * height;
    let time = Timestamp(number);
    match format {
        PixelFormat::I420 => {
            let (u, v) = (plane(chroma, columns, rows), plane(chroma + columns * rows, columns, rows));
            Frame::i420(size, plane(0, width, height), u, v, time)
        }
        PixelFormat::Nv12 => {
            Frame::nv12(size, plane(0, width, height), plane(chroma, 2 * columns, rows), time)
        }
        PixelFormat::Rgb(order) => {
            Frame::rgb(size, order, plane(0, width * order.bytes_per_pixel(), height), time)
        }
        other => panic!("{other:?} is not in host memory"),
    }
    .unwrap()
}

/// Pixels of a format, whatever they show.
fn pixels(size: FrameSize, format: PixelFormat, number: u32) -> Vec<u8> {
    let drawn = picture::Camera::new(size).i420(number);
    (0..format.frame_bytes(size)).map(|at| drawn[(at + at / 7) % drawn.len()]).collect()
}

#[test]
fn planes_that_may_change_give_the_same_stream() {
    for (_, format) in PixelFormat::NAMED {
        for (width, height) in [(320, 240), (177, 145)] {
            let size = size(width, height);
            let config = config(size, 30, 1_500);
            for (mut one, mut other) in encoders(&config).into_iter().zip(encoders(&config)) {
                for number in 0..4 {
                    let pixels = pixels(size, format, number);
                    let frame =
                        Frame::contiguous(size, format, &pixels, Timestamp(i64::from(number))).unwrap();
                    let borrowed = one.encode(&frame, Picture::Auto).unwrap().to_owned();
                    // SAFETY: the pixels outlive the call.
                    let raw = unsafe { shared(size, format, pixels.as_ptr(), i64::from(number)) };
                    let raw = other.encode(&raw, Picture::Auto).unwrap();
                    assert!(borrowed.bytes == raw.bytes, "{format:?} {size} {:?} {number}", raw.backend);
                }
            }
        }
    }
}

#[test]
fn a_plane_that_is_too_short_is_refused_in_either_kind_of_memory() {
    let size = size(64, 48);
    let memory = vec![0; 64 * 48];
    // SAFETY: the vector outlives the plane.
    let raw = unsafe { Plane::from_raw(memory.as_ptr(), memory.len() - 1, 64) };
    let borrowed = Plane::new(&memory[..memory.len() - 1], 64);
    let refused = |y| Frame::i420(size, y, y, y, Timestamp(0)).unwrap_err();
    assert_eq!(refused(raw), refused(borrowed));
    assert!(raw.bytes().is_none());
}

#[test]
fn pictures_that_are_written_meanwhile_are_encoded() {
    let size = size(320, 240);
    for (_, format) in PixelFormat::NAMED {
        for mut encoder in encoders(&config(size, 30, 3_000)) {
            let memory: Vec<AtomicU8> = (0..format.frame_bytes(size)).map(|_| AtomicU8::new(0)).collect();
            let is_done = AtomicBool::new(false);
            let units: Vec<Vec<u8>> = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for value in (0..=u8::MAX).cycle().take_while(|_| !is_done.load(Ordering::Relaxed)) {
                        memory.iter().for_each(|byte| byte.store(value, Ordering::Relaxed));
                    }
                });
                let units = (0..8).map(|number| {
                    // SAFETY: the memory outlives the call.
                    let frame = unsafe { shared(size, format, memory.as_ptr().cast(), number) };
                    encoder.encode(&frame, Picture::Auto).unwrap().bytes.to_vec()
                });
                let units = units.collect();
                is_done.store(true, Ordering::Relaxed);
                units
            });
            assert_eq!(decode::openh264(units.iter().map(|unit| &unit[..])).len(), 8, "{format:?}");
        }
    }
}
