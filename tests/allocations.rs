//! At a steady state the library allocates nothing for a frame of any format.
//!
//! A test binary of its own with one test, so that nobody else allocates meanwhile. What the C library allocates by
//! itself is not counted.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::atomic::Ordering;

use common::counting::{ALLOCATIONS, Counting, leave_out_the_main_thread};
use common::device::{self, Device, DevicePicture};
use common::{LIMITS, config, encoders, nvenc, picture, size};
use direct264::config::{CallForm, FailoverConfig, NvencConfig};
use direct264::frame::RgbOrder;
use direct264::openh264::OpenH264Encoder;
use direct264::{
    BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameSize, Picture, Pipeline, PixelFormat,
    Timestamp, open,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The backends by themselves, NVENC in both of its forms.
fn plain(config: &EncoderConfig) -> Vec<(String, Box<dyn Encoder>)> {
    let encoders = encoders(config).into_iter().map(|encoder| (encoder.backend().to_string(), encoder));
    let direct: Box<dyn Encoder> = Box::new(nvenc(&in_form(config, CallForm::Direct)));
    encoders.chain([("nvenc, direct".to_owned(), direct)]).collect()
}

fn in_form(config: &EncoderConfig, form: CallForm) -> EncoderConfig {
    config.clone().nvenc(NvencConfig::new().form(form))
}

/// A format that is encoded as it is and one that is converted, for what is the same for all formats.
const TWO_FORMATS: [PixelFormat; 2] = [PixelFormat::I420, PixelFormat::Rgb(RgbOrder::Bgra)];

/// The backends by themselves, and the encoder that changes them: with either active, and with one kept warm.
fn everyone(config: &EncoderConfig, format: PixelFormat) -> Vec<(String, Box<dyn Encoder>)> {
    let plain = plain(config).into_iter();
    let warm = config.clone().failover(FailoverConfig::new().warm_software(true));
    if config.size() != size(640, 360) || !TWO_FORMATS.contains(&format) {
        return plain.collect();
    }
    let failover = [
        ("failover", config, BackendOrder::auto()),
        ("failover, warm", &warm, BackendOrder::auto()),
        ("failover, in software", config, "openh264".parse().unwrap()),
    ];
    let failover = failover.map(|(who, config, order)| {
        let encoder: Box<dyn Encoder> = Box::new(open(config, &order).unwrap().encoder);
        (format!("{who}: {}", encoder.backend()), encoder)
    });
    plain.chain(failover).collect()
}

#[test]
fn a_frame_at_a_steady_state_allocates_nothing() {
    leave_out_the_main_thread();
    count_frames_in_device_memory();
    count_lent_frames();
    count_frames_in_flight();
    for (size, kbps) in [(size(640, 360), 1_000), (size(1280, 720), 2_000), (size(321, 179), 500)] {
        // In a picture of two slices no format is treated otherwise.
        let has_two_slices = size.height() == 720;
        for (name, format) in PixelFormat::NAMED {
            if has_two_slices && !TWO_FORMATS.contains(&format) {
                continue;
            }
            for (who, mut encoder) in everyone(&config(size, 30, kbps), format) {
                // Enough distinct pictures that sizes settle; made before anything is counted.
                let camera = picture::Camera::new(size);
                let pictures: Vec<Vec<u8>> = (0..8)
                    .map(|number| {
                        let mut bytes = camera.i420(number);
                        bytes.resize(format.frame_bytes(size), 77);
                        bytes
                    })
                    .collect();
                let run = |encoder: &mut dyn Encoder, frames: i64, picture: Picture| {
                    for number in 0..frames {
                        let pixels = &pictures[number as usize % pictures.len()];
                        let frame = Frame::contiguous(size, format, pixels, Timestamp(number)).unwrap();
                        let unit = encoder.encode(&frame, picture).unwrap();
                        assert!(!unit.bytes.is_empty());
                    }
                };
                // The output buffer grows to the largest access unit, which is an IDR.
                run(&mut *encoder, 3, Picture::Idr);
                run(&mut *encoder, 20, Picture::Auto);
                encoder.take_events();
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                run(&mut *encoder, 30, Picture::Auto);
                let events = encoder.take_events();
                let after = ALLOCATIONS.load(Ordering::Relaxed);
                assert!(events.is_empty());
                assert_eq!(after - before, 0, "{who} {size} {name}");
                encoder.set_bitrate(Bitrate::from_kbps(kbps / 2).unwrap()).unwrap();
            }
        }
    }
}

/// The same for the pipelined form of every encoder.
fn count_frames_in_flight() {
    let size = size(640, 360);
    let config = config(size, 30, 1_000);
    let open = |order: &str| Pipeline::new(open(&config, &order.parse().unwrap()).unwrap().encoder);
    count_in(&mut Pipeline::new(nvenc(&config)), size, "nvenc");
    count_in(&mut open("auto"), size, "failover");
    count_in(&mut open("openh264"), size, "failover, in software");
    let direct = config.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    count_in(&mut Pipeline::new(nvenc(&direct)), size, "nvenc, direct");
}

fn count_in<E: Encoder>(pipeline: &mut Pipeline<E>, size: FrameSize, who: &str) {
    let device = Device::new();
    let pixels = vec![77; PixelFormat::Nv12.frame_bytes(size)];
    let place = DevicePicture::written(&device, size, PixelFormat::Nv12, 640, &pixels);
    let camera = picture::Camera::new(size);
    let pictures: Vec<Vec<u8>> = (0..8).map(|number| camera.i420(number)).collect();
    for (way, on_device) in [
        ("from the host", None),
        ("in place", Some(place.image)),
        ("copied on the GPU", Some(place.image.freed_soon())),
    ] {
        let run = |pipeline: &mut Pipeline<E>, frames: usize, picture: Picture| {
            let mut units = 0;
            for number in 0..frames {
                let pixels = &pictures[number % pictures.len()];
                let host = Frame::contiguous(size, PixelFormat::I420, pixels, Timestamp(0)).unwrap();
                let frame = on_device.map_or(host, |image| device::frame(size, image, 0));
                for unit in pipeline.submit(&frame, picture).unwrap() {
                    units += usize::from(!unit.unwrap().bytes.is_empty());
                }
            }
            units
        };
        // Each of the buffers that go round, three at most, grows to the largest access unit.
        run(pipeline, 12, Picture::Idr);
        run(pipeline, 72, Picture::Auto);
        pipeline.encoder_mut().take_events();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        assert_eq!(run(pipeline, 30, Picture::Auto), 30);
        let events = pipeline.encoder_mut().take_events();
        let after = ALLOCATIONS.load(Ordering::Relaxed);
        assert!(events.is_empty(), "{events:?}");
        assert_eq!(after - before, 0, "pipeline, {who}, {way}");
    }
    pipeline.flush().unwrap();
    pipeline.encoder_mut().forget_cuda(None).unwrap();
}

/// The same for frames in device memory.
fn count_frames_in_device_memory() {
    let size = size(640, 360);
    let config = config(size, 30, 1_000);
    // In this form the caller's thread fetches.
    let direct: Box<dyn Encoder> =
        Box::new(OpenH264Encoder::new(&in_form(&config, CallForm::Direct)).unwrap());
    for (who, mut encoder) in plain(&config).into_iter().chain([("openh264, direct".to_owned(), direct)]) {
        let device = Device::new();
        let [nv12, rgba] = [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Rgba)].map(|format| {
            DevicePicture::written(&device, size, format, 2560, &vec![77; format.frame_bytes(size)])
        });
        for (way, image) in [
            ("in place", nv12.image),
            ("copied on the GPU", nv12.image.freed_soon()),
            ("downloaded", rgba.image),
        ] {
            let run = |frames: i64, picture: Picture| {
                for number in 0..frames {
                    let unit = encoder.encode(&device::frame(size, image, number), picture).unwrap();
                    assert!(!unit.bytes.is_empty());
                }
            };
            assert_none(&format!("{who} {way}"), run);
        }
        drop(encoder);
    }
}

/// Asserts that `run` allocates nothing once the buffers have grown: the output buffer grows to the largest access unit.
fn assert_none(what: &str, mut run: impl FnMut(i64, Picture)) {
    run(3, Picture::Idr);
    run(20, Picture::Auto);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    run(30, Picture::Auto);
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(after - before, 0, "{what}");
}

/// The same for frames that NVENC lends.
fn count_lent_frames() {
    for form in [CallForm::Direct, CallForm::Bounded(LIMITS)] {
        let mut encoder = nvenc(&in_form(&config(size(640, 360), 30, 1_000), form));
        let run = |frames: i64, picture: Picture| {
            for number in 0..frames {
                let frame = encoder.lend(PixelFormat::Nv12).unwrap();
                // One that comes back unused takes no memory either.
                drop(encoder.lend(PixelFormat::Nv12).unwrap());
                let unit = encoder.encode_lent(frame, Timestamp(number), picture).unwrap();
                assert!(!unit.bytes.is_empty());
            }
        };
        assert_none(&format!("lent, {form:?}"), run);
    }
}
