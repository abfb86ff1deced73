//! Tests the failover encoder on three scripted backends in a row, without any driver.

mod in_flight;
mod sizes;

use std::thread;
use std::time::{Duration, Instant};

use super::super::{BackendOrder, FailoverEncoder, open};
use crate::access_unit::OwnedAccessUnit;
use crate::backend::Backend;
use crate::config::{BackOff, EncoderConfig, FailoverConfig};
use crate::encoder::Encoder;
use crate::error::Error;
use crate::event::EventKind;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::reason::Reason;
use crate::scripted::{Act, Stage};
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, Timestamp};

const A: Backend = Backend::Scripted(0);

const B: Backend = Backend::Scripted(1);

const C: Backend = Backend::Scripted(2);

/// The time that a test waits for what has to come. No healthy run comes near it.
const PATIENCE: Duration = Duration::from_secs(120);

fn size(width: u32) -> FrameSize {
    FrameSize::new(width, 16).unwrap()
}

fn config() -> EncoderConfig {
    let retry = BackOff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
    EncoderConfig::new(size(32), FrameRate::hz(30).unwrap(), Bitrate::from_kbps(100).unwrap())
        .failover(FailoverConfig::new().retry(Some(retry)))
}

fn without_retry() -> EncoderConfig {
    config().failover(FailoverConfig::new().retry(None))
}

fn opened(stage: &Stage, config: EncoderConfig) -> FailoverEncoder {
    open(&stage.config(config), &BackendOrder::of([A, B, C]).unwrap()).unwrap().encoder
}

fn grey(size: FrameSize, number: i64, act: impl FnOnce(&Frame<'_>)) {
    let pixels = vec![128; PixelFormat::I420.frame_bytes(size)];
    act(&Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number)).unwrap());
}

fn encode(encoder: &mut FailoverEncoder, number: i64) -> Result<OwnedAccessUnit, Error> {
    let mut unit = None;
    grey(encoder.size(), number, |frame| {
        unit = Some(encoder.encode(frame, Picture::Auto).map(|unit| unit.to_owned()));
    });
    unit.unwrap()
}

/// Encodes frames until a backend delivers one. The wait is as long as the attempts take, and loses no frame.
fn until(encoder: &mut FailoverEncoder, backend: Backend) -> OwnedAccessUnit {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let unit = encode(encoder, 1).unwrap();
        if unit.backend == backend {
            return unit;
        }
        assert!(Instant::now() < deadline, "the stream never comes to {backend:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Encodes frames for many times the longest back-off: all of them come out of one backend.
fn stays(encoder: &mut FailoverEncoder, backend: Backend) {
    for _ in 0..20 {
        assert_eq!(encode(encoder, 1).unwrap().backend, backend);
        thread::sleep(Duration::from_millis(1));
    }
}

fn words(encoder: &mut FailoverEncoder) -> Vec<(Backend, &'static str)> {
    encoder.take_events().iter().map(|event| (event.backend, event.kind.as_str())).collect()
}

#[test]
fn each_failure_goes_to_the_next_in_line_with_the_same_frame() {
    let stage = Stage::new();
    stage.pictures(0, &[Act::Work, Act::Fail]);
    stage.pictures(1, &[Act::Work, Act::Fail]);
    let mut encoder = opened(&stage, without_retry());
    let units: Vec<_> = (1..6).map(|number| encode(&mut encoder, number).unwrap()).collect();
    let seen: Vec<_> = units.iter().map(|unit| (unit.frame_id, unit.backend, unit.is_idr)).collect();
    assert_eq!(
        seen,
        [
            (FrameId(0), A, true),
            (FrameId(1), B, true),
            (FrameId(2), C, true),
            (FrameId(3), C, false),
            (FrameId(4), C, false)
        ]
    );
    assert_eq!(units.iter().map(|unit| unit.timestamp.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let counters = encoder.counters();
    assert_eq!([A, B, C].map(|backend| counters.frames(backend)), [1, 1, 3]);
    assert_eq!((counters.fallbacks, counters.restorations), (2, 0));
    assert_eq!(words(&mut encoder), [(A, "selected"), (A, "fell_back"), (B, "fell_back")]);
}

#[test]
fn a_backend_that_cannot_be_had_is_passed_over_on_the_way_down() {
    let stage = Stage::new();
    stage.pictures(0, &[Act::Work, Act::Fail]);
    stage.all_opens(1, Act::Lack(Reason::NoDriver));
    let mut encoder = opened(&stage, without_retry());
    encode(&mut encoder, 1).unwrap();
    let unit = encode(&mut encoder, 2).unwrap();
    assert_eq!((unit.backend, unit.is_idr), (C, true));
    let events = encoder.take_events();
    let kinds: Vec<_> = events.iter().map(|event| (event.backend, &event.kind)).collect();
    assert!(matches!(kinds[1], (B, EventKind::PassedOver { reason: Reason::NoDriver, .. })), "{kinds:?}");
    assert!(matches!(kinds[2], (A, EventKind::FellBack { to: C, .. })), "{kinds:?}");
}

#[test]
fn the_stream_returns_to_every_better_backend_and_to_the_best_in_the_end() {
    let stage = Stage::new();
    for number in [0, 1] {
        stage.all_opens(number, Act::Fail);
    }
    let mut encoder = opened(&stage, config());
    assert_eq!(encoder.backend(), C);
    encode(&mut encoder, 1).unwrap();
    stage.all_opens(1, Act::Work);
    assert!(until(&mut encoder, B).is_idr);
    stage.all_opens(0, Act::Work);
    assert!(until(&mut encoder, A).is_idr);
    let counters = encoder.counters();
    assert_eq!((counters.fallbacks, counters.restorations), (0, 2));
    assert!(counters.frames(C) >= 1 && counters.frames(B) >= 1 && counters.frames(A) == 1);
    assert!(counters.time(C) > Duration::ZERO && counters.time(B) > Duration::ZERO);
    // Nothing is tried any more.
    let opened = [0, 1, 2].map(|number| stage.opened(number));
    stays(&mut encoder, A);
    assert_eq!([0, 1, 2].map(|number| stage.opened(number)), opened);
}

#[test]
fn what_is_absent_is_not_tried_again() {
    let stage = Stage::new();
    stage.all_opens(0, Act::Lack(Reason::NoDriver));
    stage.opens(1, &[Act::Fail]);
    let mut encoder = opened(&stage, config());
    stage.all_opens(0, Act::Work);
    assert!(until(&mut encoder, B).is_idr);
    stays(&mut encoder, B);
    assert_eq!(stage.opened(0), 0);
}

#[test]
fn behind_the_last_backend_the_error_is_the_callers_until_an_attempt_succeeds() {
    let stage = Stage::new();
    for number in [0, 1] {
        stage.all_opens(number, Act::Lack(Reason::SessionLimit));
    }
    stage.pictures(2, &[Act::Work, Act::Fail]);
    stage.opens(2, &[Act::Work]);
    let mut encoder = opened(&stage, config());
    encode(&mut encoder, 1).unwrap();
    stage.all_opens(2, Act::Fail);
    assert!(matches!(encode(&mut encoder, 2), Err(Error::Driver(_))));
    assert!(matches!(encode(&mut encoder, 3), Err(Error::Driver(_))));
    stage.all_opens(1, Act::Work);
    let unit = loop {
        match encode(&mut encoder, 4) {
            Ok(unit) => break unit,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    };
    assert_eq!((unit.backend, unit.is_idr), (B, true));
}

#[test]
fn an_order_of_one_is_strict() {
    let stage = Stage::new();
    stage.pictures(1, &[Act::Work, Act::Fail]);
    let mut encoder = open(&stage.config(config()), &BackendOrder::only(B)).unwrap().encoder;
    encode(&mut encoder, 1).unwrap();
    for _ in 0..3 {
        assert!(matches!(encode(&mut encoder, 2), Err(Error::Driver(_))));
    }
    assert_eq!(words(&mut encoder), [(B, "selected")]);
    assert_eq!(stage.opened(1), 1);
}

#[test]
fn a_lost_context_ends_the_attempts_that_need_it_and_no_others() {
    let stage = Stage::new();
    // A needs CUDA, B does not.
    stage.pictures(0, &[Act::Work, Act::LoseContext]);
    stage.opens(1, &[Act::Fail]);
    let mut encoder = opened(&stage, config());
    encode(&mut encoder, 1).unwrap();
    assert_eq!(encode(&mut encoder, 2).unwrap().backend, C);
    assert!(until(&mut encoder, B).is_idr);
    stays(&mut encoder, B);
    assert_eq!(stage.opened(0), 1);
}

#[test]
fn a_spare_engine_takes_over_and_the_one_it_stood_in_for_is_the_next_spare() {
    let stage = Stage::new();
    stage.pictures(0, &[Act::Work, Act::Fail]);
    let retry = BackOff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
    let failover = FailoverConfig::new().warm_software(true).retry(Some(retry));
    let mut encoder = opened(&stage, config().failover(failover));
    assert_eq!([1, 2].map(|number| stage.opened(number)), [1, 0]);
    encode(&mut encoder, 1).unwrap();
    assert_eq!(encode(&mut encoder, 2).unwrap().backend, B);
    // Back on A the engine of B is kept, and takes over once more.
    until(&mut encoder, A);
    stage.pictures(0, &[Act::Fail]);
    assert_eq!(encode(&mut encoder, 3).unwrap().backend, B);
    assert_eq!([1, 2].map(|number| stage.opened(number)), [1, 0]);
}

#[test]
fn a_place_that_was_passed_over_is_tried_again_after_a_jump_over_it() {
    let stage = Stage::new();
    for number in [0, 1] {
        stage.all_opens(number, Act::Lack(Reason::OutOfMemory));
    }
    let retry = BackOff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
    let failover = FailoverConfig::new().warm_software(true).retry(Some(retry));
    let mut encoder = opened(&stage, config().failover(failover));
    stage.all_opens(0, Act::Work);
    until(&mut encoder, A);
    // The spare of C takes over for A, past B.
    stage.all_opens(0, Act::Lack(Reason::OutOfMemory));
    stage.pictures(0, &[Act::Fail]);
    assert_eq!(encode(&mut encoder, 2).unwrap().backend, C);
    stage.all_opens(1, Act::Work);
    until(&mut encoder, B);
}

#[test]
fn events_of_a_backend_reach_the_caller() {
    let stage = Stage::new();
    let bitrate = Bitrate::from_kbps(100).unwrap();
    stage.leaves(0, EventKind::RateUnmet { target: bitrate, reached_bps: 1 });
    let mut encoder = opened(&stage, without_retry());
    encode(&mut encoder, 1).unwrap();
    assert_eq!(words(&mut encoder), [(A, "selected"), (A, "rate_unmet")]);
}
