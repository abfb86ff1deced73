//! Every driver call of a session's life x what goes wrong x when: no frame is lost, nothing is left behind, no rule is
//! broken, the caller is told, the stream returns to the hardware, and ffmpeg decodes it across both switches.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod common;

use std::collections::BTreeSet;

use common::live::{Ended, Live, assert_clean_soon, assert_decodable, fallbacks, hasty, words};
use d264_double::{Double, Stage};
use direct264::{Backend, Bitrate, Encoder, Picture, Reason};

/// When it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    FirstFrame,
    MidStream,
    Reconfigure,
    End,
}

/// What a life does before its end, in order.
const LIFE: [Phase; 4] = [Phase::Open, Phase::FirstFrame, Phase::MidStream, Phase::Reconfigure];

/// Lives through one phase; the first one makes the stream.
fn live_through(phase: Phase, live: &mut Option<Live>) {
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
        (Phase::End, live) => drop(live.take()),
        (_, live) => *live = Some(Live::open(&hasty())),
    }
}

/// The functions that are called in a phase where nothing goes wrong.
fn calls(stage: &Stage, phase: Phase) -> BTreeSet<String> {
    // What is called once in a process is not part of it.
    drop(Live::open(&hasty()));
    stage.reset();
    stage.set("TRACE=100000");
    let mut live = None;
    let mut calls = BTreeSet::new();
    for now in LIFE.into_iter().chain([Phase::End]) {
        let before = stage.report().trace().len();
        live_through(now, &mut live);
        if now == phase {
            calls = stage.report().trace().into_iter().skip(before).map(|(name, _)| name).collect();
        }
    }
    assert_clean_soon(stage, "a life without faults");
    calls
}

/// A status of each class: of what is missing, of memory, of a wrong argument, of a fault without a name, one that no
/// header knows, and none at all.
fn faults(function: &str) -> &'static [&'static str] {
    if function.starts_with("cu") {
        // Of CUDA: memory, a wrong argument, a device that is gone, unknown.
        &["2", "1", "46", "999", "4000000000", "hang"]
    } else {
        &["1", "10", "8", "20", "4000000000", "hang"]
    }
}

/// Puts one fault into one life and checks what comes of it.
fn check(stage: &Stage, phase: Phase, function: &str, fault: &str) -> Ended {
    let what = format!("{function}={fault} at {phase:?}");
    stage.reset();
    let set_fault = || stage.set(&format!("FAULT={function}:1={fault}"));
    let mut live = None;
    for now in LIFE {
        if now == phase {
            set_fault();
        }
        live_through(now, &mut live);
    }
    let mut live = live.unwrap();
    if phase == Phase::End {
        set_fault();
    } else {
        let has_left = live.encoder.backend() == Backend::OpenH264;
        let can_return = match phase {
            Phase::Open => live.passed_over.first().is_none_or(|why| why.reason.may_pass()),
            _ => true,
        };
        if phase == Phase::Open {
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
    }
    let ended = live.end();
    assert!(stage.report().faults(function) > 0, "{what} did not happen");
    stage.set("FAULT=");
    assert_clean_soon(stage, &what);
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
    assert_eq!(counters.nvenc_frames + counters.openh264_frames, live.units.len() as u64, "{what}");
}

fn check_phase(phase: Phase, least_calls: usize) {
    let stage = Double::get().load();
    let calls = calls(&stage, phase);
    assert!(calls.len() >= least_calls, "{phase:?}: {calls:?}");
    let mut left = 0;
    let lives: Vec<Ended> = calls
        .iter()
        .flat_map(|function| faults(function).iter().map(move |fault| (function, fault)))
        .map(|(function, fault)| {
            let ended = check(&stage, phase, function, fault);
            left += usize::from(!fallbacks(&ended.events).is_empty());
            ended
        })
        .collect();
    // Most of what fails while a stream runs is noticed; what is not changes nothing.
    assert!(
        [Phase::Open, Phase::End].contains(&phase) || 2 * left > lives.len(),
        "{left} of {}",
        lives.len()
    );
    let frames: usize = lives.iter().map(|ended| ended.units.len()).sum();
    println!("{phase:?}: {} lives with a fault each, {left} left the hardware, {frames} frames", lives.len());
    assert_decodable(&lives, 28.0, &format!("{phase:?}"));
}

#[test]
fn at_open() {
    check_phase(Phase::Open, 15);
}

#[test]
fn at_the_first_frame() {
    check_phase(Phase::FirstFrame, 8);
}

#[test]
fn in_mid_stream() {
    check_phase(Phase::MidStream, 6);
}

#[test]
fn at_a_change() {
    check_phase(Phase::Reconfigure, 5);
}

#[test]
fn at_the_end() {
    check_phase(Phase::End, 6);
}
