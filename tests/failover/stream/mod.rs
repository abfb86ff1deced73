//! The stream never stops: what the failover encoder does when NVENC fails, hangs, fills up or comes back.
#![allow(clippy::unwrap_used, clippy::panic)]

mod attempts;
mod changes;

use std::num::NonZeroU8;
use std::time::Instant;

use crate::common;
use crate::common::live::{
    Live, PATIENCE, assert_decodable, eager, fallbacks, hasty, ms, patient, small, words,
};
use crate::common::{decode, picture};
use d264_double::Double;
use direct264::config::{BackOff, CallForm, FailoverConfig, NvencConfig};
use direct264::error::FrameError;
use direct264::nvenc::PixelsMut;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, Error, Event, EventKind, Frame, Picture, PixelFormat, Reason,
    Timestamp, open,
};

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps).unwrap()
}

#[test]
fn a_frame_on_which_nvenc_fails_comes_out_of_software_as_an_idr_and_the_stream_returns() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager());
    live.frames(5);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    assert_eq!(live.encoder.counters().time(Backend::OpenH264), ms(0));
    let start = Instant::now();
    let unit = live.frame(Picture::Auto);
    assert_eq!((unit.backend, unit.is_idr), (Backend::OpenH264, true));
    live.frames_until(Backend::Nvenc);
    let most = start.elapsed();
    live.frames(5);

    let counters = live.encoder.counters();
    assert_eq!((counters.fallbacks, counters.restorations), (1, 1));
    assert_eq!(counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264), live.units.len() as u64);
    assert!(counters.frames(Backend::OpenH264) >= 1);
    // It was tried again after 5 ms at the earliest, and the time stands still since it is back.
    let in_software = counters.time(Backend::OpenH264);
    assert!(in_software >= ms(4) && in_software <= most, "{in_software:?} of {most:?}");
    std::thread::sleep(ms(20));
    assert_eq!(live.encoder.counters().time(Backend::OpenH264), in_software);
    let latency = live.encoder.latency();
    assert_eq!(latency.frames, live.units.len() as u64);
    assert!(latency.p50 <= latency.p99 && latency.p99 <= latency.max);

    let ended = live.end();
    stage.assert_clean_soon("a failure and a return");
    assert_eq!(words(&ended.events), ["selected", "fell_back", "restored"]);
    let Event { frame_id, backend, kind, .. } = &ended.events[1];
    assert_eq!((frame_id.0, *backend), (5, Backend::Nvenc));
    match kind {
        EventKind::FellBack { to: Backend::OpenH264, reason: Reason::DriverError, detail, .. } => {
            assert!(detail.contains("nvEncEncodePicture returned 20"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    ended.assert_whole("a failure and a return");
    assert_decodable(&[ended], 30.0, "a failure and a return");
}

#[test]
fn the_time_in_software_runs_while_software_has_the_stream() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager().failover(patient()));
    live.frames(1);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(1);
    let before = live.encoder.counters().time(Backend::OpenH264);
    std::thread::sleep(ms(20));
    let since = live.encoder.counters().time(Backend::OpenH264) - before;
    assert!(since >= ms(20), "{since:?}");
    drop(live);
    stage.assert_clean_soon("time in software");
}

#[test]
fn the_backend_that_the_caller_puts_first_is_taken_and_the_other_one_is_not_asked() {
    let stage = Double::get().load();
    let order = BackendOrder::of([Backend::OpenH264, Backend::Nvenc]).unwrap();
    let mut opened = open(&eager(), &order).unwrap();
    assert_eq!(opened.encoder.backend(), Backend::OpenH264);
    assert!(opened.passed_over.is_empty(), "{:?}", opened.passed_over);
    let units = common::encode_run(&mut opened.encoder, 0, 3);
    assert!(units.iter().all(|unit| unit.backend == Backend::OpenH264));
    assert_eq!(words(&opened.encoder.take_events()), ["selected"]);
    assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), 0);
    drop(opened);

    // Eight threads are more than openh264 takes.
    let mut opened = open(&eager().threads(NonZeroU8::new(8)), &order).unwrap();
    assert_eq!(opened.encoder.backend(), Backend::Nvenc);
    let why = &opened.passed_over[0];
    assert_eq!((why.backend, why.reason), (Backend::OpenH264, Reason::UnsupportedSetting));
    assert_eq!(opened.passed_over.len(), 1);
    common::encode_run(&mut opened.encoder, 0, 3);
    assert_eq!(words(&opened.encoder.take_events()), ["passed_over", "selected"]);
    drop(opened);
    stage.assert_clean_soon("an order of the caller's");
}

#[test]
fn a_driver_that_hangs_costs_its_limit_and_no_frame() {
    let stage = Double::get().load();
    let mut live = Live::open(&hasty());
    live.frames(5);
    stage.set("FAULT=nvEncLockBitstream:1=hang");
    let start = Instant::now();
    assert_eq!(live.frame(Picture::Auto).backend, Backend::OpenH264);
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(fallbacks(&live.events), [Reason::TimedOut]);
    assert!(live.units[5].times.total >= ms(300), "what the caller waited is in the figures");
    // The session that hangs is still there: it is not waited for.
    live.frames_until(Backend::Nvenc);
    stage.set("FAULT=");
    let ended = live.end();
    stage.assert_clean_soon("a hang");
    ended.assert_whole("a hang");
}

#[test]
fn access_units_that_are_empty_or_noise_are_not_handed_on() {
    let stage = Double::get().load();
    for spoiled in ["empty", "garbage"] {
        for form in [eager(), eager().nvenc(NvencConfig::new().form(CallForm::Direct))] {
            stage.reset();
            let mut live = Live::open(&form);
            live.frames(3);
            stage.set(&format!("FAULT=nvEncLockBitstream:1={spoiled}"));
            live.frames(1);
            live.frames_until(Backend::Nvenc);
            let ended = live.end();
            assert_eq!(words(&ended.events), ["selected", "fell_back", "restored"], "{spoiled}");
            stage.assert_clean_soon(spoiled);
            assert_decodable(&[ended], 30.0, spoiled);
        }
    }
}

#[test]
fn a_busy_driver_is_asked_again_before_anything_else() {
    let stage = Double::get().load();
    let mut live = Live::open(&hasty());
    live.frames(2);
    // Busy for a few milliseconds: the same frame comes from the hardware.
    stage.set("FAULT=nvEncEncodePicture:1-4=18;nvEncLockBitstream:1-4=13");
    live.frames(3);
    assert_eq!(live.words(), ["selected"]);
    // Busy for ever.
    stage.set("FAULT=nvEncLockBitstream:*=13");
    assert_eq!(live.frame(Picture::Auto).backend, Backend::OpenH264);
    assert_eq!(fallbacks(&live.events), [Reason::DriverError]);
    stage.set("FAULT=");
    drop(live);
    stage.assert_clean_soon("a busy driver");
}

#[test]
fn an_idr_that_is_asked_for_is_not_lost_in_a_switch() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager());
    live.frames(3);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    assert!(live.frame(Picture::Idr).is_idr);
    assert_eq!(live.words(), ["selected", "idr_requested", "fell_back"]);
    live.frames_until(Backend::Nvenc);
    assert!(live.frame(Picture::Idr).is_idr);
    drop(live);
    stage.assert_clean_soon("an IDR asked for");
}

#[test]
fn parameter_sets_are_those_of_who_encodes_next() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager());
    live.frames(2);
    stage.set("FAULT=nvEncGetSequenceParams:1=20");
    let sets = live.encoder.parameter_sets().unwrap();
    let unit = live.frame(Picture::Auto).clone();
    assert!(unit.is_idr && unit.bytes.starts_with(&sets));
    drop(live);
    stage.assert_clean_soon("parameter sets");
}

#[test]
fn a_strict_order_hands_its_errors_to_the_caller() {
    let stage = Double::get().load();
    let mut encoder = open(&eager(), &BackendOrder::only(Backend::Nvenc)).unwrap().encoder;
    common::encode_run(&mut encoder, 0, 2);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    let pixels = picture::Camera::new(small()).i420(2);
    let frame = Frame::contiguous(small(), PixelFormat::I420, &pixels, Timestamp(2)).unwrap();
    for _ in 0..2 {
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            Error::Driver(why) => assert_eq!(why.status(), Some(20)),
            other => panic!("{other:?}"),
        }
    }
    assert!(fallbacks(&encoder.take_events()).is_empty());
    drop(encoder);
    stage.assert_clean_soon("a strict order");
}

#[test]
fn a_warm_stand_in_is_ready_and_stays_so() {
    let stage = Double::get().load();
    let retry = Some(BackOff::new(ms(5), ms(40)).unwrap());
    let mut live = Live::open(&eager().failover(FailoverConfig::new().retry(retry).warm_software(true)));
    live.frames(3);
    live.encoder.set_bitrate(kbps(200)).unwrap();
    for round in 0..3 {
        stage.set("FAULT=nvEncEncodePicture:1=20");
        assert!(live.frame(Picture::Auto).is_idr, "{round}");
        live.frames(2);
        live.frames_until(Backend::Nvenc);
        live.frames(2);
    }
    assert_eq!(live.encoder.counters().fallbacks, 3);
    let ended = live.end();
    stage.assert_clean_soon("a warm stand-in");
    ended.assert_whole("a warm stand-in");
    assert_decodable(&[ended], 30.0, "a warm stand-in");
}

#[test]
fn a_dead_context_moves_the_stream() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager().failover(patient()));
    live.frames(2);
    stage.set("FAULT=cuMemcpyHtoDAsync:1=700;cuMemcpy2DAsync:1=700");
    live.frames(3);
    assert_eq!(live.words(), ["selected", "fell_back"]);
    stage.set("FAULT=");
    drop(live);
    stage.assert_clean_soon("a dead context");
}

#[test]
fn settings_that_are_refused_are_tried_in_order_of_which_each_asks_for_less() {
    let stage = Double::get().load();
    stage.set("FAULT=nvEncInitializeEncoder:1=8");
    let mut live = Live::open(&eager());
    live.frames(2);
    assert_eq!(live.words(), ["selected"]);
    assert_eq!(stage.report().calls("nvEncInitializeEncoder"), 2);
    drop(live);
    stage.assert_clean_soon("settings refused once");
}

#[test]
fn a_lent_frame_survives_the_backend_that_lent_it() {
    let stage = Double::get().load();
    let mut encoder = open(&hasty(), &BackendOrder::auto()).unwrap().encoder;
    let camera = picture::Camera::new(small());
    let mut units = Vec::new();
    for number in 0..6 {
        let mut lent = encoder.lend(PixelFormat::I420).unwrap();
        let PixelsMut::I420 { y, u, v } = lent.pixels_mut() else { panic!("as was asked for") };
        let pixels = camera.i420(number);
        let mut from = &pixels[..];
        for (plane, width, height) in [(y, 160, 96), (u, 80, 48), (v, 80, 48)] {
            for row in plane.bytes.chunks_mut(plane.stride_bytes).take(height) {
                let (this, rest) = from.split_at(width);
                row[..width].copy_from_slice(this);
                from = rest;
            }
        }
        if number == 5 {
            stage.set("FAULT=nvEncEncodePicture:1=20");
        }
        units
            .push(encoder.encode_lent(lent, Timestamp(i64::from(number)), Picture::Auto).unwrap().to_owned());
    }
    let last = &units[5];
    assert_eq!((last.backend, last.is_idr, last.timestamp), (Backend::OpenH264, true, Timestamp(5)));
    let shown = decode::openh264(units[5..].iter().map(|unit| &unit.bytes[..]));
    assert!(picture::psnr(&shown[0], &camera.i420(5)) > 30.0);
    // openh264 lends nothing; with the hardware back, frames are lent again.
    let not_lent = encoder.lend(PixelFormat::I420).unwrap_err();
    assert!(matches!(not_lent, Error::Frame(FrameError::NotLent { .. })));
    drop(encoder);
    stage.assert_clean_soon("lent frames behind the failover encoder");
}
