//! A long stream with everything that can happen to it at random: faults, hangs, sizes, rates, IDR requests, session
//! limits. Each frame comes out and is decoded at once, and memory stays where it is.
//!
//! 20 s unless `DIRECT264_SOAK_SECONDS` says otherwise, and fewer when `DIRECT264_SOAK_FRAMES` frames are through;
//! `DIRECT264_SOAK_SEED` repeats a run. A test binary of its own,
//! since it measures the memory of the process.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::live::{assert_clean_soon, hasty, ms};
use common::picture::{Camera, psnr};
use common::size;
use common::soak::{Dice, resident_kb, setting};
use d264_double::{Double, Stage};
use direct264::{
    BackOff, Backend, Bitrate, Encoder, EventKind, FailoverConfig, FailoverEncoder, Frame, FrameRate,
    FrameSize, Order, Picture, PixelFormat, QpRange, Timestamp, open,
};

/// What goes wrong while a stream runs, each with everything that it can answer.
const CALLS: [&str; 12] = [
    "nvEncEncodePicture",
    "nvEncLockBitstream",
    "nvEncUnlockBitstream",
    "nvEncReconfigureEncoder",
    "nvEncOpenEncodeSessionEx",
    "nvEncInitializeEncoder",
    "nvEncRegisterResource",
    "nvEncMapInputResource",
    "nvEncCreateBitstreamBuffer",
    "cuMemcpy2DAsync",
    "cuMemHostAlloc",
    "cuCtxPushCurrent",
];
const ANSWERS: [&str; 7] = ["20", "10", "8", "4000000000", "18", "hang30", "hang"];
/// More input is needed: of a picture that was taken, or an end of stream that is one.
const HELD_BACK: &str = "nvEncEncodePicture:1=17!";

/// The stream, its pictures, and a decoder that sees each access unit as it comes.
struct Soak {
    dice: Dice,
    encoder: FailoverEncoder,
    decoder: openh264::decoder::Decoder,
    scenes: Vec<(FrameSize, Vec<Vec<u8>>)>,
    scene: usize,
    frames: u64,
    worst_db: f64,
    changes: [u64; 3],
}

impl Soak {
    fn new(seed: u64) -> Self {
        let scenes = [(160, 96), (176, 144), (192, 112), (320, 192)].map(|(width, height)| {
            let size = size(width, height);
            let camera = Camera::new(size);
            (size, (0..16).map(|number| camera.i420(number)).collect())
        });
        let back_off = BackOff::new(ms(2), ms(16)).unwrap();
        let failover = FailoverConfig::new().retry(Some(back_off)).warm_software(seed.is_multiple_of(2));
        Self {
            dice: Dice(seed | 1),
            encoder: open(&hasty().failover(failover), &Order::auto()).unwrap().encoder,
            decoder: openh264::decoder::Decoder::new().unwrap(),
            scenes: scenes.into(),
            scene: 0,
            frames: 0,
            worst_db: f64::INFINITY,
            changes: [0; 3],
        }
    }

    /// Something happens, or mostly nothing.
    fn happen(&mut self, stage: &Stage) {
        let dice = &mut self.dice;
        if dice.hits(40) {
            let spoiled = if dice.hits(6) { dice.pick(&["empty", "garbage"]) } else { "" };
            let fault = match spoiled {
                "" if dice.hits(24) => HELD_BACK.to_owned(),
                "" => format!("{}:1={}", dice.pick(&CALLS), dice.pick(&ANSWERS)),
                spoiled => format!("nvEncLockBitstream:1={spoiled}"),
            };
            let sessions = if dice.hits(4) { "0" } else { "2" };
            stage.set(&format!("FAULT={fault}\nSESSIONS={sessions}"));
        }
        if dice.hits(25) {
            stage.set("FAULT=\nSESSIONS=");
        }
        if dice.hits(60) {
            self.scene = dice.below(self.scenes.len());
        }
        if dice.hits(15) {
            let bitrate = Bitrate::from_kbps(200 + dice.below(800) as u64).unwrap();
            self.encoder.set_bitrate(bitrate).unwrap();
        }
        if dice.hits(80) {
            self.encoder.set_frame_rate(FrameRate::hz(dice.pick(&[15, 30, 60])).unwrap()).unwrap();
        }
        if dice.hits(200) {
            self.encoder.set_qp_range(QpRange::new(dice.pick(&[10, 14]), 44).unwrap()).unwrap();
        }
    }

    fn frame(&mut self) {
        use openh264::formats::YUVSource;
        let picture = if self.dice.hits(30) { Picture::Idr } else { Picture::Auto };
        let (size, pictures) = &self.scenes[self.scene];
        let source = &pictures[self.frames as usize % pictures.len()];
        let timestamp = Timestamp(self.frames as i64);
        let frame = Frame::contiguous(*size, PixelFormat::I420, source, timestamp).unwrap();
        let unit = self.encoder.encode(&frame, picture).unwrap();
        assert_eq!(unit.timestamp, timestamp);
        assert!(picture == Picture::Auto || unit.is_idr);

        let decoded = self.decoder.decode(unit.bytes).unwrap().unwrap();
        let (width, height) = decoded.dimensions();
        assert_eq!((width, height), (size.width() as usize, size.height() as usize));
        let luma: Vec<u8> = decoded
            .y()
            .chunks(decoded.strides().0)
            .take(height)
            .flat_map(|row| &row[..width])
            .copied()
            .collect();
        self.worst_db = self.worst_db.min(psnr(&luma, &source[..luma.len()]));
        self.frames += 1;
        for event in self.encoder.take_events() {
            match event.kind {
                EventKind::FellBack { .. } => self.changes[0] += 1,
                EventKind::Restored { .. } => self.changes[1] += 1,
                EventKind::Recreated { .. } => self.changes[2] += 1,
                _ => {}
            }
        }
    }

    fn run_until(&mut self, stage: &Stage, end: Instant, frames: u64) {
        while Instant::now() < end && self.frames < frames {
            self.happen(stage);
            self.frame();
        }
    }
}

#[test]
fn a_long_stream_of_everything_that_can_happen_loses_nothing_and_keeps_to_its_memory() {
    let length = Duration::from_secs(setting("DIRECT264_SOAK_SECONDS", 20));
    let most_frames = setting("DIRECT264_SOAK_FRAMES", u64::MAX);
    let seed = setting("DIRECT264_SOAK_SEED", 264);
    println!("seed {seed}, {length:?}");
    let stage = Double::get().load();
    let mut soak = Soak::new(seed);
    let start = Instant::now();
    soak.run_until(&stage, start + length * 2 / 5, most_frames / 5 * 2);
    let early_kb = resident_kb();
    soak.run_until(&stage, start + length, most_frames);
    let late_kb = resident_kb();

    stage.set("FAULT=\nSESSIONS=");
    let deadline = Instant::now() + Duration::from_secs(20);
    while soak.encoder.backend() != Backend::Nvenc {
        soak.frame();
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(ms(1));
    }
    let Soak { encoder, frames, worst_db, changes: [fell_back, restored, recreated], .. } = soak;
    let counters = encoder.counters();
    println!(
        "{frames} frames, worst {worst_db:.1} dB, {recreated} sizes, {early_kb} to {late_kb} kB, {counters:?}"
    );
    assert_eq!(counters.nvenc_frames + counters.openh264_frames, frames);
    assert_eq!((counters.fallbacks, counters.restorations), (fell_back, restored));
    assert!(fell_back > 2 && restored > 2 && recreated > 2, "{fell_back} {restored} {recreated}");
    assert!(worst_db > 20.0, "{worst_db:.1} dB");
    assert!(late_kb < early_kb + 24 * 1024, "memory grows: {early_kb} to {late_kb} kB");
    drop(encoder);
    assert_clean_soon(&stage, "a soak");
}
