//! Every driver call of a session's life x what goes wrong x when: no frame is lost, nothing is left behind, no rule is
//! broken, the caller is told, the stream returns to the hardware, and ffmpeg decodes it across both switches.
//!
//! With frames in host memory and a limit to each call it is tried as a whole. In the direct form, with frames in device
//! memory, and with changes of frame rate and size, a fifth of it is; all of it with `DIRECT264_WHOLE_MATRIX=1`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;

use crate::common::live::{
    Ended, Live, assert_decodable, eager, fallbacks, hasty, small, wait_for_the_ends, words,
};
use crate::common::pixels::{Where, is_ours};
use crate::common::size;
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig};
use direct264::{Backend, Bitrate, Encoder, FrameRate, Picture, Reason};

/// One case of so many is tried where not all of them are: each function has six at most, so that over the functions each
/// fault has its turn.
const SOME: usize = 5;

/// When it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    FirstFrame,
    MidStream,
    Reconfigure,
    FrameRate,
    Size,
    End,
}

/// What a life does before its end, in order.
const LIFE: [Phase; 6] =
    [Phase::Open, Phase::FirstFrame, Phase::MidStream, Phase::Reconfigure, Phase::FrameRate, Phase::Size];

/// Who makes the calls, and where the pixels lie.
#[derive(Debug, Clone, Copy)]
struct Kind {
    is_direct: bool,
    pixels: Where,
}

const BOUNDED: Kind = Kind { is_direct: false, pixels: Where::Host };
const DIRECT: Kind = Kind { is_direct: true, ..BOUNDED };
const FROM_DEVICE: Kind = Kind { pixels: Where::Device, ..BOUNDED };

impl Kind {
    /// Opens a stream that gives up a call that hangs, or one that leaves each call its time.
    fn open(self, hangs: bool) -> Live {
        // What a session holds without being opened anew.
        let mut config = if hangs { hasty() } else { eager() }.max_size(size(176, 144));
        if self.is_direct {
            config = config.nvenc(NvencConfig::new().form(CallForm::Direct));
        }
        Live::open_from(self.pixels, &config)
    }
}

/// Lives through one phase; the first one makes the stream.
fn live_through(stage: &Stage, kind: Kind, phase: Phase, hangs: bool, live: &mut Option<Live>) {
    match (phase, live) {
        (Phase::FirstFrame, Some(live)) => live.frames(1),
        (Phase::MidStream, Some(live)) => {
            live.frames(2);
            live.frame(Picture::Idr);
            let sets = live.encoder.parameter_sets().unwrap();
            assert!(sets.starts_with(&[0, 0, 0, 1]));
            live.frames(1);
        }
        (Phase::Reconfigure, Some(live)) => {
            live.encoder.set_bitrate(Bitrate::from_kbps(250).unwrap()).unwrap();
            live.frames(1);
        }
        (Phase::FrameRate, Some(live)) => {
            live.encoder.set_frame_rate(FrameRate::hz(25).unwrap()).unwrap();
            live.frames(1);
        }
        // Within the session, into a new one, and back, so that all pictures are of one size.
        (Phase::Size, Some(live)) => {
            live.encoder.set_size(size(176, 144)).unwrap();
            live.encoder.set_size(size(208, 160)).unwrap();
            live.encoder.set_size(small()).unwrap();
            live.frames(1);
        }
        (Phase::End, live) => drop(live.take().map(|live| end(stage, live))),
        (_, live) => *live = Some(kind.open(hangs)),
    }
}

/// Drops the encoder, and when its sessions have ended the memory that they may have read from.
fn end(stage: &Stage, live: Live) -> Ended {
    let (ended, places) = live.end_before_its_memory();
    stage.set("FAULT=");
    wait_for_the_ends(stage);
    drop(places);
    ended
}

/// The functions that are called in a phase where nothing goes wrong.
fn calls(stage: &Stage, kind: Kind, phase: Phase) -> BTreeSet<String> {
    // What is called once in a process is not part of it.
    drop(kind.open(false));
    stage.reset();
    stage.set("TRACE=100000");
    let mut live = None;
    let mut calls = BTreeSet::new();
    for now in LIFE.into_iter().chain([Phase::End]) {
        let before = stage.report().trace().len();
        live_through(stage, kind, now, false, &mut live);
        if now == phase {
            calls = stage.report().trace().into_iter().skip(before).map(|(name, _)| name).collect();
        }
    }
    stage.assert_clean_soon("a life without faults");
    calls.retain(|name| is_ours(name, kind.pixels));
    calls
}

/// The fault that kills a context.
const STICKY: &str = "700";

/// A status of each class: of what is missing, of memory, of a wrong argument, of a fault without a name, one that no
/// header knows, and none at all.
fn faults(function: &str, kind: Kind) -> Vec<&'static str> {
    let mut faults = if function.starts_with("cu") {
        // Of CUDA: memory, a wrong argument, a device that is gone, unknown; one that the context does not survive.
        vec!["2", "1", "46", "999", "4000000000", "hang", STICKY]
    } else {
        vec!["1", "10", "8", "20", "4000000000", "hang"]
    };
    // Without a limit nobody comes back from a hang; and the test's own pictures live in the context that would die.
    faults.retain(|&fault| {
        !(kind.is_direct && fault == "hang" || kind.pixels != Where::Host && fault == STICKY)
    });
    faults
}

/// What the caller is told of a fault, if it is told of it.
fn reason(function: &str, fault: &str) -> Reason {
    match (function, fault) {
        (_, "hang") => Reason::TimedOut,
        ("nvEncOpenEncodeSessionEx", "1") => Reason::NoEncoderOnGpu,
        ("nvEncOpenEncodeSessionEx", "10") => Reason::SessionLimit,
        (function, "2") if function.starts_with("cu") => Reason::OutOfMemory,
        (function, "10") if function.starts_with("nvEnc") => Reason::OutOfMemory,
        _ => Reason::DriverError,
    }
}

/// Puts one fault into one life and checks what comes of it.
fn check(stage: &Stage, kind: Kind, phase: Phase, function: &str, fault: &str) -> Ended {
    let what = format!("{function}={fault} at {phase:?}, {kind:?}");
    stage.reset();
    let set_fault = || stage.set(&format!("FAULT={function}:1={fault}"));
    let mut live = None;
    for now in LIFE {
        if now == phase {
            set_fault();
        }
        live_through(stage, kind, now, fault == "hang", &mut live);
    }
    let mut live = live.unwrap();
    if phase == Phase::End {
        set_fault();
    } else {
        let has_left = live.encoder.backend() == Backend::OpenH264;
        if let Some(why) = live.passed_over.first() {
            assert_eq!(why.reason, reason(function, fault), "{what}: {why}");
        }
        let left_for = fallbacks(&live.events).last().copied();
        let left_for = left_for.or(live.passed_over.first().map(|why| why.reason));
        // A dead context is not tried again.
        let can_return = fault != STICKY && left_for.is_none_or(Reason::may_pass);
        if [Phase::Open, Phase::Size].contains(&phase) {
            // What hangs in a call that is made once for the whole process is in the way of whoever opens next.
            stage.set("FAULT=");
        }
        if can_return {
            live.frames_until(Backend::Nvenc);
        }
        live.frames(2);
        check_words(&live, phase, has_left, &what);
        if fault == "hang" {
            let told = fallbacks(&live.events);
            assert!(told.iter().all(|&reason| reason == Reason::TimedOut), "{what}: {told:?}");
        }
        if kind.pixels != Where::Host {
            stage.set("FAULT=");
            live.encoder.forget_cuda(None).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        }
    }
    let had_happened = stage.report().faults(function) > 0;
    let ended = end(stage, live);
    assert!(had_happened || stage.report().faults(function) > 0, "{what} did not happen");
    stage.assert_clean_soon(&what);
    ended.assert_whole(&what);
    ended
}

/// A stream is told where it begins, and from then on goes by turns.
fn check_words(live: &Live, phase: Phase, has_left: bool, what: &str) {
    let told: Vec<&str> = words(&live.events)
        .into_iter()
        .filter(|word| ["selected", "passed_over", "fell_back", "restored"].contains(word))
        .collect();
    let (beginning, rest) =
        if told.first() == Some(&"passed_over") { told.split_at(2) } else { told.split_at(1) };
    match beginning {
        ["passed_over", "selected"] => assert_eq!(phase, Phase::Open, "{what}: {told:?}"),
        ["selected"] => {}
        other => panic!("{what}: {other:?}"),
    }
    let turns = if beginning.len() == 2 { ["restored", "fell_back"] } else { ["fell_back", "restored"] };
    let expected: Vec<&str> = turns.into_iter().cycle().take(rest.len()).collect();
    assert_eq!(rest, expected, "{what}");
    if has_left && phase != Phase::Open {
        assert!(told.contains(&"fell_back"), "{what}: {told:?}");
    }
    let counters = live.encoder.counters();
    let count = |word| told.iter().filter(|&&told| told == word).count() as u64;
    assert_eq!(
        (counters.fallbacks, counters.restorations),
        (count("fell_back"), count("restored")),
        "{what}"
    );
    assert_eq!(
        counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264),
        live.units.len() as u64,
        "{what}"
    );
}

fn check_phase(kind: Kind, phase: Phase, least_calls: usize) {
    let stage = Double::get().load();
    let calls = calls(&stage, kind, phase);
    assert!(calls.len() >= least_calls, "{phase:?}: {calls:?}");
    let is_plain = !kind.is_direct && kind.pixels == Where::Host;
    let is_whole = (is_plain && ![Phase::FrameRate, Phase::Size].contains(&phase))
        || std::env::var_os("DIRECT264_WHOLE_MATRIX").is_some();
    let mut left = 0;
    let lives: Vec<Ended> = calls
        .iter()
        .flat_map(|function| faults(function, kind).into_iter().map(move |fault| (function, fault)))
        .step_by(if is_whole { 1 } else { SOME })
        .map(|(function, fault)| {
            let ended = check(&stage, kind, phase, function, fault);
            left += usize::from(!fallbacks(&ended.events).is_empty());
            ended
        })
        .collect();
    // Most of what fails while a stream runs is noticed; what is not changes nothing. A change that is refused keeps the
    // hardware.
    let share = if [Phase::Reconfigure, Phase::FrameRate].contains(&phase) { 4 } else { 2 };
    assert!(
        [Phase::Open, Phase::Size, Phase::End].contains(&phase) || share * left > lives.len(),
        "{phase:?}, {kind:?}: {left} of {}",
        lives.len()
    );
    let frames: usize = lives.iter().map(|ended| ended.units.len()).sum();
    println!(
        "{phase:?}, {kind:?}: {} lives with a fault each, {left} left the hardware, {frames} frames",
        lives.len()
    );
    assert_decodable(&lives, 28.0, &format!("{phase:?}, {kind:?}"));
}

#[test]
fn at_open() {
    check_phase(BOUNDED, Phase::Open, 15);
}

#[test]
fn at_the_first_frame() {
    check_phase(BOUNDED, Phase::FirstFrame, 6);
}

#[test]
fn in_mid_stream() {
    check_phase(BOUNDED, Phase::MidStream, 6);
}

#[test]
fn at_a_change() {
    check_phase(BOUNDED, Phase::Reconfigure, 5);
}

#[test]
fn at_the_end() {
    check_phase(BOUNDED, Phase::End, 6);
}

#[test]
fn at_a_change_of_frame_rate() {
    check_phase(BOUNDED, Phase::FrameRate, 5);
}

#[test]
fn at_a_change_of_size() {
    check_phase(BOUNDED, Phase::Size, 15);
}

#[test]
fn in_the_direct_form() {
    for (phase, least_calls) in [(Phase::Open, 15), (Phase::FirstFrame, 6), (Phase::MidStream, 6)] {
        check_phase(DIRECT, phase, least_calls);
    }
    for phase in [Phase::Reconfigure, Phase::FrameRate, Phase::Size, Phase::End] {
        check_phase(DIRECT, phase, 5);
    }
}

#[test]
fn at_open_for_frames_in_device_memory() {
    check_phase(FROM_DEVICE, Phase::Open, 9);
}

#[test]
fn while_frames_in_device_memory_are_encoded() {
    for phase in [Phase::FirstFrame, Phase::MidStream, Phase::Reconfigure] {
        check_phase(FROM_DEVICE, phase, 5);
    }
}

#[test]
fn at_the_end_of_frames_in_device_memory() {
    check_phase(FROM_DEVICE, Phase::End, 5);
}
