//! The memory of an encoder: within the stated bound, pipelined or not, over any number of frames, and none for a size
//! beyond the limit.
//!
//! The stream has 20,000 frames unless `DIRECT264_SOAK_FRAMES` says otherwise. This is a program with one test, since
//! it measures the memory of the process, which no other test may change meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![expect(unsafe_code, reason = "counts what is allocated, and has the C library give back what is free")]

mod common;

use std::num::{NonZeroU8, NonZeroU64};
use std::sync::atomic::Ordering;
use std::time::Instant;

use common::counting::{Counting, HELD, PEAK, held_bytes};
use common::form::Form;
use common::{config, size};
use d264_double::{Double, Stage};
use direct264::error::ConfigError;
use direct264::frame::RgbOrder;
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{
    Backend, BackendOrder, Encoder, EncoderConfig, Error, Frame, FrameSize, Picture, Pipeline, PixelFormat,
    Timestamp, open,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of this process that are in memory, without what was freed and may be used again.
fn resident_bytes() -> u64 {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: gives free memory back to the system, and touches none that is in use.
    unsafe { malloc_trim(0) };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Pictures that no encoder predicts, so that its access units are as large as they get.
fn noise(format: PixelFormat, size: FrameSize, mut state: u32) -> Vec<u8> {
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    (0..format.frame_bytes(size)).map(next).collect()
}

/// Has an encoder use all that it ever will: RGB is converted, and each picture is an IDR.
fn exert(encoder: &mut dyn Encoder) {
    let format = PixelFormat::Rgb(RgbOrder::Rgb24);
    let size = encoder.size();
    for number in 1..4 {
        let pixels = noise(format, size, number);
        let frame = Frame::contiguous(size, format, &pixels, Timestamp(0)).unwrap();
        encoder.encode(&frame, Picture::Idr).unwrap();
    }
}

/// The same with a frame in flight, and a second one inside each call.
fn exert_pipeline<E: Encoder>(pipeline: &mut Pipeline<E>) {
    let format = PixelFormat::Rgb(RgbOrder::Rgb24);
    let size = pipeline.encoder().size();
    for number in 1..5 {
        let pixels = noise(format, size, number);
        let frame = Frame::contiguous(size, format, &pixels, Timestamp(0)).unwrap();
        pipeline.submit(&frame, Picture::Idr).unwrap();
    }
}

#[test]
fn an_encoder_keeps_to_its_memory() {
    let stage = Double::get().load();
    stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16");
    software_takes_no_more_than_is_stated();
    hardware_takes_no_more_than_is_stated(&stage);
    what_would_take_more_than_the_limit_is_refused_first(&stage);
    many_frames_take_no_more_than_few(&stage);
}

/// As seen from outside: the pages of the process, threads and the library's own memory included.
fn software_takes_no_more_than_is_stated() {
    // What the library makes once.
    exert(&mut OpenH264Encoder::new(&config(size(64, 64), 30, 500)).unwrap());
    for (width, height) in [(64, 64), (640, 360), (1280, 720), (1920, 1080), (4096, 2304)] {
        let size = size(width, height);
        for slices in [1, 4] {
            let config = config(size, 30, 40_000).slices(NonZeroU8::new(slices)).threads(NonZeroU8::new(4));
            let before = resident_bytes();
            let encoders = [false, true].map(|is_pipelined| {
                let mut form = Form::new(OpenH264Encoder::new(&config).unwrap(), is_pipelined);
                match &mut form {
                    Form::OneCall(encoder) => exert(encoder),
                    Form::Pipelined(pipeline) => exert_pipeline(pipeline),
                }
                form
            });
            let each = resident_bytes().saturating_sub(before) / 2;
            let stated = EncoderConfig::memory_bytes(size);
            println!("openh264 {size}, {slices} slices: {} kB of {} kB", each / 1024, stated / 1024);
            assert!(each <= stated, "{size}, {slices} slices: {each} bytes, and {stated} are stated");
            // And what is stated is no number out of the air.
            assert!(slices == 1 || width < 1280 || each > stated / 2, "{size}: {each} of {stated}");
            drop(encoders);
        }
    }
}

/// What this library holds, page-locked memory included. A driver has more of its own.
fn hardware_takes_no_more_than_is_stated(stage: &Stage) {
    for (width, height) in [(64, 64), (640, 360), (1920, 1080)] {
        let config = config(size(width, height), 30, 40_000);
        let encoder = || NvencEncoder::new(&config).unwrap();
        hardware_takes(stage, "nvenc", &config, || {
            let mut encoder = encoder();
            exert(&mut encoder);
            let lent = [(); 2].map(|()| encoder.lend(PixelFormat::I420).unwrap());
            (encoder, lent)
        });
        hardware_takes(stage, "nvenc, pipelined", &config, || {
            let mut pipeline = Pipeline::new(encoder());
            exert_pipeline(&mut pipeline);
            pipeline
        });
        hardware_takes(stage, "failover, pipelined", &config, || {
            let mut pipeline =
                Pipeline::new(open(&config, &BackendOrder::only(Backend::Nvenc)).unwrap().encoder);
            exert_pipeline(&mut pipeline);
            pipeline
        });
    }
}

fn hardware_takes<T>(stage: &Stage, who: &str, config: &EncoderConfig, make: impl FnOnce() -> T) {
    let size = config.size();
    let before = held_bytes();
    PEAK.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
    let made = make();
    let alive = stage.report().leaks();
    let bytes = |what: &str| alive.iter().find(|(name, _)| name == what).map_or(0, |(_, bytes)| *bytes);
    let (page_locked, on_gpu) = (bytes("page_locked_bytes"), bytes("device_bytes"));
    // The pictures that the test makes are in it too, where it is the most that was held at a time.
    let (own, most) = (held_bytes() - before, PEAK.load(Ordering::Relaxed) as u64 - before);
    let stated = EncoderConfig::memory_bytes(size);
    println!(
        "{who} {size}: {} kB, {} kB at the most, and {} kB page-locked of {} kB; {} kB on the GPU",
        own / 1024,
        most / 1024,
        page_locked / 1024,
        stated / 1024,
        on_gpu / 1024
    );
    assert!(
        page_locked > 0 && most + page_locked <= stated,
        "{who} {size}: {most} and {page_locked} of {stated}"
    );
    drop(made);
}

fn what_would_take_more_than_the_limit_is_refused_first(stage: &Stage) {
    let small = size(640, 360);
    let large = size(1920, 1080);
    let (bytes, max_bytes) = (EncoderConfig::memory_bytes(large), EncoderConfig::memory_bytes(large) - 1);
    let limit = |config: EncoderConfig| config.max_memory_bytes(NonZeroU64::new(max_bytes));
    let expected = ConfigError::Memory { size: large, bytes, max_bytes };
    let assert_refused = |refused: Result<(), Error>| match refused.unwrap_err() {
        Error::Config(error) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    };
    assert!(
        expected
            .to_string()
            .contains(&format!("1920x1080 can need {bytes} bytes of memory, more than {max_bytes}"))
    );
    let sessions = stage.report().calls("nvEncOpenEncodeSessionEx");
    let before = held_bytes();
    PEAK.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
    let too_large = limit(config(large, 30, 1_000));
    assert_refused(OpenH264Encoder::new(&too_large).map(drop));
    assert_refused(NvencEncoder::new(&too_large).map(drop));
    assert_refused(open(&too_large, &BackendOrder::auto()).map(drop));
    assert!(PEAK.load(Ordering::Relaxed) as u64 - before < 4_096);
    assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), sessions);

    let fits = limit(config(small, 30, 1_000));
    let pixels = noise(PixelFormat::I420, large, 1);
    let frame = Frame::contiguous(large, PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
    let mut failover = open(&fits, &BackendOrder::auto()).unwrap().encoder;
    exert(&mut failover);
    assert_refused(failover.encode(&frame, Picture::Auto).map(drop));
    let plain: [Box<dyn Encoder>; 3] = [
        Box::new(OpenH264Encoder::new(&fits).unwrap()),
        Box::new(NvencEncoder::new(&fits).unwrap()),
        Box::new(failover),
    ];
    for mut encoder in plain {
        let backend = encoder.backend();
        assert_refused(encoder.set_size(large));
        // It goes on as it was.
        assert_eq!((encoder.size(), encoder.backend()), (small, backend));
        exert(&mut *encoder);
    }
}

fn many_frames_take_no_more_than_few(stage: &Stage) {
    let frames =
        std::env::var("DIRECT264_SOAK_FRAMES").ok().and_then(|frames| frames.parse().ok()).unwrap_or(20_000);
    let size = size(32, 32);
    let pictures: Vec<Vec<u8>> = (1..9).map(|seed| noise(PixelFormat::I420, size, seed)).collect();
    let config = config(size, 30, 300);
    for (backend, is_pipelined) in
        [(Backend::OpenH264, false), (Backend::Nvenc, false), (Backend::Nvenc, true)]
    {
        stage.reset();
        stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16\nCHECKS=light");
        let mut form = Form::new(open(&config, &BackendOrder::only(backend)).unwrap().encoder, is_pipelined);
        let mut came = 0;
        let mut run = |frames: u64| {
            for number in 0..frames {
                let pixels = &pictures[number as usize % pictures.len()];
                let frame =
                    Frame::contiguous(size, PixelFormat::I420, pixels, Timestamp(number as i64)).unwrap();
                let picture = if number % 300 == 0 { Picture::Idr } else { Picture::Auto };
                form.frame(&frame, picture, |unit| came += u64::from(!unit.bytes.is_empty()));
                if number % 64 == 0 {
                    form.take_events();
                }
            }
        };
        run(frames / 10);
        let (early, early_held) = (resident_bytes(), held_bytes());
        let start = Instant::now();
        run(frames - frames / 10);
        let (late, late_held) = (resident_bytes(), held_bytes());
        println!(
            "{backend}{}: {frames} frames, {} to {} kB resident, {early_held} to {late_held} bytes held, {:.1} us a frame",
            if is_pipelined { ", pipelined" } else { "" },
            early / 1024,
            late / 1024,
            start.elapsed().as_secs_f64() * 1e6 / (frames - frames / 10) as f64
        );
        assert!(late < early + (2 << 20), "{backend}: {early} to {late} bytes");
        assert!(late_held < early_held + 16_384, "{backend}: {early_held} to {late_held} bytes");
        form.flush(|unit| came += u64::from(!unit.bytes.is_empty()));
        assert_eq!(came, frames);
        let counters = form.encoder().counters();
        assert_eq!(counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264), frames);
    }
}
