//! An encoder on a thread of its own: its queues, replaced frames, events and end.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::num::NonZeroUsize;
use std::task::Poll;
use std::thread;
use std::time::Instant;

use common::live::{PATIENCE, eager, ms, small, words};
use common::picture::{Camera, psnr};
use common::{config, decode, size, sps};
use d264_double::Double;
use direct264::error::FrameError;
use direct264::openh264::OpenH264Encoder;
use direct264::worker::{
    FailedStep, FramePool, FrameSender, HostFrame, ToFrame, Unit, UnitReceiver, WorkerConfig, WorkerError,
    spawn,
};
use direct264::{
    Backend, BackendOrder, Encoder, EncoderConfig, Error, EventKind, Frame, FrameSize, Picture, PixelFormat,
    Timestamp, open,
};
use pollster::block_on;

/// Pictures of a camera as frames of a pool.
struct Source {
    pool: FramePool,
    size: FrameSize,
    camera: Camera,
}

impl Source {
    fn new(size: FrameSize) -> Self {
        Self { pool: FramePool::new(8), size, camera: Camera::new(size) }
    }

    /// The picture with this number, which is its timestamp too.
    fn frame(&self, number: u32) -> HostFrame {
        let mut frame = self.pool.frame(self.size, PixelFormat::I420, Timestamp(i64::from(number)));
        frame.bytes_mut().copy_from_slice(&self.camera.i420(number));
        frame
    }
}

fn plain() -> EncoderConfig {
    config(small(), 30, 300)
}

fn one_each() -> WorkerConfig {
    WorkerConfig::new().units(NonZeroUsize::MIN)
}

type Ends<E> = (FrameSender<HostFrame, E>, UnitReceiver<HostFrame, E>);

fn timestamps(units: &[Unit]) -> Vec<i64> {
    units.iter().map(|unit| unit.timestamp.0).collect()
}

/// All that still comes out.
fn rest<F, E>(units: &mut UnitReceiver<F, E>) -> Vec<Unit> {
    std::iter::from_fn(|| units.blocking_recv()).map(Result::unwrap).collect()
}

fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(ms(1));
    }
}

#[test]
fn a_receiver_that_is_slow_costs_frames_and_no_access_unit() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    let mut number = 0;
    let mut submit = |count: u32| {
        for _ in 0..count {
            frames.submit(source.frame(number), Picture::Auto).unwrap();
            number += 1;
            thread::sleep(ms(1));
        }
    };
    // Nobody receives: two wait, and nothing more is encoded.
    submit(30);
    soon("two are encoded", || frames.counters().encoded == 2);
    submit(10);
    assert_eq!(frames.counters().encoded, 2);
    let mut received = Vec::new();
    for _ in 0..10 {
        received.push(units.blocking_recv().unwrap().unwrap());
        submit(7);
    }
    drop(frames);
    received.extend(rest(&mut units));

    let counters = units.counters();
    assert_eq!(received.len() as u64, counters.encoded);
    assert_eq!(counters.submitted, counters.encoded + counters.replaced);
    // Those received one by one, those that had room, and the one that waited.
    assert!(counters.encoded <= 10 + 2 + 1, "{counters:?}");
    let numbers = timestamps(&received);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&(i64::from(number) - 1)), "the newest comes last");
    // Every picture is the one of its frame: none refers to what was not handed over.
    let stream: Vec<u8> = received.iter().flat_map(|unit| unit.bytes.clone()).collect();
    let Some(pictures) = decode::ffmpeg(&stream, small()) else { return };
    assert_eq!(pictures.len(), received.len());
    for (picture, number) in pictures.iter().zip(numbers) {
        let db = psnr(picture, &source.camera.i420(number as u32));
        assert!(db > 25.0, "frame {number} has {db:.1} dB");
    }
}

#[test]
fn changes_are_made_while_no_frame_comes_and_the_encoder_is_at_hand() {
    let (frames, units) = spawn::<HostFrame, _>(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    frames.set_size(size(320, 240)).unwrap();
    let mut events = Vec::new();
    soon("the size is changed", || {
        events.extend(units.take_events());
        events.iter().any(|event| matches!(event.kind, EventKind::Recreated { .. }))
    });
    let asked = frames.with_encoder(|encoder| (encoder.size(), encoder.parameter_sets().unwrap())).unwrap();
    assert_eq!(asked.0, size(320, 240));
    assert_eq!(sps::first(&asked.1).pixel_dimensions().unwrap(), (320, 240));
}

/// A frame of the caller's own kind.
struct Broken;

impl ToFrame for Broken {
    fn to_frame(&self) -> Result<Frame<'_>, FrameError> {
        Frame::contiguous(small(), PixelFormat::Nv12, &[0; 5], Timestamp(0))
    }
}

#[test]
fn errors_come_out_in_the_place_of_what_failed_and_the_worker_goes_on() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    let [narrow, wide] = [small(), size(320, 240)].map(Source::new);
    frames.submit(narrow.frame(0), Picture::Auto).unwrap();
    assert!(units.blocking_recv().unwrap().unwrap().is_idr);

    frames.submit(wide.frame(1), Picture::Idr).unwrap();
    let WorkerError { step, error, .. } = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(step, FailedStep::Frame(Some(Timestamp(1))));
    assert!(matches!(error, Error::Frame(FrameError::Size { .. })), "{error:?}");

    frames.set_size(size(8, 8)).unwrap();
    let refused = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!((refused.step, refused.to_string().as_str()), (FailedStep::Size, "the size was not changed"));
    assert!(
        std::error::Error::source(&refused).is_some_and(|why| why.to_string() == "the settings cannot work")
    );

    // The IDR is owed still.
    frames.submit(narrow.frame(2), Picture::Auto).unwrap();
    let unit = units.blocking_recv().unwrap().unwrap();
    assert_eq!((unit.timestamp, unit.is_idr), (Timestamp(2), true));
    let counters = units.counters();
    assert_eq!((counters.submitted, counters.encoded, counters.failed), (3, 2, 1));

    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    frames.submit(Broken, Picture::Auto).unwrap();
    let refused = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(
        (refused.step, refused.to_string().as_str()),
        (FailedStep::Frame(None), "the frame was not encoded")
    );
}

#[test]
fn async_code_of_no_runtime_receives() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap();
    let capture = thread::spawn(move || {
        let source = Source::new(small());
        for number in 0..20 {
            frames.submit(source.frame(number), Picture::Auto).unwrap();
            thread::sleep(ms(2));
        }
    });
    let received = block_on(async {
        let mut received = Vec::new();
        while let Some(unit) = units.recv().await {
            received.push(unit.unwrap());
        }
        received
    });
    capture.join().unwrap();
    assert_eq!(received.len() as u64, units.counters().encoded);
    assert_eq!(received.last().map(|unit| unit.timestamp), Some(Timestamp(19)));
}

#[test]
fn one_task_serves_several_workers() {
    const WORKERS: usize = 4;
    const FRAMES: u32 = 12;
    let source = Source::new(small());
    let mut ends: Vec<Ends<OpenH264Encoder>> = (0..WORKERS)
        .map(|_| spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap())
        .collect();
    for (frames, _) in &ends {
        frames.submit(source.frame(0), Picture::Auto).unwrap();
    }
    // Each gets its next frame when the one before has come out.
    let mut received = [const { Vec::new() }; WORKERS];
    block_on(std::future::poll_fn(|context| {
        for ((frames, units), received) in ends.iter_mut().zip(&mut received) {
            while received.len() < FRAMES as usize
                && let Poll::Ready(unit) = units.poll_recv(context)
            {
                received.push(unit.unwrap().unwrap());
                frames.submit(source.frame(received.len() as u32), Picture::Auto).unwrap();
            }
        }
        let all = received.iter().all(|received| received.len() == FRAMES as usize);
        if all { Poll::Ready(()) } else { Poll::Pending }
    }));
    for received in &received {
        assert_eq!(timestamps(received), (0..i64::from(FRAMES)).collect::<Vec<_>>());
    }
}

#[test]
fn a_failover_in_mid_stream_is_an_idr_and_no_loss() {
    let stage = Double::get().load();
    let opened = open(&eager(), &BackendOrder::auto()).unwrap();
    let (frames, mut units) = spawn(opened.encoder, WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    let mut received: Vec<Unit> = Vec::new();
    let mut one = |received: &mut Vec<Unit>| {
        frames.submit(source.frame(received.len() as u32), Picture::Auto).unwrap();
        received.push(block_on(units.recv()).unwrap().unwrap());
        received.last().unwrap().backend
    };
    for _ in 0..5 {
        assert_eq!(one(&mut received), Backend::Nvenc);
    }
    stage.set("FAULT=nvEncEncodePicture:1=20");
    assert_eq!(one(&mut received), Backend::OpenH264);
    let deadline = Instant::now() + PATIENCE;
    while one(&mut received) != Backend::Nvenc {
        assert!(Instant::now() < deadline, "never came back");
        thread::sleep(ms(2));
    }
    one(&mut received);

    assert_eq!(words(&frames.take_events()), ["selected", "fell_back", "restored"]);
    let counters = frames.with_encoder(|encoder| encoder.counters()).unwrap();
    assert_eq!((counters.fallbacks, counters.restorations), (1, 1));
    assert_eq!(counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264), received.len() as u64);
    assert_eq!(units.stop(PATIENCE), Ok(()));
    stage.assert_clean_soon("a failover in a worker");

    assert_eq!(timestamps(&received), (0..received.len() as i64).collect::<Vec<_>>());
    for pair in received.windows(2) {
        assert!(pair[0].backend == pair[1].backend || pair[1].is_idr);
    }
    let stream: Vec<u8> = received.iter().flat_map(|unit| unit.bytes.clone()).collect();
    let Some(pictures) = decode::ffmpeg(&stream, small()) else { return };
    assert_eq!(pictures.len(), received.len());
    for (number, picture) in pictures.iter().enumerate() {
        let db = psnr(picture, &source.camera.i420(number as u32));
        assert!(db > 30.0, "frame {number} has {db:.1} dB");
    }
}

#[test]
fn an_encoder_that_can_do_no_more_says_so_last() {
    let stage = Double::get().load();
    let opened = open(&eager(), &"nvenc".parse().unwrap()).unwrap();
    let (frames, mut units) = spawn(opened.encoder, WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    let unit = units.blocking_recv().unwrap().unwrap();
    // What is taken out of the worker keeps its memory.
    let (place, owned) = (unit.bytes.as_ptr(), unit.into_owned());
    assert_eq!((owned.bytes.as_ptr(), owned.is_idr), (place, true));
    assert_eq!(owned.nals().count(), owned.nal_ranges.len());

    stage.set("FAULT=nvEncEncodePicture:*=20");
    frames.submit(source.frame(1), Picture::Auto).unwrap();
    let WorkerError { step, error, .. } = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(step, FailedStep::Frame(Some(Timestamp(1))));
    assert!(matches!(error, Error::Driver(_)), "{error:?}");
    assert!(units.blocking_recv().is_none());
    assert!(frames.submit(source.frame(2), Picture::Auto).is_err());
    let counters = units.counters();
    assert_eq!((counters.submitted, counters.encoded, counters.failed), (2, 1, 1));
    stage.set("FAULT=");
    assert_eq!(units.stop(PATIENCE), Ok(()));
    stage.assert_clean_soon("an encoder that can do no more");
}
