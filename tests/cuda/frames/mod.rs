//! Frames in CUDA device memory, on the driver double, which checks every access against the order of streams: read in
//! place, copied on the GPU or downloaded, they give the very access units that the same pixels in host memory give.
#![allow(clippy::panic, clippy::unwrap_used)]
#![expect(
    unsafe_code,
    reason = "device memory and slices are vouched for, and a context is made as a caller would"
)]

mod contexts;
mod refused;
mod registered;

use cudarc::driver::DevicePtr;

use crate::common::device::{Device, DevicePicture, frame, nv12};
use crate::common::{config, picture, size};
use d264_double::{Double, Stage};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, NvencConfig};
use direct264::error::FrameError;
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{Encoder, EncoderConfig, Frame, FrameSize, Picture, PixelFormat, Timestamp};

fn stage(settings: &str) -> Stage {
    let stage = Double::get().load();
    stage.set(settings);
    stage
}

fn forms(config: EncoderConfig) -> [EncoderConfig; 2] {
    let direct = config.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    [config, direct]
}

fn camera(size: FrameSize, numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    let camera = picture::Camera::new(size);
    numbers.map(|number| nv12(size, &camera.i420(number))).collect()
}

/// The access units of pictures in host memory.
fn from_host(config: &EncoderConfig, format: PixelFormat, pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut encoder = NvencEncoder::new(config).unwrap();
    let mut units = Vec::new();
    for (pixels, number) in pictures.iter().zip(0..) {
        let frame = Frame::contiguous(config.size(), format, pixels, Timestamp(number)).unwrap();
        units.push(encoder.encode(&frame, Picture::Auto).unwrap().bytes.to_vec());
    }
    units
}

/// The access units of the same pictures in device memory, three places by turns, each written without anybody waiting.
/// The encoder lets go of the memory before it is freed.
fn from_device(
    encoder: &mut dyn Encoder,
    device: &Device,
    format: PixelFormat,
    pitch: usize,
    pictures: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let places: Vec<_> = (0..3).map(|_| DevicePicture::new(device, encoder.size(), format, pitch)).collect();
    let mut units = Vec::new();
    for (pixels, number) in pictures.iter().zip(0..) {
        let place = &places[number % places.len()];
        place.write(device, pixels);
        let unit = encoder.encode(&place.frame(number as i64), Picture::Auto).unwrap();
        assert_eq!(unit.timestamp, Timestamp(number as i64));
        units.push(unit.bytes.to_vec());
    }
    encoder.forget_cuda(None).unwrap();
    units
}

/// One form of driver calls: its settings, pictures of a camera, and the access units of the same pictures in host memory.
struct Case<'a> {
    config: EncoderConfig,
    pictures: &'a [Vec<u8>],
    expected: Vec<Vec<u8>>,
    device: Device,
}

impl Case<'_> {
    fn open(&self) -> NvencEncoder {
        NvencEncoder::new(&self.config).unwrap()
    }

    fn encode_all(&self, encoder: &mut dyn Encoder, pitch: usize) -> Vec<Vec<u8>> {
        from_device(encoder, &self.device, PixelFormat::Nv12, pitch, self.pictures)
    }

    /// The pictures, each with its access unit.
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pictures.iter().map(Vec::as_slice).zip(self.expected.iter().map(Vec::as_slice))
    }
}

/// Runs a test in both forms of driver calls. After each form the driver double has seen no mistake.
fn in_both_forms(stage: &Stage, size: FrameSize, count: u32, what: &str, test: impl Fn(&Case<'_>)) {
    let pictures = camera(size, 0..count);
    for config in forms(config(size, 30, 1_000)) {
        let expected = from_host(&config, PixelFormat::Nv12, &pictures);
        test(&Case { config, pictures: &pictures, expected, device: Device::new() });
        stage.report().assert_clean(what);
    }
}

fn both_backends(config: &EncoderConfig) -> [Box<dyn Encoder>; 2] {
    [Box::new(NvencEncoder::new(config).unwrap()), Box::new(OpenH264Encoder::new(config).unwrap())]
}

/// One picture in device memory, written.
fn written(device: &Device, size: FrameSize) -> DevicePicture {
    DevicePicture::written(device, size, PixelFormat::Nv12, 512, &camera(size, 0..1)[0])
}

#[test]
fn nv12_is_encoded_from_where_it_lies_registered_once() {
    let stage = stage("");
    in_both_forms(&stage, size(320, 240), 12, "frames read in place", |case| {
        let mut encoder = case.open();
        let before = stage.report();
        assert_eq!(case.encode_all(&mut encoder, 512), case.expected);
        let after = stage.report();
        let calls = |name: &str| after.calls(name) - before.calls(name);
        assert_eq!((calls("nvEncRegisterResource"), calls("nvEncMapInputResource")), (3, 3));
        assert_eq!(calls("cuMemcpy2DAsync"), 2 * 12, "only what the test writes is copied");
        assert_eq!(calls("cuMemHostAlloc") + calls("cuStreamSynchronize"), 0, "no thread waits for the GPU");
    });
}

#[test]
fn what_nvenc_does_not_take_as_it_lies_is_copied_on_the_gpu() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 4, "frames copied on the GPU", |case| {
        let device = &case.device;
        let stream = device.stream.cu_stream().addr();
        // A pitch that is no multiple of 4.
        assert_eq!(case.encode_all(&mut case.open(), 329), case.expected);
        // Chroma in memory of its own.
        let (y, uv) = (device.memory(512 * 240), device.memory(384 * 120));
        let image = CudaImage::nv12(y.address, 512).chroma_at(uv.address, 384).written_on(stream);
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let (luma, chroma) = pixels.split_at(320 * 240);
            device.write_rows(y.address, 512, luma, 320);
            device.write_rows(uv.address, 384, chroma, 320);
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
        drop((encoder, y, uv));
        // Memory of a stream-ordered pool.
        let mut encoder = case.open();
        let copies = || stage.report().calls("cuMemcpy2DAsync");
        let before = copies();
        for (pixels, expected) in case.each() {
            let slice = device.stream.clone_htod(pixels).unwrap();
            let (address, _reading) = slice.device_ptr(&device.stream);
            let image = CudaImage::nv12(address, 320).written_on(stream);
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
        assert_eq!(copies() - before, case.pictures.len() as u64, "one copy of each picture");
        drop(encoder);
        // Memory that is freed without a word.
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let place = DevicePicture::new(device, size, PixelFormat::Nv12, 512);
            place.write(device, pixels);
            let image = place.image.freed_soon();
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
    });
}

#[cfg(feature = "cudarc")]
#[test]
fn a_slice_of_cudarc_goes_straight_in_and_may_be_freed_at_once() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 4, "slices", |case| {
        let device = &case.device;
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let slice = device.stream.clone_htod(pixels).unwrap();
            // SAFETY: no call hangs here.
            let frame =
                unsafe { Frame::in_slice(size, PixelFormat::Nv12, &slice, 320, Timestamp(7)) }.unwrap();
            let unit = encoder.encode(&frame, Picture::Auto).unwrap();
            assert_eq!((unit.bytes, unit.timestamp), (expected, Timestamp(7)));
        }
        let slice = device.stream.clone_htod(&case.pictures[0][1..]).unwrap();
        let refusal = |format| {
            // SAFETY: the frame is never encoded.
            unsafe { Frame::in_slice(size, format, &slice, 320, Timestamp(0)) }.unwrap_err()
        };
        let short = FrameError::Allocation { bytes: 320 * 360 - 1, needed: 320 * 360 };
        assert_eq!(refusal(PixelFormat::Nv12), short);
        assert_eq!(refusal(PixelFormat::I420), FrameError::NotOnDevice { format: PixelFormat::I420 });
    });
}

#[test]
fn odd_sizes_are_padded_on_the_gpu_as_they_are_on_the_host() {
    let stage = stage("");
    for size in [size(321, 240), size(320, 241), size(323, 243)] {
        in_both_forms(&stage, size, 4, "odd sizes", |case| {
            assert_eq!(case.encode_all(&mut case.open(), 512), case.expected);
        });
    }
}

#[test]
fn rgb_is_read_in_place_where_nvenc_converts_it_and_fetched_for_all_else() {
    let stage = stage("");
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    for (size, pitch) in [(size(320, 240), 1280), (size(321, 241), 1536)] {
        let mut pictures = camera(size, 0..3);
        for order in [RgbOrder::Rgba, RgbOrder::Bgra] {
            let format = PixelFormat::Rgb(order);
            for pixels in &mut pictures {
                pixels.resize(format.frame_bytes(size), 90);
            }
            for (colour, converts) in
                [(bt601, false), (Colour::BT709_LIMITED, false), (Colour::BT709_LIMITED, true)]
            {
                let device = Device::new();
                let nvenc = NvencConfig::new().converts_rgb(converts);
                let config = config(size, 30, 1_000).colour(colour).nvenc(nvenc);
                let by_nvenc = converts || colour == bt601;
                let fetches = || stage.report().calls("cuMemHostAlloc");
                let before = fetches();
                let mut encoder = NvencEncoder::new(&config).unwrap();
                let units = from_device(&mut encoder, &device, format, pitch, &pictures);
                // The session's memory for a first picture of the host, and what else comes through the host.
                assert_eq!(fetches() - before == 1, by_nvenc, "{size} {order:?} {colour:?}");
                // An odd picture in host memory is converted there, and not by the GPU.
                if size == size.padded_to_even() || !by_nvenc {
                    assert_eq!(units, from_host(&config, format, &pictures), "{size} {order:?} {colour:?}");
                }
            }
        }
    }
    stage.report().assert_clean("RGB in device memory");
}

#[test]
fn the_software_backend_downloads() {
    let stage = stage("");
    for size in [size(320, 240), size(321, 241)] {
        let pictures = camera(size, 0..5);
        for config in forms(config(size, 30, 1_000)) {
            let mut host = OpenH264Encoder::new(&config).unwrap();
            let expected: Vec<Vec<u8>> = (pictures.iter().zip(0..))
                .map(|(pixels, number)| {
                    let frame = Frame::contiguous(size, PixelFormat::Nv12, pixels, Timestamp(number));
                    host.encode(&frame.unwrap(), Picture::Auto).unwrap().bytes.to_vec()
                })
                .collect();
            let device = Device::new();
            let mut encoder = OpenH264Encoder::new(&config).unwrap();
            let copies = || stage.report().calls("cuMemcpy2DAsync");
            let before = copies();
            assert_eq!(from_device(&mut encoder, &device, PixelFormat::Nv12, 512, &pictures), expected);
            // The test writes luma and chroma apart; of an odd width they come apart too.
            let of_frame = 2 + 1 + u64::from(!size.width().is_multiple_of(2));
            assert_eq!(copies() - before, of_frame * pictures.len() as u64);
            drop((encoder, device));
            stage.report().assert_clean("a download");
        }
    }
}
