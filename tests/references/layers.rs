//! Two temporal layers: droppable frames, rate and quantisers.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;

use super::{assert_shown, both, keeping, lossy, stage};
use crate::common;
use crate::common::{config, encode, encode_run, picture, size};
use direct264::config::{Profile, TemporalLayers};
use direct264::nvenc::NvencEncoder;
use direct264::{Bitrate, Encoder, Picture, QpRange};

#[test]
fn of_two_temporal_layers_every_second_frame_can_be_dropped_without_harm() {
    let stage = stage();
    let size = size(640, 360);
    for profile in [Profile::ConstrainedBaseline, Profile::High] {
        let config = config(size, 30, 1_500)
            .profile(profile)
            .slices(NonZeroU8::new(2))
            .temporal_layers(TemporalLayers::Two);
        for mut encoder in both(&stage, &config) {
            let camera = picture::Camera::new(size);
            let units: Vec<_> = (0..60)
                .map(|number| {
                    let picture = if number == 33 { Picture::Idr } else { Picture::Auto };
                    encode(&mut *encoder, &camera.i420(number), i64::from(number), picture)
                })
                .collect();
            let what = format!("{:?}, {profile:?}", encoder.backend());
            for (number, unit) in units.iter().enumerate() {
                // The IDR starts anew.
                let since_idr = if number < 33 { number } else { number - 33 };
                assert_eq!(unit.is_droppable, since_idr % 2 == 1, "{what}: {number}");
                assert!(unit.nals().all(|nal| nal.kind() != direct264::annexb::NalKind::Other(14)));
            }
            assert_shown(&units.iter().collect::<Vec<_>>(), size, 31.0, &what);
            let kept: Vec<_> = units.iter().filter(|unit| !unit.is_droppable).collect();
            assert_shown(&kept, size, 31.0, &format!("{what}, halved"));
            // One here and there.
            let some: Vec<_> =
                units.iter().filter(|unit| !unit.is_droppable || unit.frame_id.0 % 3 == 0).collect();
            assert_shown(&some, size, 31.0, &format!("{what}, thinned"));
        }
    }
}

#[test]
fn two_temporal_layers_keep_the_rate_and_the_quality() {
    for (width, height, hz, kbps) in
        [(640, 360, 30, 800), (1280, 720, 30, 2_000), (640, 360, 60, 1_500), (320, 240, 10, 250)]
    {
        let size = size(width, height);
        let config = config(size, hz, kbps).temporal_layers(TemporalLayers::Two);
        for mut encoder in common::software(&config) {
            let units = encode_run(&mut *encoder, 0, 4 * hz);
            let second = hz as usize;
            for (at, window) in units[second..].windows(second).enumerate() {
                let bits: f64 = window.iter().map(|unit| unit.bytes.len() as f64 * 8.0).sum();
                let ratio = bits / (kbps as f64 * 1e3);
                assert!((0.9..=1.1).contains(&ratio), "{size} at {hz}: window {at} has {ratio:.3}");
            }
            let mean = |droppable: bool| {
                let of_layer = units[second..].iter().filter(|unit| unit.is_droppable == droppable);
                let qps: Vec<f64> = of_layer.map(|unit| f64::from(unit.qp.unwrap())).collect();
                qps.iter().sum::<f64>() / qps.len() as f64
            };
            let (base, leaf) = (mean(false), mean(true));
            assert!((base - leaf).abs() < 2.0, "{size} at {hz}: quantisers {base:.1} and {leaf:.1}");
        }
    }
}

#[test]
fn each_picture_has_the_quantiser_that_is_told() {
    use TemporalLayers::{One, Two};
    let size = size(320, 240);
    // The finest and the coarsest that there are, one between, and whatever rate control chooses.
    for (layers, range, told) in [
        (One, (0, 0), Some(0)),
        (One, (27, 27), Some(27)),
        (One, (51, 51), Some(51)),
        (One, (0, 51), None),
        (Two, (0, 0), Some(1)),
        (Two, (27, 27), Some(27)),
        (Two, (51, 51), Some(51)),
        (Two, (0, 51), None),
    ] {
        let config =
            config(size, 30, 500).temporal_layers(layers).qp_range(QpRange::new(range.0, range.1).unwrap());
        for mut encoder in common::software(&config) {
            let mut sets = h264_reader::Context::default();
            for unit in encode_run(&mut *encoder, 0, 6) {
                let coded = common::sps::slice_qp(&mut sets, &unit.bytes);
                assert_eq!(unit.qp, Some(coded), "{layers:?}, {range:?}");
                assert!(told.is_none_or(|told| told == coded), "{layers:?}, {range:?}: {coded}");
            }
        }
    }
}

#[test]
fn with_two_temporal_layers_changes_idrs_and_cuts_keep_the_rate_too() {
    let (size, hz) = (size(640, 360), 30);
    let config = config(size, hz, 1_000).temporal_layers(TemporalLayers::Two);
    for mut encoder in common::software(&config) {
        let camera = picture::Camera::new(size);
        let units: Vec<_> = (0..250)
            .map(|number| {
                let mut pixels = camera.i420(number);
                // At a droppable frame, of all places.
                if (101..161).contains(&number) {
                    pixels.iter_mut().for_each(|sample| *sample = 255 - *sample);
                }
                if number == 161 {
                    encoder.set_bitrate(Bitrate::from_kbps(500).unwrap()).unwrap();
                }
                let picture = if number == 60 { Picture::Idr } else { Picture::Auto };
                encode(&mut *encoder, &pixels, i64::from(number), picture)
            })
            .collect();
        let within = |from: usize, to: usize, target: f64| {
            for (at, window) in units[from..to].windows(30).enumerate() {
                let bits: f64 = window.iter().map(|unit| unit.bytes.len() as f64 * 8.0).sum();
                assert!((0.85..=1.25).contains(&(bits / target)), "window {}: {bits}", from + at);
            }
        };
        within(30, 161, 1e6);
        within(185, 250, 0.5e6);
    }
}

#[test]
fn two_temporal_layers_and_older_references_go_together() {
    let stage = stage();
    let size = size(320, 240);
    let config = keeping(config(size, 30, 800), 4).temporal_layers(TemporalLayers::Two);
    for delay in 0..3 {
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let (arrived, _) = lossy(&mut encoder, 40, delay, &[6, 14, 15, 24]);
        assert_eq!(arrived.iter().filter(|unit| unit.is_idr).count(), 1);
        let what = format!("two layers, told {delay} frames later");
        assert_shown(&arrived.iter().collect::<Vec<_>>(), size, 31.0, &what);
        // Whatever the order of the layers is now, each says of itself whether it can go.
        let kept: Vec<_> = arrived.iter().filter(|unit| !unit.is_droppable).collect();
        assert!(kept.len() < arrived.len() * 2 / 3);
        assert_shown(&kept, size, 31.0, &format!("{what}, halved"));
        drop(encoder);
        stage.report().assert_clean(&what);
    }
}
