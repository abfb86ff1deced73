//! Pitches and addresses that NVENC cannot read in place: the picture is copied on the GPU, the context lives, and the
//! log tells it once.
#![allow(clippy::panic, clippy::unwrap_used)]

use crate::common::device::{self, Device, DevicePicture};
use crate::common::log::LogKeeper;
use crate::common::{config, encode, picture, size};
use d264_double::{Double, passed_as_child};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::RgbOrder;
use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, EncoderConfig, Picture, PixelFormat};
use tracing::Level;

fn settings(width: u32) -> EncoderConfig {
    let colour = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    let direct = NvencConfig::new().form(CallForm::Direct);
    config(size(width, 64), 30, 2_000).colour(colour).nvenc(direct)
}

/// The widths of the report, each at a pitch without padding; those that are no multiple of 16 kill a context.
#[test]
fn a_pitch_that_is_no_multiple_of_16_is_copied_and_kills_no_context() {
    if passed_as_child("a_pitch_that_is_no_multiple_of_16_is_copied_and_kills_no_context", &[]) {
        return;
    }
    let stage = Double::get().load();
    let device = Device::new();
    for width in [852, 854, 856, 858, 860, 862, 864, 1280, 1920] {
        for format in [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Bgra)] {
            let config = settings(width);
            let row_bytes = if format == PixelFormat::Nv12 { width as usize } else { 4 * width as usize };
            let is_in_place = row_bytes.is_multiple_of(16);
            let size = size(width, 64);
            let place = DevicePicture::new(&device, size, format, row_bytes);
            let log = LogKeeper::default();
            let copies = || stage.report().calls("cuMemcpy2DAsync");
            let what = format!("{width} {format:?}");
            let (mut encoder, mut of_host) =
                (NvencEncoder::new(&config).unwrap(), NvencEncoder::new(&config).unwrap());
            tracing::subscriber::with_default(log.clone(), || {
                for number in 0..4 {
                    let i420 = picture::Camera::new(size).i420(number);
                    let pixels = match format {
                        PixelFormat::Nv12 => device::nv12(size, &i420),
                        _ => i420.iter().copied().cycle().take(format.frame_bytes(size)).collect(),
                    };
                    place.write(&device, &pixels);
                    device.stream.synchronize().unwrap();
                    let before = copies();
                    let unit =
                        encoder.encode(&place.frame(i64::from(number)), Picture::Auto).unwrap().to_owned();
                    assert_eq!(copies() == before, is_in_place, "{what}");
                    if format == PixelFormat::Nv12 {
                        let expected = encode(&mut of_host, &i420, i64::from(number), Picture::Auto);
                        assert!(unit.bytes == expected.bytes, "{what}: frame {number}");
                    }
                }
            });
            let warnings = log.take().into_iter().filter(|line| line.level <= Level::WARN);
            let told = warnings.filter(|line| line.text.contains("multiple of 16")).count();
            assert_eq!(told, usize::from(!is_in_place), "{what}");
            encoder.forget_cuda(None).unwrap();
        }
    }
    // The caller's own work goes on in the context.
    device.stream.synchronize().unwrap();
    drop(device);
    stage.report().assert_clean("pitches");
}

/// A picture within a larger one starts at any address.
#[test]
fn an_address_that_is_no_multiple_of_16_is_copied_and_kills_no_context() {
    if passed_as_child("an_address_that_is_no_multiple_of_16_is_copied_and_kills_no_context", &[]) {
        return;
    }
    let stage = Double::get().load();
    let device = Device::new();
    let config = settings(320);
    let size = size(320, 64);
    let memory = device.memory(1024 * 128);
    let mut encoder = NvencEncoder::new(&config).unwrap();
    for offset in [0, 4, 8, 12, 16, 20, 100, 128, 256] {
        let image = direct264::frame::CudaImage::nv12(memory.address + offset, 1024)
            .written_on(device.stream.cu_stream().addr());
        let pixels = device::nv12(size, &picture::Camera::new(size).i420(1));
        let (luma, chroma) = pixels.split_at(320 * 64);
        device.write_rows(image.address(), 1024, luma, 320);
        device.write_rows(image.address() + 1024 * 64, 1024, chroma, 320);
        device.stream.synchronize().unwrap();
        encoder.encode(&device::frame(size, image, 0), Picture::Auto).unwrap();
    }
    encoder.forget_cuda(None).unwrap();
    drop((encoder, memory, device));
    stage.report().assert_clean("addresses");
}
