//! Every driver call of a pipelined stream x what goes wrong x when, with one frame in flight and with two: no frame is
//! lost, the order is kept, nothing is left behind, no rule is broken, the caller is told, and ffmpeg decodes it.
//!
//! A fifth of the cases, which takes a minute or two; all of them with `DIRECT264_WHOLE_MATRIX=1`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::time::Instant;

use crate::common;
use crate::common::device;
use crate::common::live::{
    Ended, PATIENCE, assert_decodable, eager, fallbacks, hasty, ms, small, wait_for_the_ends, words,
};
use crate::common::picture::Camera;
use crate::common::pixels::{Places, Where, is_ours};
use d264_double::{Double, Stage, passed_as_child};
use direct264::error::{FrameError, Unreadable};
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, Error, Event, FailoverEncoder, Frame, FrameSize,
    OwnedAccessUnit, Picture, Pipeline, PixelFormat, Reason, Timestamp, open,
};

/// One case of so many is tried where not all of them are: each function has eight or four, so that over the functions
/// each fault and each call has its turn.
const SOME: usize = 5;

/// When it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is in flight yet.
    FirstFrame,
    /// One frame is, and a second one comes.
    SecondFrame,
    MidStream,
    Flush,
    /// The rate changes under a frame in flight.
    Rate,
    /// The size does.
    Size,
    End,
}

const LIFE: [Phase; 6] =
    [Phase::FirstFrame, Phase::SecondFrame, Phase::MidStream, Phase::Flush, Phase::Rate, Phase::Size];

struct Piped {
    pipeline: Pipeline<FailoverEncoder>,
    camera: Camera,
    places: Places,
    units: Vec<OwnedAccessUnit>,
    sources: Vec<Vec<u8>>,
    events: Vec<Event>,
}

/// What a session holds without being opened anew.
fn larger() -> FrameSize {
    common::size(176, 144)
}

fn timestamp(number: usize) -> Timestamp {
    Timestamp(number as i64)
}

impl Piped {
    /// Opens a stream that gives up a call that hangs, or one that leaves each call its time.
    fn open(pixels: Where, hangs: bool) -> Self {
        let config = if hangs { hasty() } else { eager() }.max_size(larger());
        Self {
            pipeline: Pipeline::new(open(&config, &BackendOrder::auto()).unwrap().encoder),
            camera: Camera::new(small()),
            places: Places::new(pixels),
            units: Vec::new(),
            sources: Vec::new(),
            events: Vec::new(),
        }
    }

    fn frame(&mut self, picture: Picture) {
        let number = self.sources.len();
        let i420 = self.camera.i420(number as u32);
        let Self { pipeline, places, units, .. } = self;
        places.with_frame((small(), &i420), number, timestamp(number), |frame| {
            units.extend(pipeline.submit(frame, picture).unwrap().map(|unit| unit.unwrap().to_owned()));
        });
        self.sources.push(i420);
        self.look();
    }

    fn flush(&mut self) {
        self.units.extend(self.pipeline.flush().unwrap().map(|unit| unit.unwrap().to_owned()));
        self.look();
        assert_eq!(self.units.len(), self.sources.len(), "all frames are out after a flush");
    }

    fn look(&mut self) {
        self.events.extend(self.pipeline.encoder_mut().take_events());
        for (number, unit) in self.units.iter().enumerate() {
            assert_eq!(unit.timestamp, timestamp(number), "in order");
        }
        assert!(self.units.len() + 1 >= self.sources.len(), "one behind at most");
    }

    fn frames(&mut self, count: usize) {
        (0..count).for_each(|_| self.frame(Picture::Auto));
    }

    fn until(&mut self, backend: Backend) {
        let deadline = Instant::now() + PATIENCE;
        while self.units.last().is_none_or(|unit| unit.backend != backend) {
            assert!(Instant::now() < deadline, "never came to {backend}: {:?}", self.events);
            self.frame(Picture::Auto);
            std::thread::sleep(ms(2));
        }
    }

    /// Drops the pipeline. The memory that it read is freed by who knows that its sessions have ended.
    fn end(self) -> (Ended, Places) {
        let Self { mut pipeline, units, mut sources, mut events, places, .. } = self;
        events.extend(pipeline.encoder_mut().take_events());
        // What was in flight is thrown away with it.
        sources.truncate(units.len());
        drop(pipeline);
        (Ended { units, sources, events }, places)
    }
}

fn live_through(phase: Phase, live: &mut Piped) {
    match phase {
        Phase::FirstFrame => live.frames(1),
        Phase::SecondFrame => {
            live.frame(Picture::Idr);
            live.frames(1);
        }
        Phase::MidStream => {
            live.frames(2);
            live.frame(Picture::Idr);
            assert!(live.pipeline.encoder_mut().parameter_sets().unwrap().starts_with(&[0, 0, 0, 1]));
            live.frames(2);
        }
        Phase::Flush => {
            live.flush();
            live.frames(2);
        }
        Phase::Rate => {
            live.pipeline.encoder_mut().set_bitrate(Bitrate::from_kbps(250).unwrap()).unwrap();
            live.frames(2);
        }
        // Within the session, into a new one, and back, so that all pictures are of one size.
        Phase::Size => {
            live.pipeline.encoder_mut().set_size(larger()).unwrap();
            live.pipeline.encoder_mut().set_size(common::size(208, 160)).unwrap();
            live.pipeline.encoder_mut().set_size(small()).unwrap();
            live.frames(2);
        }
        Phase::End => {}
    }
}

/// The functions that are called in a phase where nothing goes wrong.
fn calls(stage: &Stage, phase: Phase, pixels: Where) -> BTreeSet<String> {
    stage.reset();
    stage.set("TRACE=100000");
    let mut live = Piped::open(pixels, false);
    let mut calls = BTreeSet::new();
    for now in LIFE {
        let before = stage.report().trace().len();
        live_through(now, &mut live);
        if now == phase {
            calls = stage.report().trace().into_iter().skip(before).map(|(name, _)| name).collect();
        }
    }
    let before = stage.report().trace().len();
    drop(live.end());
    stage.assert_clean_soon("a life without faults");
    if phase == Phase::End {
        calls = stage.report().trace().into_iter().skip(before).map(|(name, _)| name).collect();
    }
    calls.retain(|name| is_ours(name, pixels));
    calls
}

fn faults(function: &str, pixels: Where) -> &'static [&'static str] {
    match (pixels, function.starts_with("cu")) {
        (Where::Host, true) => &["2", "999", "4000000000", "hang"],
        (Where::Host, false) => &["1", "20", "4000000000", "hang"],
        (_, true) => &["999", "hang"],
        (_, false) => &["20", "hang"],
    }
}

/// Puts one fault into one life and checks what comes of it.
fn check(stage: &Stage, phase: Phase, pixels: Where, function: &str, which: usize, fault: &str) -> Ended {
    let what = format!("{function}:{which}={fault} at {phase:?}, pixels: {pixels:?}");
    stage.reset();
    let set_fault = || stage.set(&format!("FAULT={function}:{which}={fault}"));
    let mut live = Piped::open(pixels, fault == "hang");
    for now in LIFE {
        if now == phase {
            set_fault();
        }
        live_through(now, &mut live);
    }
    if phase == Phase::End {
        set_fault();
    } else {
        // A call that is made once for the whole process would be in the way of every other session.
        if phase == Phase::Size {
            stage.set("FAULT=");
        }
        let can_return = fallbacks(&live.events).last().is_none_or(|reason| reason.may_pass());
        if live.pipeline.encoder().backend() == Backend::OpenH264 && can_return {
            live.until(Backend::Nvenc);
        }
        live.frames(2);
        live.flush();
        check_words(&live, &what);
        if fault == "hang" {
            let told = fallbacks(&live.events);
            assert!(told.iter().all(|&reason| reason == Reason::TimedOut), "{what}: {told:?}");
        }
        stage.set("FAULT=");
        live.pipeline.encoder_mut().forget_cuda(None).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
    let happened = |stage: &Stage| stage.report().faults(function) > 0;
    let had_happened = happened(stage);
    let (ended, memory) = live.end();
    assert!(had_happened || happened(stage) || which > 1, "{what} did not happen");
    stage.set("FAULT=");
    wait_for_the_ends(stage);
    drop(memory);
    stage.assert_clean_soon(&what);
    ended.assert_whole(&what);
    ended
}

fn check_words(live: &Piped, what: &str) {
    let told: Vec<&str> = words(&live.events)
        .into_iter()
        .filter(|word| ["selected", "passed_over", "fell_back", "restored"].contains(word))
        .collect();
    let turns = ["fell_back", "restored"].into_iter().cycle().take(told.len() - 1);
    let expected: Vec<&str> = ["selected"].into_iter().chain(turns).collect();
    assert_eq!(told, expected, "{what}");
    let counters = live.pipeline.encoder().counters();
    let count = |word| told.iter().filter(|&&told| told == word).count() as u64;
    assert_eq!(
        (counters.fallbacks, counters.restorations),
        (count("fell_back"), count("restored")),
        "{what}"
    );
    let frames = live.units.len() as u64;
    assert_eq!(counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264), frames, "{what}");
    assert_eq!(live.pipeline.encoder().latency().frames, frames, "{what}");
}

fn check_phase(phase: Phase, pixels: Where, least_calls: usize) {
    let stage = Double::get().load();
    drop(Piped::open(pixels, false));
    let calls = calls(&stage, phase, pixels);
    assert!(calls.len() >= least_calls, "{phase:?}: {calls:?}");
    // It opens sessions, all of whose calls are among those.
    let is_long = phase == Phase::Size;
    let is_whole = std::env::var_os("DIRECT264_WHOLE_MATRIX").is_some();
    let mut left = 0;
    // The first call of a kind in a phase, and the second: of two frames, the one and the other.
    let lives: Vec<Ended> = calls
        .iter()
        .flat_map(|function| {
            faults(function, if is_long { Where::Both } else { pixels })
                .iter()
                .map(move |fault| (function, fault))
        })
        .flat_map(|case| [1, 2].map(|which| (case, which)))
        .step_by(if is_whole { 1 } else { SOME })
        .map(|((function, fault), which)| {
            let ended = check(&stage, phase, pixels, function, which, fault);
            left += usize::from(!fallbacks(&ended.events).is_empty());
            ended
        })
        .collect();
    assert!(phase == Phase::End || 3 * left > lives.len(), "{phase:?}: {left} of {}", lives.len());
    let frames: usize = lives.iter().map(|ended| ended.units.len()).sum();
    println!(
        "{phase:?}, pixels: {pixels:?}: {} lives with a fault each, {left} left the hardware, {frames} frames",
        lives.len()
    );
    assert_decodable(&lives, 28.0, &format!("{phase:?}"));
}

#[test]
fn at_the_first_frame() {
    check_phase(Phase::FirstFrame, Where::Host, 4);
}

#[test]
fn at_the_second_frame() {
    check_phase(Phase::SecondFrame, Where::Host, 8);
}

#[test]
fn in_mid_stream() {
    check_phase(Phase::MidStream, Where::Host, 8);
}

#[test]
fn when_it_is_flushed() {
    check_phase(Phase::Flush, Where::Host, 6);
}

#[test]
fn when_the_rate_changes() {
    check_phase(Phase::Rate, Where::Host, 8);
}

#[test]
fn when_the_size_changes() {
    check_phase(Phase::Size, Where::Host, 8);
}

#[test]
fn at_the_end() {
    check_phase(Phase::End, Where::Host, 6);
}

#[test]
fn in_mid_stream_from_device_memory() {
    check_phase(Phase::MidStream, Where::Device, 6);
    check_phase(Phase::MidStream, Where::Both, 8);
}

#[test]
fn at_the_end_from_device_memory() {
    check_phase(Phase::End, Where::Device, 6);
}

/// A frame in flight that nobody can read any more gives its error in its place, and the stream goes on.
#[test]
fn a_context_that_dies_costs_the_frames_in_it_and_not_their_order() {
    let test = "a_context_that_dies_costs_the_frames_in_it_and_not_their_order";
    if passed_as_child(test, &[]) {
        return;
    }
    let stage = Double::get().load();
    let mut live = Piped::open(Where::Device, false);
    live.frames(3);
    // Frame 2 is in flight; frame 3 comes.
    stage.set("FAULT=nvEncLockBitstream:1=20;cuStreamSynchronize:1=700");
    let frame = device::frame(small(), live.places.on_device[0].image, 3);
    match live.pipeline.submit(&frame, Picture::Auto).unwrap_err() {
        Error::Frame(FrameError::Unreadable(Unreadable::Driver(why))) => assert_eq!(why.status(), Some(700)),
        other => panic!("{other:?}"),
    }
    let pixels = live.camera.i420(4);
    let frame = Frame::contiguous(small(), PixelFormat::I420, &pixels, Timestamp(4)).unwrap();
    let mut items = live.pipeline.submit(&frame, Picture::Auto).unwrap();
    match items.next().unwrap().unwrap_err() {
        Error::Frame(FrameError::Unreadable(Unreadable::Driver(why))) => assert_eq!(why.status(), Some(700)),
        other => panic!("{other:?}"),
    }
    let unit = items.next().unwrap().unwrap();
    assert_eq!((unit.timestamp, unit.backend, unit.is_idr), (Timestamp(4), Backend::OpenH264, true));
    assert!(items.next().is_none());
    drop(live.pipeline);
    // Nothing that lives in a dead context can be given back.
    std::mem::forget(live.places);
}
