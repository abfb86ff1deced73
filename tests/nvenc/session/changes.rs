//! Changes of rate and size: reconfigured, or taken into a new session.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::{open, small, stage};
use crate::common::{config, decode, encode_run, size, sps};
use direct264::{Bitrate, Encoder, EventKind, FrameRate, QpRange};

#[test]
fn rate_changes_reconfigure_with_the_vbv_and_without_an_idr_or_a_reset() {
    let stage = stage("");
    let mut encoder = open(&config(size(640, 360), 30, 1_000));
    let mut units = encode_run(&mut encoder, 0, 10);
    encoder.set_bitrate(Bitrate::from_kbps(3_000).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 10, 10));
    encoder.set_frame_rate(FrameRate::hz(60).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 20, 10));
    encoder.set_qp_range(QpRange::new(20, 45).unwrap()).unwrap();
    units.extend(encode_run(&mut encoder, 30, 10));
    assert_eq!(units.iter().filter(|unit| unit.is_idr).count(), 1);
    assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 40);
    drop(encoder);
    let report = stage.report();
    report.assert_clean("changes of rate");
    let changes = report.sessions().last().unwrap()["reconfigurations"].as_array().unwrap().clone();
    let vbv: Vec<_> =
        changes.iter().map(|change| change["settings"]["vbvBufferSize"].as_u64().unwrap()).collect();
    assert_eq!(vbv, [100_000, 50_000, 50_000]);
    assert!(changes.iter().all(|change| change["forceIDR"] == false && change["resetEncoder"] == false));
}

#[test]
fn without_the_capability_a_change_of_rate_takes_a_new_session() {
    let stage = stage("CAPS=SUPPORT_DYN_BITRATE_CHANGE=0");
    let before = stage.report().sessions().len();
    let mut encoder = open(&small());
    encode_run(&mut encoder, 0, 2);
    encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
    let units = encode_run(&mut encoder, 2, 2);
    assert!(units[0].is_idr && !units[1].is_idr);
    drop(encoder);
    let report = stage.report();
    report.assert_clean("a new session for a new rate");
    assert_eq!(report.sessions().len() - before, 2);
}

#[test]
fn a_size_within_the_maximum_is_a_reconfiguration_and_beyond_it_a_new_session() {
    let stage = stage("SESSIONS=1");
    let before = stage.report().sessions().len();
    let mut encoder = open(&small().max_size(size(640, 360)));
    let mut units = vec![encode_run(&mut encoder, 0, 4)];
    for (number, next) in [(1, size(640, 360)), (2, size(200, 100)), (3, size(800, 600)), (4, size(321, 241))]
    {
        encoder.set_size(next).unwrap();
        assert_eq!(encoder.size(), next);
        units.push(encode_run(&mut encoder, number * 4, 4));
    }
    for (units, expected) in units.iter().zip([(320, 240), (640, 360), (200, 100), (800, 600), (322, 242)]) {
        assert_eq!(units.iter().map(|unit| unit.is_idr).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(sps::first(&units[0].bytes).pixel_dimensions().unwrap(), expected);
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 4);
    }
    let is_new_session = encoder.take_events().into_iter().filter_map(|event| match event.kind {
        EventKind::Recreated { is_new_session, .. } => Some(is_new_session),
        _ => None,
    });
    assert!(is_new_session.eq([false, false, true, false]));
    drop(encoder);
    let report = stage.report();
    report.assert_clean("changes of size");
    assert_eq!(report.sessions().len() - before, 2);
}

/// A session with room for larger sizes takes more memory of the GPU from its opening on.
#[test]
fn without_memory_for_larger_sizes_a_session_is_opened_for_the_size_alone() {
    let stage = stage("");
    let config = small().max_size(size(1280, 720));
    for fault in ["nvEncInitializeEncoder:1=10", "cuMemAllocPitch:1=2", "cuMemHostAlloc:1=2"] {
        let before = stage.report().sessions().len();
        stage.set(&format!("FAULT={fault}"));
        let mut encoder = open(&config);
        let mut units = encode_run(&mut encoder, 0, 2);
        // A smaller size is a change within the session, and a larger one takes another with room for it.
        for (number, next) in [(1, size(160, 96)), (2, size(640, 360))] {
            encoder.set_size(next).unwrap();
            units.extend(encode_run(&mut encoder, number * 2, 2));
        }
        assert!(units.iter().map(|unit| unit.is_idr).eq([true, false, true, false, true, false]), "{fault}");
        drop(encoder);
        let report = stage.report();
        let room: Vec<_> = report
            .sessions()
            .split_off(before)
            .iter()
            .map(|session| session["settings"]["maxEncodeWidth"].as_u64())
            .collect();
        assert!(room.contains(&Some(320)) && room.contains(&Some(1280)), "{fault}: {room:?}");
        report.assert_clean(fault);
    }
}
