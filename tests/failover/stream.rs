//! The stream never stops: what the failover encoder does when NVENC fails, hangs, fills up or comes back.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::num::NonZeroU8;
use std::time::Instant;

use crate::common;
use crate::common::live::{
    Live, PATIENCE, assert_decodable, eager, fallbacks, hasty, ms, patient, small, wait_for_the_ends, words,
};
use crate::common::{LIMITS, config, decode, encode, picture, size, within};
use d264_double::{Double, threads};
use direct264::config::{BackOff, CallForm, FailoverConfig, NvencConfig};
use direct264::error::FrameError;
use direct264::nvenc::PixelsMut;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, Error, Event, EventKind, Frame, FrameRate, Picture, PixelFormat,
    QpRange, Reason, Timestamp, open,
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
fn what_was_changed_in_software_holds_on_the_hardware_and_the_other_way_round() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager());
    live.frames(3);
    live.encoder.set_bitrate(kbps(200)).unwrap();
    live.encoder.set_qp_range(QpRange::new(12, 48).unwrap()).unwrap();
    stage.set("FAULT=nvEncEncodePicture:1=20;nvEncOpenEncodeSessionEx:*=20");
    live.frames(2);
    assert_eq!((live.encoder.backend(), live.encoder.bitrate_in_force()), (Backend::OpenH264, kbps(200)));
    live.encoder.set_bitrate(kbps(900)).unwrap();
    live.encoder.set_frame_rate(FrameRate::hz(15).unwrap()).unwrap();
    stage.set("FAULT=");
    live.frames_until(Backend::Nvenc);
    live.frames(2);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(900));
    let sessions = stage.report().sessions();
    let last = sessions.last().unwrap().to_string();
    assert!(last.contains("900000"), "{last}");
    let changes: Vec<(Bitrate, Bitrate)> = live
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::BitrateChanged { from, to } => Some((from, to)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(kbps(300), kbps(200)), (kbps(200), kbps(900))]);
    drop(live);
    stage.assert_clean_soon("changes across a switch");
}

#[test]
fn a_change_in_which_the_driver_hangs_moves_the_stream_and_succeeds() {
    let stage = Double::get().load();
    stage.reset();
    let mut live = Live::open(&hasty());
    live.frames(2);
    stage.set("FAULT=nvEncReconfigureEncoder:1=hang");
    live.encoder.set_bitrate(kbps(150)).unwrap();
    assert_eq!(live.encoder.backend(), Backend::OpenH264);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(150));
    live.frames(1);
    live.frames_until(Backend::Nvenc);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(150));
    stage.set("FAULT=");
    drop(live);
    stage.assert_clean_soon("a change that hangs");
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
fn a_small_increase_waits_and_a_decrease_does_not() {
    let _stage = Double::get().load();
    for order in [BackendOrder::auto(), BackendOrder::only(Backend::OpenH264)] {
        let mut encoder = open(&config(small(), 30, 1_000), &order).unwrap().encoder;
        for (wanted, in_force) in [
            (1_099, 1_000), // below 10 %
            (1_100, 1_100), // the sum is as much
            (1_150, 1_100),
            (1_099, 1_099), // a decrease of what is in force
            (1_200, 1_099),
            (900, 900),
            (1_000, 1_000),
        ] {
            encoder.set_bitrate(kbps(wanted)).unwrap();
            assert_eq!(encoder.bitrate_in_force(), kbps(in_force), "{wanted}");
        }
    }
}

#[test]
fn what_waits_comes_with_the_next_idr_and_with_a_switch() {
    let stage = Double::get().load();
    let mut live = Live::open(&eager().idr_period_frames(std::num::NonZeroU32::new(10)));
    live.frames(2);
    live.encoder.set_bitrate(kbps(310)).unwrap();
    live.frames(1);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(300));
    live.frame(Picture::Idr);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(310));

    live.encoder.set_bitrate(kbps(320)).unwrap();
    live.frames(9);
    assert_eq!(live.encoder.bitrate_in_force(), kbps(310));
    assert!(live.frame(Picture::Auto).is_idr, "the period is over");
    assert_eq!(live.encoder.bitrate_in_force(), kbps(320));

    live.encoder.set_bitrate(kbps(330)).unwrap();
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(1);
    assert_eq!((live.encoder.backend(), live.encoder.bitrate_in_force()), (Backend::OpenH264, kbps(330)));
    drop(live);
    stage.assert_clean_soon("what waits");
}

#[test]
fn every_increase_passes_where_the_threshold_is_zero() {
    let _stage = Double::get().load();
    let config = config(small(), 30, 1_000).failover(FailoverConfig::new().bitrate_threshold_percent(0));
    let mut encoder = open(&config, &BackendOrder::auto()).unwrap().encoder;
    encoder.set_bitrate(Bitrate::from_bps(1_000_001).unwrap()).unwrap();
    assert_eq!(encoder.bitrate_in_force().bps(), 1_000_001);
}

#[test]
fn a_frame_of_another_size_is_followed_with_an_idr_on_either_backend() {
    let stage = Double::get().load();
    for order in [BackendOrder::auto(), BackendOrder::only(Backend::OpenH264)] {
        stage.reset();
        let mut encoder = open(&eager(), &order).unwrap().encoder;
        encoder.take_events();
        for (number, (width, height)) in
            [(160, 96), (320, 192), (160, 112), (161, 97), (160, 96)].into_iter().enumerate()
        {
            let size = size(width, height);
            let pixels = picture::Camera::new(size).i420(number as u32);
            let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(9)).unwrap();
            let unit = encoder.encode(&frame, Picture::Auto).unwrap().to_owned();
            assert!(unit.is_idr, "{size}");
            assert_eq!(encoder.size(), size);
            let expected: &[EventKind] = if number == 0 { &[] } else { &[EventKind::Recreated { size }] };
            let kinds: Vec<EventKind> = encoder.take_events().into_iter().map(|event| event.kind).collect();
            assert_eq!(kinds, expected);
            let again = encode(&mut encoder, &pixels, 10, Picture::Auto);
            assert!(!again.is_idr);
        }
        drop(encoder);
        stage.assert_clean_soon("sizes followed");
    }
}

#[test]
fn a_size_that_only_software_takes_is_followed_there_and_back() {
    let stage = Double::get().load();
    stage.set("CAPS=WIDTH_MAX=320,HEIGHT_MAX=240");
    let mut encoder = open(&eager(), &BackendOrder::auto()).unwrap().encoder;
    let encode_at = |encoder: &mut direct264::FailoverEncoder, size| {
        let pixels = picture::Camera::new(size).i420(0);
        let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
        encoder.encode(&frame, Picture::Auto).unwrap().to_owned()
    };
    assert_eq!(encode_at(&mut encoder, small()).backend, Backend::Nvenc);
    let wide = encode_at(&mut encoder, size(400, 96));
    assert_eq!((wide.backend, wide.is_idr), (Backend::OpenH264, true));
    assert_eq!(fallbacks(&encoder.take_events()), [Reason::UnsupportedSize]);
    // Another one of the kind; an attempt finds that out.
    encode_at(&mut encoder, size(416, 96));
    std::thread::sleep(ms(50));
    assert_eq!(encode_at(&mut encoder, size(416, 96)).backend, Backend::OpenH264);

    let deadline = Instant::now() + PATIENCE;
    while encode_at(&mut encoder, small()).backend != Backend::Nvenc {
        assert!(Instant::now() < deadline);
        std::thread::sleep(ms(2));
    }
    // And one that nobody takes is refused with the limit, and costs nothing.
    let pixels = picture::Camera::new(size(8, 8)).i420(0);
    let frame = Frame::contiguous(size(8, 8), PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
    assert!(matches!(encoder.encode(&frame, Picture::Auto), Err(Error::Config(_))));
    assert_eq!((encoder.size(), encoder.backend()), (small(), Backend::Nvenc));
    assert!(!encode_at(&mut encoder, small()).is_idr);
    drop(encoder);
    stage.assert_clean_soon("a size for software");
}

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
    // Those that come later wait behind the first.
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
