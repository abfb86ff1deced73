//! Helpers of the test programs: pictures to encode, independent decoders, and readers of the coded stream.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod cases;
pub mod counting;
pub mod decode;
pub mod device;
pub mod form;
pub mod live;
pub mod log;
pub mod picture;
pub mod pixels;
#[cfg(target_os = "linux")]
pub mod real_drivers;
pub mod soak;
pub mod sps;

use std::sync::Once;

use d264_double::Double;
use device::{Fed, Takes};
use direct264::config::{CallForm, CallLimits, NvencConfig};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameRate, FrameSize, OwnedAccessUnit, Picture,
    PixelFormat, Timestamp,
};

pub fn size(width: u32, height: u32) -> FrameSize {
    FrameSize::new(width, height).unwrap()
}

pub fn config(size: FrameSize, hz: u32, kbps: u64) -> EncoderConfig {
    let (frame_rate, bitrate) = (FrameRate::hz(hz).unwrap(), Bitrate::from_kbps(kbps).unwrap());
    EncoderConfig::new(size, frame_rate, bitrate).nvenc(unhurried())
}

/// Limits that the driver double keeps on any machine. The double encodes in software, which on a busy machine takes
/// longer than the default limits for hardware. A test of one limit shortens that limit alone.
pub const LIMITS: CallLimits =
    CallLimits::DEFAULT.open(live::PATIENCE).first(live::PATIENCE).rest(live::PATIENCE);

/// NVENC settings with generous limits.
pub fn unhurried() -> NvencConfig {
    within(LIMITS)
}

pub fn within(limits: CallLimits) -> NvencConfig {
    NvencConfig::new().form(CallForm::Bounded(limits))
}

/// Opens every backend that can run here with `config`. The tests of the contract go through all of them.
pub fn encoders(config: &EncoderConfig) -> Vec<Box<dyn Encoder>> {
    vec![Box::new(OpenH264Encoder::new(config).unwrap()), Box::new(nvenc(config))]
}

/// Opens the same backends and NVENC on the caller's thread, and each once more with frames in device memory.
pub fn encoders_and_from_device(config: &EncoderConfig) -> Vec<Fed> {
    let direct = nvenc(&config.clone().nvenc(NvencConfig::new().form(CallForm::Direct)));
    let host = encoders(config).into_iter().chain([Box::new(direct) as Box<dyn Encoder>]);
    host.map(Fed::from_host).chain(encoders(config).into_iter().map(Fed::from_device)).collect()
}

/// Opens the software backend alone, for tests of its own rate control, which the driver double lacks.
pub fn software(config: &EncoderConfig) -> Vec<Box<dyn Encoder>> {
    vec![Box::new(OpenH264Encoder::new(config).unwrap())]
}

/// Opens NVENC on the driver double, whose encoder takes pictures as small as the software backend does.
pub fn nvenc(config: &EncoderConfig) -> NvencEncoder {
    static DRIVER: Once = Once::new();
    DRIVER.call_once(|| Double::get().load().set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16"));
    NvencEncoder::new(config).unwrap()
}

/// Encodes one contiguous I420 picture.
pub fn encode(
    encoder: &mut (impl Takes + ?Sized),
    pixels: &[u8],
    number: i64,
    picture: Picture,
) -> OwnedAccessUnit {
    let size = encoder.frame_size();
    let frame = Frame::contiguous(size, PixelFormat::I420, pixels, Timestamp(number)).unwrap();
    encoder.take(&frame, picture).unwrap().to_owned()
}

/// Encodes `count` pictures of the camera, starting with number `from`.
pub fn encode_run(encoder: &mut (impl Takes + ?Sized), from: u32, count: u32) -> Vec<OwnedAccessUnit> {
    let camera = picture::Camera::new(encoder.frame_size());
    (from..from + count)
        .map(|number| encode(encoder, &camera.i420(number), i64::from(number), Picture::Auto))
        .collect()
}

/// The same of an encoder that may fail.
pub fn try_encode_run(
    encoder: &mut dyn Encoder,
    from: u32,
    count: u32,
) -> Result<Vec<OwnedAccessUnit>, Error> {
    let size = encoder.size();
    let camera = picture::Camera::new(size);
    (from..from + count)
        .map(|number| {
            let pixels = camera.i420(number);
            let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(i64::from(number)))?;
            Ok(encoder.encode(&frame, Picture::Auto)?.to_owned())
        })
        .collect()
}

pub fn stream(units: &[OwnedAccessUnit]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.bytes.iter().copied()).collect()
}
