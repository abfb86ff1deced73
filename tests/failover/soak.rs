//! Long streams with everything that can happen to them at random: faults, hangs, sizes, rates, IDR requests, session
//! limits. Each frame comes out, with the call that brings it or pipelined, and is decoded at once; and memory stays where
//! it is.
//!
//! 10 s in each form unless `DIRECT264_SOAK_SECONDS` says otherwise, and fewer when `DIRECT264_SOAK_FRAMES` frames are
//! through; `DIRECT264_SOAK_SEED` repeats a run. In a process of its own, since it measures the memory of the process.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::common::form::Form;
use crate::common::live::{PATIENCE, hasty, ms};
use crate::common::picture::{Camera, psnr};
use crate::common::size;
use crate::common::soak::{Dice, resident_kb, setting};
use d264_double::{Double, Stage, as_child};
use direct264::config::{BackOff, FailoverConfig};
use direct264::{
    AccessUnit, Backend, BackendOrder, Bitrate, Encoder, EventKind, FailoverEncoder, Frame, FrameRate,
    FrameSize, Picture, PixelFormat, QpRange, Timestamp, open,
};

/// What goes wrong while a stream runs, each with everything that it can answer.
const CALLS: [&str; 15] = [
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
    "cuMemcpyHtoDAsync",
    "cuEventRecord",
    "cuStreamWaitEvent",
];
const ANSWERS: [&str; 7] = ["20", "10", "8", "4000000000", "18", "hang30", "hang"];
/// More input is needed: of a picture that was taken, or an end of stream that is one.
const HELD_BACK: &str = "nvEncEncodePicture:1=17";

/// In so many frames everything has happened.
const FEW_FRAMES: u64 = 1_000;

/// Pictures of one size.
struct Scene {
    size: FrameSize,
    pictures: Vec<Vec<u8>>,
}

/// A frame that was brought: which picture of which scene, and as what.
struct Brought {
    scene: usize,
    at: usize,
    picture: Picture,
}

/// The stream and its pictures.
struct Soak {
    dice: Dice,
    form: Form<FailoverEncoder>,
    scenes: Vec<Scene>,
    scene: usize,
    brought: u64,
    inside: VecDeque<Brought>,
    out: Out,
    changes: [u64; 3],
}

/// A decoder that sees each access unit as it comes.
struct Out {
    decoder: openh264::decoder::Decoder,
    frames: u64,
    worst_db: f64,
}

impl Soak {
    fn new(seed: u64, is_pipelined: bool) -> Self {
        let scenes = [(160, 96), (176, 144), (192, 112), (320, 192)].map(|(width, height)| {
            let size = size(width, height);
            let camera = Camera::new(size);
            Scene { size, pictures: (0..16).map(|number| camera.i420(number)).collect() }
        });
        let back_off = BackOff::new(ms(2), ms(16)).unwrap();
        let failover = FailoverConfig::new().retry(Some(back_off)).warm_software(seed.is_multiple_of(2));
        let encoder = open(&hasty().failover(failover), &BackendOrder::auto()).unwrap().encoder;
        let decoder = openh264::decoder::Decoder::new().unwrap();
        Self {
            dice: Dice(seed | 1),
            form: Form::new(encoder, is_pipelined),
            scenes: scenes.into(),
            scene: 0,
            brought: 0,
            inside: VecDeque::new(),
            out: Out { decoder, frames: 0, worst_db: f64::INFINITY },
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
            self.form.set_bitrate(Bitrate::from_kbps(200 + dice.below(800) as u64).unwrap());
        }
        if dice.hits(80) {
            self.form.set_frame_rate(FrameRate::hz(dice.pick(&[15, 30, 60])).unwrap());
        }
        if dice.hits(200) {
            self.form.set_qp_range(QpRange::new(dice.pick(&[10, 14]), 44).unwrap());
        }
    }

    fn frame(&mut self) {
        let picture = if self.dice.hits(30) { Picture::Idr } else { Picture::Auto };
        let Self { form, scenes, scene, brought, inside, out, .. } = self;
        let Scene { size, pictures } = &scenes[*scene];
        let at = *brought as usize % pictures.len();
        let timestamp = Timestamp(*brought as i64);
        let frame = Frame::contiguous(*size, PixelFormat::I420, &pictures[at], timestamp).unwrap();
        inside.push_back(Brought { scene: *scene, at, picture });
        form.frame(&frame, picture, |unit| out.look(scenes, inside.pop_front(), &unit));
        assert!(inside.len() <= usize::from(matches!(form, Form::Pipelined(_))), "one behind at most");
        *brought += 1;
        self.count_events();
    }

    fn flush(&mut self) {
        let Self { form, scenes, inside, out, .. } = self;
        form.flush(|unit| out.look(scenes, inside.pop_front(), &unit));
        assert!(inside.is_empty(), "all that went in is out");
        self.count_events();
    }

    fn count_events(&mut self) {
        for event in self.form.take_events() {
            match event.kind {
                EventKind::FellBack { .. } => self.changes[0] += 1,
                EventKind::Restored { .. } => self.changes[1] += 1,
                EventKind::Recreated { .. } => self.changes[2] += 1,
                _ => {}
            }
        }
    }

    /// Goes on to that moment, and longer on a machine that is too busy for a few frames until then; or to that many.
    fn run_until(&mut self, stage: &Stage, end: Instant, few: u64, most: u64) {
        while (Instant::now() < end || self.brought < few) && self.brought < most {
            self.happen(stage);
            self.frame();
        }
    }
}

impl Out {
    fn look(&mut self, scenes: &[Scene], of: Option<Brought>, unit: &AccessUnit<'_>) {
        use openh264::formats::YUVSource;
        let Brought { scene, at, picture } = of.unwrap();
        let Scene { size, pictures } = &scenes[scene];
        assert_eq!(unit.timestamp, Timestamp(self.frames as i64));
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
        self.worst_db = self.worst_db.min(psnr(&luma, &pictures[at][..luma.len()]));
        self.frames += 1;
    }
}

#[test]
fn long_streams_of_everything_that_can_happen_lose_nothing_and_keep_to_their_memory() {
    let test = "long_streams_of_everything_that_can_happen_lose_nothing_and_keep_to_their_memory";
    if let Some(output) = as_child(test, &[]) {
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        print!("{said}");
        return;
    }
    let stage = Double::get().load();
    soak(&stage, false);
    soak(&stage, true);
}

fn soak(stage: &Stage, is_pipelined: bool) {
    let length = Duration::from_secs(setting("DIRECT264_SOAK_SECONDS", 10));
    let most_frames = setting("DIRECT264_SOAK_FRAMES", u64::MAX);
    let seed = setting("DIRECT264_SOAK_SEED", 264);
    stage.reset();
    let mut soak = Soak::new(seed, is_pipelined);
    let start = Instant::now();
    soak.run_until(stage, start + length * 2 / 5, FEW_FRAMES / 5 * 2, most_frames / 5 * 2);
    let early_kb = resident_kb();
    soak.run_until(stage, start + length, FEW_FRAMES, most_frames);
    let late_kb = resident_kb();

    stage.set("FAULT=\nSESSIONS=");
    let deadline = Instant::now() + PATIENCE;
    while soak.form.encoder().backend() != Backend::Nvenc {
        soak.frame();
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(ms(1));
    }
    soak.flush();
    let Soak { form, brought, out, changes: [fell_back, restored, recreated], .. } = soak;
    let counters = form.encoder().counters();
    let faults = stage.report().faults_in_all();
    let name = if is_pipelined { "pipelined" } else { "one call" };
    println!(
        "{name}, seed {seed}: {brought} frames in, {} out, worst {:.1} dB, {faults} faults, {recreated} sizes, {early_kb} to \
         {late_kb} kB, {counters:?}",
        out.frames, out.worst_db
    );
    assert_eq!(out.frames, brought);
    assert_eq!(counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264), brought);
    assert_eq!((counters.fallbacks, counters.restorations), (fell_back, restored));
    assert!(fell_back > 2 && restored > 2 && recreated > 2, "{fell_back} {restored} {recreated}");
    assert!(out.worst_db > 20.0, "{:.1} dB", out.worst_db);
    assert!(late_kb < early_kb + 24 * 1024, "memory grows: {early_kb} to {late_kb} kB");
    drop(form);
    stage.assert_clean_soon(name);
}
