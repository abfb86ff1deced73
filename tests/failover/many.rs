//! Many streams in one process under a session limit: who finds no session runs in software, and takes one in turn.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Instant;

use crate::common::live::{Live, PATIENCE, eager, ms, patient, words};
use crate::common::{size, unhurried};
use d264_double::{Double, passed_as_child};
use direct264::config::{BackOff, FailoverConfig, GpuChoice};
use direct264::{Backend, Encoder, Reason};

const STREAMS: usize = 32;
const SESSIONS: usize = 3;

/// Encodes with all until as many are on the hardware; which ones these are.
fn settle(streams: &mut [Option<Live>], on_hardware: usize) -> Vec<usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut on = Vec::new();
        for (index, stream) in streams.iter_mut().enumerate() {
            let Some(live) = stream else { continue };
            live.frames(1);
            if live.encoder.backend() == Backend::Nvenc {
                on.push(index);
            }
        }
        if on.len() == on_hardware {
            return on;
        }
        assert!(Instant::now() < deadline, "{on:?} are on the hardware, not {on_hardware}");
        std::thread::sleep(ms(1));
    }
}

#[test]
fn thirty_two_streams_share_three_sessions_in_the_order_of_their_coming() {
    let stage = Double::get().load();
    stage.set(&format!("SESSIONS={SESSIONS}"));
    // Nobody tries by the clock: whoever returns was called because a session had ended.
    let config = eager().failover(patient());
    let mut streams: Vec<Option<Live>> = (0..STREAMS).map(|_| Some(Live::open(&config))).collect();
    for live in streams.iter().flatten().skip(SESSIONS) {
        assert_eq!(live.passed_over[0].reason, Reason::SessionLimit);
    }
    assert_eq!(settle(&mut streams, SESSIONS), [0, 1, 2]);

    let mut on_hardware: VecDeque<usize> = (0..SESSIONS).collect();
    for next in SESSIONS..STREAMS {
        let gone = on_hardware.pop_front().unwrap();
        let ended = streams[gone].take().unwrap().end();
        ended.assert_whole("one of many");
        on_hardware.push_back(next);
        assert_eq!(settle(&mut streams, SESSIONS), Vec::from(on_hardware.clone()), "after {gone} ended");
    }
    let last = streams[STREAMS - 1].as_ref().unwrap();
    assert_eq!(words(&last.events), ["passed_over", "selected", "restored"]);
    assert!(stage.report().json()["sessions_at_once"].as_u64().unwrap() <= SESSIONS as u64);
    drop(streams);
    stage.assert_clean_soon("many streams");
}

#[test]
fn a_session_that_fails_makes_room_for_the_first_who_waits() {
    let stage = Double::get().load();
    stage.set("SESSIONS=1");
    let config = eager().failover(patient());
    let mut streams: Vec<Option<Live>> = (0..3).map(|_| Some(Live::open(&config))).collect();
    assert_eq!(settle(&mut streams, 1), [0]);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    streams[0].as_mut().unwrap().frames(1);
    assert_eq!(settle(&mut streams, 1), [1]);
    drop(streams);
    stage.assert_clean_soon("room made by a failure");
}

/// A size beyond the largest takes another session. The slot is the stream's own meanwhile.
#[test]
fn who_changes_its_session_for_another_one_does_not_lose_the_slot_to_who_waits() {
    let stage = Double::get().load();
    stage.set("SESSIONS=1");
    let config = eager().failover(patient());
    let mut streams: Vec<Option<Live>> = (0..3).map(|_| Some(Live::open(&config))).collect();
    assert_eq!(settle(&mut streams, 1), [0]);
    for (width, height) in [(192, 112), (320, 192), (336, 208), (352, 288)] {
        let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
        let live = streams[0].as_mut().unwrap();
        live.encoder.set_size(size(width, height)).unwrap();
        assert_eq!(live.encoder.backend(), Backend::Nvenc, "{width}x{height}");
        // Nobody else was told to try.
        std::thread::sleep(ms(20));
        assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), opened + 1);
    }
    // Nor is it kept when there is no other session to be had.
    stage.set("FAULT=nvEncInitializeEncoder:1=20");
    let live = streams[0].as_mut().unwrap();
    live.encoder.set_size(size(400, 300)).unwrap();
    assert_eq!(live.encoder.backend(), Backend::OpenH264);
    streams[0] = None;
    assert_eq!(settle(&mut streams, 1), [1]);
    drop(streams);
    stage.assert_clean_soon("a session changed for another one");
}

#[test]
fn thirty_two_streams_share_what_three_gpus_have() {
    let test = "thirty_two_streams_share_what_three_gpus_have";
    let gpus = "nvenc:NVIDIA L4,nvenc:NVIDIA T4,nvenc:NVIDIA L40S";
    if passed_as_child(test, &[("GPUS", gpus)]) {
        return;
    }
    let stage = Double::get().load();
    stage.set("GPU_SESSIONS=2");
    for gpu in [GpuChoice::Any, GpuChoice::Spread] {
        let config = eager().nvenc(unhurried().gpu(gpu)).failover(patient());
        let mut streams: Vec<Option<Live>> = (0..STREAMS).map(|_| Some(Live::open(&config))).collect();
        assert_eq!(settle(&mut streams, 6), [0, 1, 2, 3, 4, 5]);
        let mut on_hardware: VecDeque<usize> = (0..6).collect();
        // Not the oldest, so that the slot is by turns on each of the GPUs.
        for (next, place) in (6..STREAMS).zip([0, 2, 4, 1, 3, 5].into_iter().cycle()) {
            let gone = on_hardware.remove(place).unwrap();
            streams[gone] = None;
            on_hardware.push_back(next);
            assert_eq!(settle(&mut streams, 6), Vec::from(on_hardware.clone()), "{gpu}: after {gone} ended");
        }
        assert_eq!(stage.report().json()["sessions_at_once"], 6);
        drop(streams);
        stage.assert_clean_soon("many streams on several GPUs");
    }
}

#[test]
fn slots_that_other_processes_free_are_found_by_the_clock_one_after_the_other() {
    let stage = Double::get().load();
    stage.set("SESSIONS=0");
    let back_off = BackOff::new(ms(5), ms(20)).unwrap();
    let config = eager().failover(FailoverConfig::new().retry(Some(back_off)));
    let mut streams: Vec<Option<Live>> = (0..4).map(|_| Some(Live::open(&config))).collect();
    assert!(settle(&mut streams, 0).is_empty());
    stage.set("SESSIONS=2");
    assert_eq!(settle(&mut streams, 2), [0, 1]);
    drop(streams);
    stage.assert_clean_soon("slots from elsewhere");
}

#[test]
fn who_waits_and_is_dropped_does_not_hold_the_others_up() {
    let stage = Double::get().load();
    stage.set("SESSIONS=1");
    let config = eager().failover(patient());
    let mut streams: Vec<Option<Live>> = (0..4).map(|_| Some(Live::open(&config))).collect();
    streams[1] = None;
    streams[0] = None;
    assert_eq!(settle(&mut streams, 1), [2]);
    drop(streams);
    stage.assert_clean_soon("one who left");
}
