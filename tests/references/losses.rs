//! Lost frames: the next picture is predicted from an older one, or is an IDR.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;

use super::{assert_shown, both, keeping, lossy, stage};
use crate::common;
use crate::common::{config, decode, encode_run, picture, size};
use direct264::config::{Profile, TemporalLayers};
use direct264::nvenc::NvencEncoder;
use direct264::pipeline::AccessUnits;
use direct264::{
    Bitrate, Encoder, EventKind, Frame, FrameId, FrameRate, Picture, Pipeline, PixelFormat, Recovery,
    Timestamp,
};

#[test]
fn access_units_are_counted_from_nothing_and_none_is_droppable_unless_asked() {
    let stage = stage();
    for mut encoder in both(&stage, &config(size(320, 240), 30, 500)) {
        for (unit, number) in encode_run(&mut *encoder, 0, 20).iter().zip(0..) {
            assert_eq!(unit.frame_id, FrameId(number));
            assert!(!unit.is_droppable);
        }
        encoder.set_size(size(160, 128)).unwrap();
        let unit = &encode_run(&mut *encoder, 20, 1)[0];
        assert_eq!((unit.frame_id, unit.is_idr), (FrameId(20), true));
    }
}

#[test]
fn after_a_loss_the_next_frame_is_predicted_from_one_that_the_receiver_has() {
    let stage = stage();
    let size = size(320, 240);
    for profile in [Profile::ConstrainedBaseline, Profile::Main] {
        for slices in [1, 3] {
            for delay in 0..4 {
                let config =
                    keeping(config(size, 30, 800), 10).profile(profile).slices(NonZeroU8::new(slices));
                let mut encoder = NvencEncoder::new(&config).unwrap();
                let losses = [7, 8 + delay, 20, 30, 31];
                let (arrived, recoveries) = lossy(&mut encoder, 50, delay, &losses);
                let what = format!("{profile:?}, {slices} slices, told {delay} frames later");
                assert!(recoveries.iter().all(|&how| how == Recovery::OlderReference || delay > 0), "{what}");
                assert_eq!(recoveries[0], Recovery::OlderReference, "{what}");
                let idrs = arrived.iter().filter(|unit| unit.is_idr).count();
                assert_eq!(idrs, 1, "{what}");
                assert_shown(&arrived.iter().collect::<Vec<_>>(), size, 33.0, &what);
                drop(encoder);
                let report = stage.report();
                report.assert_clean(&what);
                let sessions = report.json()["sessions"].as_array().unwrap().clone();
                let session = sessions.last().unwrap();
                assert!(session["from_older_references"].as_u64().unwrap() >= 3, "{what}: {session}");
            }
        }
    }
}

#[test]
fn with_a_loss_the_frame_in_flight_is_given_up_too() {
    let stage = stage();
    let size = size(320, 240);
    let config = keeping(config(size, 30, 800), 6);
    in_flight(Pipeline::new(NvencEncoder::new(&config).unwrap()), "by itself");
    let failover = direct264::open(&config, &direct264::BackendOrder::auto()).unwrap().encoder;
    in_flight(Pipeline::new(failover), "failover");
    stage.report().assert_clean("losses with a frame in flight");
}

/// Frame 9 is in flight when frame 8 turns out to be lost: frame 10 has to be predicted from frame 7.
fn in_flight<E: Encoder>(mut pipeline: Pipeline<E>, what: &str) {
    let size = pipeline.encoder().size();
    let camera = picture::Camera::new(size);
    let mut units = Vec::new();
    let mut keep = |out: AccessUnits<'_>| units.extend(out.map(|unit| unit.unwrap().to_owned()));
    for number in 0..20 {
        if number == 10 {
            let lost = FrameId(8)..=FrameId(8);
            assert_eq!(
                pipeline.encoder_mut().invalidate(lost.clone()).unwrap(),
                Recovery::OlderReference,
                "{what}"
            );
            assert_eq!(pipeline.encoder_mut().invalidate(lost).unwrap(), Recovery::NotNeeded, "{what}");
        }
        let pixels = camera.i420(number);
        let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number.into())).unwrap();
        keep(pipeline.submit(&frame, Picture::Auto).unwrap());
    }
    keep(pipeline.flush().unwrap());
    let ids: Vec<u64> = units.iter().map(|unit| unit.frame_id.0).collect();
    assert_eq!(ids, (0..20).collect::<Vec<_>>(), "{what}");
    assert!(units[1..].iter().all(|unit| !unit.is_idr), "{what}");
    let arrived: Vec<_> = units.iter().filter(|unit| !(8..10).contains(&unit.frame_id.0)).collect();
    assert_shown(&arrived, size, 33.0, what);
}

#[test]
fn a_decoder_that_is_not_told_of_the_loss_sees_it() {
    // What the others prove rests on this: without the answer to a loss the picture is broken.
    let _stage = stage();
    let size = size(320, 240);
    let mut encoder = NvencEncoder::new(&keeping(config(size, 30, 800), 6)).unwrap();
    let units = encode_run(&mut encoder, 0, 20);
    let arrived: Vec<u8> = units
        .iter()
        .filter(|unit| !(7..10).contains(&unit.frame_id.0))
        .flat_map(|unit| unit.bytes.clone())
        .collect();
    let camera = picture::Camera::new(size);
    let Some(pictures) = decode::ffmpeg_concealing(&arrived, size) else { return };
    let worst = picture::psnr(pictures.last().unwrap(), &camera.i420(19));
    assert!(worst < 30.0, "{worst:.1} dB");
}

#[test]
fn a_reach_beyond_what_is_kept_an_absent_capability_and_a_refusal_end_in_an_idr() {
    let stage = stage();
    let size = size(320, 240);
    for (kept, lost, caps, fault) in [
        (1, 9, "", ""),
        (4, 6, "", ""),
        (4, 0, "", ""),
        (6, 8, "SUPPORT_REF_PIC_INVALIDATION=0", ""),
        (6, 8, "SUPPORT_MULTIPLE_REF_FRAMES=0", ""),
        (6, 8, "", "nvEncInvalidateRefFrames:1=8"),
        (6, 8, "", "nvEncInvalidateRefFrames:2=20"),
    ] {
        stage.reset();
        stage.set(&format!("CAPS={caps}"));
        let what = format!("{lost} lost of {kept} kept, {caps} {fault}");
        let mut encoder = NvencEncoder::new(&keeping(config(size, 30, 800), kept)).unwrap();
        let mut units = encode_run(&mut encoder, 0, 10);
        stage.set(&format!("CAPS={caps}\nFAULT={fault}"));
        assert_eq!(encoder.invalidate(FrameId(lost)..=FrameId(lost)).unwrap(), Recovery::Idr, "{what}");
        // Once is enough.
        assert_eq!(encoder.invalidate(FrameId(lost)..=FrameId(9)).unwrap(), Recovery::NotNeeded, "{what}");
        units.extend(encode_run(&mut encoder, 10, 3));
        let idrs: Vec<bool> = units[10..].iter().map(|unit| unit.is_idr).collect();
        assert_eq!(idrs, [true, false, false], "{what}");
        let told = encoder.take_events().into_iter().find_map(|event| match event.kind {
            EventKind::Invalidated { first, last, recovery } => {
                Some((event.frame_id.0, first, last, recovery))
            }
            _ => None,
        });
        assert_eq!(told, Some((10, FrameId(lost), FrameId(lost), Recovery::Idr)), "{what}");
        // What was lost before it is nobody's concern any more.
        assert_eq!(encoder.invalidate(FrameId(0)..=FrameId(9)).unwrap(), Recovery::NotNeeded, "{what}");
        assert!(!encode_run(&mut encoder, 13, 1)[0].is_idr, "{what}");
        drop(encoder);
        stage.report().assert_clean(&what);
    }
}

#[test]
fn the_software_backend_answers_a_loss_with_an_idr_unless_nothing_depends_on_it() {
    let size = size(320, 240);
    for mut encoder in common::software(&config(size, 30, 500).temporal_layers(TemporalLayers::Two)) {
        encode_run(&mut *encoder, 0, 10);
        let lost = |first, last| FrameId(first)..=FrameId(last);
        assert_eq!(encoder.invalidate(lost(9, 9)).unwrap(), Recovery::NotNeeded);
        assert_eq!(encoder.invalidate(lost(10, 99)).unwrap(), Recovery::NotNeeded);
        assert!(!encode_run(&mut *encoder, 10, 1)[0].is_idr);
        assert_eq!(encoder.invalidate(lost(8, 9)).unwrap(), Recovery::Idr);
        assert!(encode_run(&mut *encoder, 11, 1)[0].is_idr);
        assert_eq!(encoder.invalidate(lost(0, 10)).unwrap(), Recovery::NotNeeded);
    }
}

#[test]
fn changes_of_rate_and_size_go_with_older_references() {
    let stage = stage();
    let size = size(320, 240);
    let mut encoder = NvencEncoder::new(&keeping(config(size, 30, 800), 5)).unwrap();
    let mut arrived = encode_run(&mut encoder, 0, 10);
    encoder.set_bitrate(Bitrate::from_kbps(500).unwrap()).unwrap();
    arrived.extend(encode_run(&mut encoder, 10, 5));
    encoder.set_frame_rate(FrameRate::hz(25).unwrap()).unwrap();
    drop(encode_run(&mut encoder, 15, 2));
    assert_eq!(encoder.invalidate(FrameId(15)..=FrameId(15)).unwrap(), Recovery::OlderReference);
    arrived.extend(encode_run(&mut encoder, 17, 5));
    assert_shown(&arrived.iter().collect::<Vec<_>>(), size, 32.0, "changes of rate");
    // Another size begins with an IDR, and what was before it is not needed.
    encoder.set_size(common::size(160, 128)).unwrap();
    let after = encode_run(&mut encoder, 22, 6);
    assert!(after[0].is_idr);
    assert_eq!(encoder.invalidate(FrameId(20)..=FrameId(21)).unwrap(), Recovery::NotNeeded);
    assert_eq!(encoder.invalidate(FrameId(27)..=FrameId(27)).unwrap(), Recovery::OlderReference);
    let mut shown: Vec<_> = after[..5].to_vec();
    shown.extend(encode_run(&mut encoder, 28, 4));
    assert_shown(&shown.iter().collect::<Vec<_>>(), common::size(160, 128), 30.0, "another size");
    drop(encoder);
    stage.report().assert_clean("changes");
}
