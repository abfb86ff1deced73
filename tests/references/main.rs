//! The means of a receiver that loses frames: numbers of access units, droppable frames, and a stream that recovers
//! without an IDR. A decoder that never sees the lost frames shows that no later frame refers to them.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod failover;
mod layers;
mod losses;
mod refresh;

use std::num::NonZeroU8;

use crate::common::{decode, encode, picture};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{Encoder, EncoderConfig, FrameId, OwnedAccessUnit, Picture, Recovery};

/// With so many frames to predict from.
fn keeping(config: EncoderConfig, frames: u8) -> EncoderConfig {
    let nvenc = NvencConfig::new().form(CallForm::Direct);
    config.nvenc(nvenc.reference_frames(NonZeroU8::new(frames).unwrap()))
}

fn stage() -> Stage {
    let stage = Double::get().load();
    stage.reset();
    stage
}

/// Both backends, on the double that nobody else uses meanwhile.
fn both(_stage: &Stage, config: &EncoderConfig) -> [Box<dyn Encoder>; 2] {
    [Box::new(OpenH264Encoder::new(config).unwrap()), Box::new(NvencEncoder::new(config).unwrap())]
}

/// Decodes the units that arrive, each of which has to come out near its source.
fn assert_shown(arrived: &[&OwnedAccessUnit], size: direct264::FrameSize, floor_db: f64, what: &str) {
    let camera = picture::Camera::new(size);
    let near = |pictures: &[Vec<u8>], decoder: &str| {
        assert_eq!(pictures.len(), arrived.len(), "{what}: pictures of {decoder}");
        for (unit, decoded) in arrived.iter().zip(pictures) {
            let db = picture::psnr(decoded, &camera.i420(unit.timestamp.0 as u32));
            assert!(db > floor_db, "{what}: {} of {decoder} has {db:.1} dB", unit.frame_id);
        }
    };
    let bytes: Vec<u8> = arrived.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
    if let Some(pictures) = decode::ffmpeg(&bytes, size) {
        near(&pictures, "ffmpeg");
    }
}

/// A receiver that loses frames and says so `delay` frames later, on a stream of `count`; what arrives and is of use,
/// and how the stream went on each time.
fn lossy(
    encoder: &mut dyn Encoder,
    count: u32,
    delay: u64,
    losses: &[u64],
) -> (Vec<OwnedAccessUnit>, Vec<Recovery>) {
    let camera = picture::Camera::new(encoder.size());
    let (mut arrived, mut recoveries) = (Vec::new(), Vec::new());
    // Nothing that comes is of any use.
    let mut is_broken = false;
    for number in 0..u64::from(count) {
        if let Some(lost) = losses.iter().find(|&&lost| lost + delay + 1 == number) {
            let recovery = encoder.invalidate(FrameId(*lost)..=FrameId(*lost)).unwrap();
            is_broken &= recovery == Recovery::NotNeeded;
            recoveries.push(recovery);
        }
        let unit = encode(encoder, &camera.i420(number as u32), number as i64, Picture::Auto);
        assert_eq!(unit.frame_id, FrameId(number));
        let is_lost = losses.contains(&number);
        is_broken |= is_lost && !unit.is_droppable;
        if !is_lost && !is_broken {
            arrived.push(unit);
        }
    }
    (arrived, recoveries)
}
