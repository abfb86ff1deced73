//! Device memory that a session has registered: when the session uses the registration again, and when not.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::{camera, forms, in_both_forms, stage};
use crate::common::device::{Device, DevicePicture, frame};
use crate::common::{config, size};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, Frame, Picture, PixelFormat, Timestamp};

#[test]
fn memory_that_was_freed_and_made_anew_at_the_same_address_is_registered_anew() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 6, "an address used again", |case| {
        let mut encoder = case.open();
        let mut addresses = Vec::new();
        for (pixels, expected) in case.each() {
            let place = DevicePicture::new(&case.device, size, PixelFormat::Nv12, 512);
            place.write(&case.device, pixels);
            assert_eq!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().bytes, expected);
            addresses.push(place.image.address());
            encoder.forget_cuda(Some(place.image.address())).unwrap();
        }
        addresses.dedup();
        assert_eq!(addresses.len(), 1, "the double gives the same address again");
    });
}

#[test]
fn so_many_places_are_kept_and_no_more() {
    let stage = stage("");
    let size = size(320, 240);
    let pictures = camera(size, 0..2);
    let device = Device::new();
    let mut encoder = NvencEncoder::new(&config(size, 30, 1_000)).unwrap();
    let before = stage.report();
    let places: Vec<_> = (0..40).map(|_| DevicePicture::new(&device, size, PixelFormat::Nv12, 512)).collect();
    for place in &places {
        place.write(&device, &pictures[0]);
        encoder.encode(&place.frame(0), Picture::Auto).unwrap();
    }
    let calls = |name: &str| stage.report().calls(name) - before.calls(name);
    assert_eq!((calls("nvEncRegisterResource"), calls("nvEncUnregisterResource")), (40, 8));
    // The latest places are still known, and the first one is not.
    for place in [&places[39], &places[8], &places[0]] {
        place.write(&device, &pictures[1]);
        encoder.encode(&place.frame(0), Picture::Auto).unwrap();
    }
    assert_eq!((calls("nvEncRegisterResource"), calls("nvEncUnregisterResource")), (41, 9));
    encoder.forget_cuda(None).unwrap();
    assert_eq!(calls("nvEncUnregisterResource"), 41);
    drop((places, encoder, device));
    stage.report().assert_clean("a full cache");
}

/// One allocation is as many places as it has pitches, formats and sizes.
#[test]
fn memory_is_known_by_its_pitch_format_and_size_too() {
    let stage = stage("");
    let (large, little) = (size(320, 240), size(256, 160));
    let nv12 = PixelFormat::Nv12;
    let bgra = PixelFormat::Rgb(RgbOrder::Bgra);
    // Pictures of a kind, so that the one before cannot be taken for them.
    let ways = [(large, nv12, 512), (large, nv12, 640), (large, bgra, 1280), (little, nv12, 512)];
    let colour = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    for config in forms(config(large, 30, 1_000).colour(colour)) {
        let device = Device::new();
        let memory = device.memory(1280 * 240);
        let (mut host, mut encoder) =
            (NvencEncoder::new(&config).unwrap(), NvencEncoder::new(&config).unwrap());
        let before = stage.report().calls("nvEncRegisterResource");
        let mut of_host = 0;
        for (round, pictures) in [camera(large, 0..4), camera(large, 4..8)].iter().enumerate() {
            for ((size, format, pitch), pixels) in ways.into_iter().zip(pictures) {
                let pixels: Vec<u8> = pixels.iter().copied().cycle().take(format.frame_bytes(size)).collect();
                let registered = || stage.report().calls("nvEncRegisterResource");
                let start = registered();
                host.set_size(size).unwrap();
                let frame = Frame::contiguous(size, format, &pixels, Timestamp(0)).unwrap();
                let expected = host.encode(&frame, Picture::Auto).unwrap().to_owned();
                of_host += registered() - start;
                encoder.set_size(size).unwrap();
                let row_bytes = if format == nv12 { size.width() } else { 4 * size.width() } as usize;
                device.write_rows(memory.address, pitch, &pixels, row_bytes);
                let image = if format == nv12 { CudaImage::nv12 } else { CudaImage::bgra };
                let image = image(memory.address, pitch).written_on(device.stream.cu_stream().addr());
                let unit = encoder.encode(&self::frame(size, image, 0), Picture::Auto).unwrap();
                assert!(unit.bytes == expected.bytes, "round {round}: {size} {format:?} {pitch}");
                device.stream.synchronize().unwrap();
            }
        }
        assert_eq!(stage.report().calls("nvEncRegisterResource") - before - of_host, 4);
        encoder.forget_cuda(Some(memory.address)).unwrap();
        drop((memory, encoder, host, device));
        stage.report().assert_clean("one allocation, four places");
    }
}
