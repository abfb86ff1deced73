//! Intra refresh: where it starts, and where an IDR takes its place.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU32;

use super::{assert_shown, keeping, stage};
use crate::common;
use crate::common::live::{self, Live, small};
use crate::common::{config, encode, encode_run, picture, size, stream};
use direct264::Picture;
use direct264::nvenc::NvencEncoder;

#[test]
fn an_intra_refresh_starts_with_the_frame_that_asks_for_it_and_is_an_idr_where_there_is_none() {
    let stage = stage();
    let size = size(320, 240);
    let refresh = |frames| Picture::IntraRefresh { frames: NonZeroU32::new(frames).unwrap() };
    for (caps, has_it) in [("", true), ("SUPPORT_INTRA_REFRESH=0", false)] {
        stage.reset();
        stage.set(&format!("CAPS={caps}"));
        let mut encoder = NvencEncoder::new(&config(size, 30, 800)).unwrap();
        let camera = picture::Camera::new(size);
        let units: Vec<_> = (0..30)
            .map(|number| {
                let picture = match number {
                    // The first frame is an IDR, and so is one that is asked for.
                    0 | 10 => refresh(8),
                    12 => Picture::Idr,
                    20 => refresh(15),
                    _ => Picture::Auto,
                };
                encode(&mut encoder, &camera.i420(number), i64::from(number), picture)
            })
            .collect();
        let idrs: Vec<u64> = units.iter().filter(|unit| unit.is_idr).map(|unit| unit.frame_id.0).collect();
        assert_eq!(idrs, if has_it { vec![0, 12] } else { vec![0, 10, 12, 20] });
        assert_shown(&units.iter().collect::<Vec<_>>(), size, 33.0, "intra refresh");
        drop(encoder);
        let report = stage.report();
        report.assert_clean("intra refresh");
        let sessions = report.json()["sessions"].as_array().unwrap().clone();
        let forced = &sessions.last().unwrap()["intra_refreshes_forced"];
        let expected = if has_it { serde_json::json!({"8": 1, "15": 1}) } else { serde_json::json!({}) };
        assert_eq!(*forced, expected);
    }
    for mut encoder in common::software(&config(size, 30, 500)) {
        encode_run(&mut *encoder, 0, 3);
        let pixels = picture::Camera::new(size).i420(3);
        assert!(encode(&mut *encoder, &pixels, 3, refresh(8)).is_idr);
        assert!(!stream(&encode_run(&mut *encoder, 4, 1)).is_empty());
    }
}

#[test]
fn a_failover_in_the_middle_of_an_intra_refresh_is_an_idr() {
    let stage = stage();
    let config = keeping(config(small(), 30, 300), 4).failover(live::patient());
    let mut live = Live::open(&config);
    live.frames(3);
    live.frame(Picture::IntraRefresh { frames: NonZeroU32::new(10).unwrap() });
    live.frames(2);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(2);
    // And a refresh that software is asked for is one too.
    live.frame(Picture::IntraRefresh { frames: NonZeroU32::new(10).unwrap() });
    live.frames(1);
    let idrs: Vec<u64> = live.units.iter().filter(|unit| unit.is_idr).map(|unit| unit.frame_id.0).collect();
    assert_eq!(idrs, [0, 6, 8]);
    let ended = live.end();
    live::assert_decodable(&[ended], 28.0, "a refresh that fails");
    stage.assert_clean_soon("a refresh that fails");
}
