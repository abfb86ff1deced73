//! Changes of rate and size in mid-stream: the backend that takes over has them too.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Instant;

use super::kbps;
use crate::common::live::{Live, PATIENCE, eager, fallbacks, hasty, ms, small};
use crate::common::{config, encode, picture, size};
use d264_double::Double;
use direct264::config::FailoverConfig;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, Error, EventKind, Frame, FrameRate, Picture, PixelFormat,
    QpRange, Reason, Timestamp, open,
};

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
            // The largest size takes a session with more room, which the others then find.
            let is_new_session = encoder.backend() == Backend::Nvenc && number == 1;
            let recreated = EventKind::Recreated { size, is_new_session };
            let kinds: Vec<EventKind> = encoder.take_events().into_iter().map(|event| event.kind).collect();
            assert_eq!(kinds, if number == 0 { vec![] } else { vec![recreated] });
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
