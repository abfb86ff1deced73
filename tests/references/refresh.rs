//! Intra refresh: where it starts and ends, what it mends, and where an IDR takes its place. Decoders that lack frames
//! show from which picture on a receiver is exact again.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::{NonZeroU8, NonZeroU32};
use std::ops::Range;

use super::{assert_shown, keeping, stage};
use crate::common;
use crate::common::live::{self, Live, small};
use crate::common::{config, decode, encode, encode_run, picture, size, stream};
use d264_double::Stage;
use direct264::config::{CallForm, IntraRefresh, NvencConfig, TemporalLayers};
use direct264::nvenc::NvencEncoder;
use direct264::{
    Encoder, Frame, FrameId, FrameSize, OwnedAccessUnit, Picture, Pipeline, PixelFormat, Recovery, Timestamp,
};
use serde_json::{Value, json};

/// A size with rows for a refresh of seven pictures.
fn seven() -> FrameSize {
    size(320, 240)
}

const fn refresh(frames: u32) -> Picture {
    Picture::IntraRefresh { frames: NonZeroU32::new(frames).unwrap() }
}

/// Encodes so many frames of the camera, with a request at some of them.
fn encoded(encoder: &mut dyn Encoder, frames: Range<u32>, asked: &[(u32, Picture)]) -> Vec<OwnedAccessUnit> {
    let camera = picture::Camera::new(encoder.size());
    frames
        .map(|number| {
            let asked = asked.iter().find(|(at, _)| *at == number).map_or(Picture::Auto, |asked| asked.1);
            encode(encoder, &camera.i420(number), i64::from(number), asked)
        })
        .collect()
}

/// The first frame and the length of each refresh that the access units tell of; of an unfinished one as far as it
/// came.
fn told(units: &[OwnedAccessUnit]) -> Vec<(u64, u64)> {
    let mut told: Vec<(u64, u64)> = Vec::new();
    for unit in units {
        let Some(place) = unit.refresh else { continue };
        let (id, number) = (unit.frame_id.0, u64::from(place.number.get()));
        if number == 1 {
            told.push((id, 0));
        }
        let (first, length) = told.last_mut().unwrap();
        *length += 1;
        assert_eq!((id, number), (*first + *length - 1, *length), "the pictures of a refresh in order");
        assert_eq!(place.is_last(), place.number == place.frames);
    }
    told
}

fn idrs(units: &[OwnedAccessUnit]) -> Vec<u64> {
    units.iter().filter(|unit| unit.is_idr).map(|unit| unit.frame_id.0).collect()
}

/// The refreshes that the driver began, by their lengths, and how many requests it ignored.
fn begun(stage: &Stage, what: &str) -> (Value, Value) {
    let report = stage.report();
    report.assert_clean(what);
    let session = report.sessions().last().unwrap().clone();
    (session["intra_refreshes"].clone(), session["intra_refreshes_ignored"].clone())
}

/// The frames that a receiver without some of them shows otherwise than one that has all of them. `None` without
/// ffmpeg.
fn wrong_without(missing: &[u64], units: &[OwnedAccessUnit]) -> Option<Vec<u64>> {
    let arrived: Vec<_> = units.iter().filter(|unit| !missing.contains(&unit.frame_id.0)).collect();
    let whole = decode::ffmpeg(&stream(units), seven())?;
    let bytes: Vec<u8> = arrived.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
    let holed = decode::ffmpeg_concealing(&bytes, seven())?;
    assert_eq!((whole.len(), holed.len()), (units.len(), arrived.len()), "pictures of ffmpeg");
    let ids = arrived.iter().map(|unit| unit.frame_id.0);
    Some(ids.zip(holed).filter(|(id, shown)| whole[*id as usize] != *shown).map(|(id, _)| id).collect())
}

#[test]
fn an_intra_refresh_starts_with_the_frame_that_asks_for_it_and_is_an_idr_where_there_is_none() {
    let stage = stage();
    let asked = [(0, refresh(8)), (10, refresh(5)), (12, Picture::Idr), (20, refresh(15))];
    let plain = config(seven(), 30, 800);
    let periodic = NvencConfig::new().intra_refresh(Some(IntraRefresh::new(90, 5).unwrap()));
    for (caps, config, has_it) in [
        ("", plain.clone(), true),
        ("SUPPORT_INTRA_REFRESH=0", plain.clone(), false),
        ("", plain.clone().temporal_layers(TemporalLayers::Two), false),
        ("", plain.clone().nvenc(periodic.form(CallForm::Direct)), false),
    ] {
        stage.reset();
        stage.set(&format!("CAPS={caps}"));
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let units = encoded(&mut encoder, 0..30, &asked);
        // The first frame is an IDR, and so is one that is asked for.
        assert_eq!(idrs(&units), if has_it { vec![0, 12] } else { vec![0, 10, 12, 20] });
        // The length that was asked for is beyond the seven times 32 rows of the picture.
        let expected = if has_it { vec![(10, 2), (20, 7)] } else { Vec::new() };
        assert_eq!(told(&units), expected);
        assert_shown(&units.iter().collect::<Vec<_>>(), seven(), 33.0, "intra refresh");
        drop(encoder);
        let expected = if has_it { json!({"5": 1, "7": 1}) } else { json!({}) };
        assert_eq!(begun(&stage, "intra refresh"), (expected, json!(0)));
    }
    for mut encoder in common::software(&config(seven(), 30, 500)) {
        encode_run(&mut *encoder, 0, 3);
        let pixels = picture::Camera::new(seven()).i420(3);
        let unit = encode(&mut *encoder, &pixels, 3, refresh(8));
        assert!(unit.is_idr && unit.refresh.is_none());
        assert!(!stream(&encode_run(&mut *encoder, 4, 1)).is_empty());
    }
}

#[test]
fn a_receiver_that_lost_frames_is_exact_from_the_end_of_an_intra_refresh_on_unless_it_has_one_slice() {
    let stage = stage();
    for (one_slice, kept) in [(false, 1), (false, 4), (true, 1)] {
        stage.reset();
        let what = format!("one slice: {one_slice}, {kept} references");
        let nvenc = NvencConfig::new().form(CallForm::Direct).single_slice_refresh(one_slice);
        let nvenc = nvenc.reference_frames(NonZeroU8::new(kept).unwrap());
        let mut encoder = NvencEncoder::new(&config(seven(), 30, 800).nvenc(nvenc)).unwrap();
        let units = encoded(&mut encoder, 0..40, &[(12, refresh(20))]);
        assert_eq!(told(&units), [(12, 7)], "{what}");
        let is_last = |unit: &&OwnedAccessUnit| unit.refresh.is_some_and(|place| place.is_last());
        let last = units.iter().find(is_last).unwrap().frame_id.0;
        drop(encoder);
        assert_eq!(begun(&stage, &what), (json!({"7": 1}), json!(0)));
        let Some(wrong) = wrong_without(&[8, 9], &units) else { return };
        let expected: Vec<u64> = if one_slice { (10..40).collect() } else { (10..last).collect() };
        assert_eq!(wrong, expected, "{what}");
    }
}

#[test]
fn a_loss_about_an_intra_refresh_is_answered_by_what_the_refresh_leaves() {
    let stage = stage();
    // The refresh has the frames 10 to 12, and mends the loss of frame 7. Then frames are reported lost before the
    // frame `at`, and the receiver shows the frames `wrong` otherwise than one that has everything.
    for (lost, at, answer, wrong) in [
        // Told within it.
        (11..=11, 12, Recovery::Idr, vec![8, 9, 10]),
        (8..=8, 11, Recovery::Idr, vec![9, 10]),
        // Told behind it: lost before it.
        (3..=5, 13, Recovery::NotNeeded, vec![6, 8, 9, 10, 11]),
        (7..=7, 13, Recovery::NotNeeded, vec![8, 9, 10, 11]),
        // Lost of it, which then mends nothing.
        (11..=11, 13, Recovery::Idr, vec![8, 9, 10]),
        (10..=13, 15, Recovery::Idr, vec![8, 9, 14]),
        // Its last frame. The frame before that was never exact at the receiver.
        (12..=12, 14, Recovery::Idr, vec![8, 9, 10, 11, 13]),
        // Lost behind it: its last frame is one to go back to.
        (13..=13, 15, Recovery::OlderReference, vec![8, 9, 10, 11, 14]),
        (14..=15, 16, Recovery::OlderReference, vec![8, 9, 10, 11]),
    ] {
        stage.reset();
        let what = format!("{lost:?} lost, told before frame {at}");
        let mut encoder = NvencEncoder::new(&keeping(config(seven(), 30, 800), 10)).unwrap();
        let mut units = encoded(&mut encoder, 0..at, &[(10, refresh(3))]);
        let ids = FrameId(*lost.start())..=FrameId(*lost.end());
        assert_eq!(encoder.invalidate(ids.clone()).unwrap(), answer, "{what}");
        assert_eq!(encoder.invalidate(ids).unwrap(), Recovery::NotNeeded, "{what}, once more");
        units.extend(encoded(&mut encoder, at..30, &[]));
        let expected = if answer == Recovery::Idr { vec![0, u64::from(at)] } else { vec![0] };
        assert_eq!(idrs(&units), expected, "{what}");
        drop(encoder);
        stage.report().assert_clean(&what);
        let missing: Vec<u64> = lost.chain([7]).collect();
        let Some(shown_wrong) = wrong_without(&missing, &units) else { return };
        assert_eq!(shown_wrong, wrong, "{what}");
    }
}

#[test]
fn a_request_within_an_intra_refresh_waits_behind_it_and_an_idr_answers_it() {
    let stage = stage();
    let asked = [
        (5, refresh(7)),
        (7, refresh(9)),
        // The last one that waits holds.
        (8, refresh(3)),
        (20, refresh(4)),
        (21, refresh(4)),
        (22, Picture::Idr),
        // With the very last picture of one.
        (30, refresh(2)),
        (31, refresh(1)),
    ];
    let mut encoder = NvencEncoder::new(&keeping(config(seven(), 30, 800), 1)).unwrap();
    let units = encoded(&mut encoder, 0..40, &asked);
    assert_eq!(told(&units), [(5, 7), (12, 3), (20, 2), (30, 2), (32, 1)]);
    assert_eq!(idrs(&units), [0, 22]);
    drop(encoder);
    let lengths = json!({"1": 1, "2": 1, "3": 1, "4": 1, "7": 1});
    assert_eq!(begun(&stage, "requests that wait"), (lengths, json!(0)));
    // Without the last frame of a refresh only the one behind it mends.
    let Some(wrong) = wrong_without(&[4, 11], &units) else { return };
    assert_eq!(wrong, [5, 6, 7, 8, 9, 10, 12, 13]);
}

#[test]
fn a_pipeline_tells_the_same_intra_refreshes() {
    let stage = stage();
    let asked = [(5, refresh(7)), (8, refresh(3)), (20, refresh(4)), (22, Picture::Idr), (23, refresh(2))];
    let config = keeping(config(seven(), 30, 800), 4);
    let alone = encoded(&mut NvencEncoder::new(&config).unwrap(), 0..30, &asked);
    let mut pipeline = Pipeline::new(NvencEncoder::new(&config).unwrap());
    let camera = picture::Camera::new(seven());
    let mut units = Vec::new();
    for number in 0..30 {
        let pixels = camera.i420(number);
        let frame = Frame::contiguous(seven(), PixelFormat::I420, &pixels, Timestamp(number.into())).unwrap();
        let picture = asked.iter().find(|(at, _)| *at == number).map_or(Picture::Auto, |asked| asked.1);
        units.extend(pipeline.submit(&frame, picture).unwrap().map(|unit| unit.unwrap().to_owned()));
    }
    units.extend(pipeline.flush().unwrap().map(|unit| unit.unwrap().to_owned()));
    assert_eq!(told(&units), [(5, 7), (12, 3), (20, 2), (23, 2)]);
    assert_eq!(told(&units), told(&alone));
    assert_eq!(stream(&units), stream(&alone));
    drop(pipeline);
    assert_eq!(begun(&stage, "a pipeline").1, json!(0));
}

#[test]
fn a_failover_in_the_middle_of_an_intra_refresh_is_an_idr() {
    let stage = stage();
    let config = keeping(config(small(), 30, 300), 4).failover(live::patient());
    let mut live = Live::open(&config);
    live.frames(3);
    // Three pictures, of which the driver fails on the last; and one that waits.
    live.frame(refresh(10));
    live.frame(refresh(2));
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(2);
    // And a refresh that software is asked for is one too.
    live.frame(refresh(10));
    live.frames(1);
    assert_eq!(idrs(&live.units), [0, 5, 7]);
    assert_eq!(told(&live.units), [(3, 2)]);
    let ended = live.end();
    live::assert_decodable(&[ended], 28.0, "a refresh that fails");
    stage.assert_clean_soon("a refresh that fails");
}
