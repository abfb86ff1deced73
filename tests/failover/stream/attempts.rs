//! Attempts to return to NVENC: when the stream makes one, and what a failed attempt costs.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;
use std::time::Instant;

use crate::common::live::{Live, PATIENCE, assert_decodable, eager, ms, small, wait_for_the_ends, words};
use crate::common::{LIMITS, within};
use d264_double::{Double, threads};
use direct264::config::{BackOff, FailoverConfig};
use direct264::{Backend, Encoder, Error, EventKind, Frame, Picture, PixelFormat, Reason, Timestamp};

#[test]
fn a_better_backend_that_fails_at_its_first_frame_again_costs_no_idr() {
    let stage = Double::get().load();
    // The failed session is gone before the first attempt.
    let back_off = BackOff::new(ms(1_000), ms(1_000)).unwrap();
    let mut live = Live::open(&eager().failover(FailoverConfig::new().retry(Some(back_off))));
    live.frames(2);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(1);
    wait_for_the_ends(&stage);
    // The picture that is tried off the caller's thread succeeds, the caller's does not.
    stage.set("FAULT=nvEncEncodePicture:2=20");
    let deadline = Instant::now() + PATIENCE;
    while !live.words().contains(&"passed_over") {
        assert!(Instant::now() < deadline);
        live.frames(1);
        std::thread::sleep(ms(1));
    }
    assert!(live.units[3..].iter().all(|unit| unit.backend == Backend::OpenH264 && !unit.is_idr));
    live.frames_until(Backend::Nvenc);
    let ended = live.end();
    assert_eq!(words(&ended.events), ["selected", "fell_back", "passed_over", "restored"]);
    stage.assert_clean_soon("a second failure");
    assert_decodable(&[ended], 30.0, "a second failure");
}

#[test]
fn a_stream_in_software_is_not_tried_again_where_that_is_not_wanted() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager().failover(FailoverConfig::new().retry(None)));
    live.frames(1);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(1);
    let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
    std::thread::sleep(ms(50));
    live.frames(3);
    assert_eq!(live.encoder.backend(), Backend::OpenH264);
    assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), opened);
    drop(live);
    stage.assert_clean_soon("no attempts");
}

#[test]
fn no_encoder_on_the_gpu_is_not_asked_again() {
    let stage = Double::get().load();
    stage.set("FAULT=nvEncOpenEncodeSessionEx:*=1");
    let mut live = Live::open(&eager());
    assert_eq!(live.passed_over[0].reason, Reason::NoEncoderOnGpu);
    let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
    std::thread::sleep(ms(50));
    live.frames(2);
    assert_eq!(live.words(), ["passed_over", "selected"]);
    assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), opened);
    drop(live);
    stage.assert_clean_soon("a GPU without an encoder");
}

#[test]
fn failures_in_a_row_make_attempts_rarer() {
    let stage = Double::get().load();
    let back_off = BackOff::new(ms(10), ms(3_600_000)).unwrap();
    let mut live = Live::open(&eager().failover(FailoverConfig::new().retry(Some(back_off))));
    live.frames(1);
    stage.set("FAULT=nvEncInitializeEncoder:*=20;nvEncEncodePicture:1=20");
    let attempts = || stage.report().faults("nvEncInitializeEncoder");
    let start = Instant::now();
    while attempts() < 6 {
        assert!(start.elapsed() < PATIENCE, "{} attempts", attempts());
        live.frames(1);
        std::thread::sleep(ms(1));
    }
    // After 10, 20, 40, 80, 160 and 320 ms; each attempt waits for the one before.
    assert!(start.elapsed() >= ms(630), "six attempts in {:?}", start.elapsed());
    stage.set("FAULT=");
    drop(live);
    stage.assert_clean_soon("failures in a row");
}

#[test]
fn a_driver_that_hangs_whenever_it_is_asked_is_not_given_one_thread_after_the_other() {
    let stage = Double::get().load();
    stage.set("FAULT=nvEncOpenEncodeSessionEx:*=hang");
    let mut live = Live::open(&eager().nvenc(within(LIMITS.open(ms(100)))));
    assert_eq!(live.passed_over[0].reason, Reason::TimedOut);
    // As long as ten attempts would take.
    let start = Instant::now();
    while start.elapsed() < ms(1_400) {
        live.frames(1);
        std::thread::sleep(ms(10));
    }
    // Later attempts wait behind the first.
    let hang = threads().iter().filter(|name| *name == "direct264-nvenc").count();
    assert!((1..=4).contains(&hang), "{hang} threads hang");
    stage.set("FAULT=");
    live.frames_until(Backend::Nvenc);
    drop(live);
    stage.assert_clean_soon("a driver that hung");
}

/// Eight threads are more than openh264 takes.
#[test]
fn where_nothing_can_stand_in_the_caller_knows_beforehand_and_the_hardware_comes_back() {
    let stage = Double::get().load();
    let eight = NonZeroU8::new(8);
    let mut live = Live::open(&eager().threads(eight));
    live.frames(3);
    let told = live.events.iter().find_map(|event| match &event.kind {
        EventKind::PassedOver { reason, detail, .. } => Some((event.backend, *reason, detail.clone())),
        _ => None,
    });
    let (backend, reason, detail) = told.unwrap();
    assert_eq!((backend, reason), (Backend::OpenH264, Reason::UnsupportedSetting));
    assert!(detail.contains('8'), "{detail}");

    stage.set("FAULT=nvEncEncodePicture:1=20");
    let pixels = vec![128; PixelFormat::I420.frame_bytes(small())];
    let deadline = Instant::now() + PATIENCE;
    let mut refused = 0;
    let is_idr = loop {
        let frame = Frame::contiguous(small(), PixelFormat::I420, &pixels, Timestamp(9)).unwrap();
        match live.encoder.encode(&frame, Picture::Auto) {
            Ok(unit) => break unit.is_idr,
            Err(Error::Driver(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(ms(2));
    };
    assert!(is_idr && refused > 0);
    live.events.clear();
    live.events.extend(live.encoder.take_events());
    // openh264 once more, then NVENC itself.
    assert_eq!(live.words(), ["passed_over", "passed_over", "restored"]);
    drop(live);
    stage.assert_clean_soon("nothing to stand in");
}

#[test]
fn an_encoder_that_is_dropped_while_it_is_tried_again_leaves_no_session() {
    let stage = Double::get().load();
    for delay_ms in [0, 1, 5, 20, 60] {
        stage.reset();
        let mut live = Live::open(&eager());
        live.frames(1);
        stage.set("FAULT=nvEncEncodePicture:1=20;nvEncInitializeEncoder:1=hang30");
        live.frames(1);
        std::thread::sleep(ms(delay_ms));
        drop(live);
        stage.assert_clean_soon("dropped during an attempt");
        // Nobody comes later.
        let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
        std::thread::sleep(ms(60));
        stage.assert_clean_soon("after a drop");
        assert!(stage.report().calls("nvEncOpenEncodeSessionEx") <= opened + 1);
    }
}
