//! The bitrate is kept without ever dropping a frame: second by second, through changes, and when it cannot be.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::{config, decode, encode, encode_run, encoders, picture, size, software};
use direct264::config::Profile;
use direct264::{Backend, Bitrate, EventKind, FrameRate, OwnedAccessUnit, Picture, QpRange};

/// Bits per second in each window of one second, from `from` on.
fn windows(units: &[OwnedAccessUnit], hz: usize, from: usize) -> Vec<f64> {
    units[from..]
        .windows(hz)
        .map(|window| window.iter().map(|unit| unit.bytes.len() as f64 * 8.0).sum())
        .collect()
}

fn assert_within(windows: &[f64], target: f64, low: f64, high: f64, what: &str) {
    for (at, &bits) in windows.iter().enumerate() {
        let ratio = bits / target;
        assert!(ratio >= low && ratio <= high, "{what}: window {at} has {ratio:.3} of the target");
    }
}

#[test]
fn every_second_is_within_a_tenth_of_the_target() {
    for (width, height, hz, kbps) in
        [(640, 360, 30, 800), (1280, 720, 30, 2_000), (640, 360, 60, 1_500), (320, 240, 10, 250)]
    {
        for mut encoder in encoders(&config(size(width, height), hz, kbps)) {
            let units = encode_run(&mut *encoder, 0, 4 * hz);
            let windows = windows(&units, hz as usize, hz as usize);
            assert_within(&windows, kbps as f64 * 1e3, 0.9, 1.1, &format!("{width}x{height} at {hz}"));
        }
    }
}

#[test]
fn pictures_differ_little_in_size_with_one_slice_and_with_two() {
    for slices in [1, 2] {
        let config = config(size(1280, 720), 30, 1_000).slices(std::num::NonZeroU8::new(slices));
        for mut encoder in software(&config) {
            let units = encode_run(&mut *encoder, 0, 120);
            let mut bytes: Vec<f64> = units[30..].iter().map(|unit| unit.bytes.len() as f64).collect();
            let mean = bytes.iter().sum::<f64>() / bytes.len() as f64;
            bytes.sort_by(f64::total_cmp);
            let (p5, p95) = (bytes[bytes.len() / 20] / mean, bytes[bytes.len() * 95 / 100] / mean);
            assert!(p5 >= 0.6 && p95 <= 1.3, "{slices} slices: p5 {p5:.2}, p95 {p95:.2} of the mean");
        }
    }
}

#[test]
fn a_new_target_is_met_within_half_a_second_without_an_idr_and_above_the_opening_value() {
    let hz = 30;
    for mut encoder in encoders(&config(size(640, 360), hz, 800)) {
        encode_run(&mut *encoder, 0, 60);
        let mut number = 60;
        for kbps in [300, 2_400, 600] {
            encoder.set_bitrate(Bitrate::from_kbps(kbps).unwrap()).unwrap();
            let units = encode_run(&mut *encoder, number, 75);
            number += 75;
            assert!(units.iter().all(|unit| !unit.is_idr));
            let settled = windows(&units, hz as usize, hz as usize / 2);
            assert_within(&settled, kbps as f64 * 1e3, 0.9, 1.1, &format!("{kbps} kbit/s"));
        }
        let changes: Vec<_> = encoder
            .take_events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::BitrateChanged { from, to } => Some((event.frame_id.0, from.bps(), to.bps())),
                _ => None,
            })
            .collect();
        assert_eq!(changes, [(60, 800_000, 300_000), (135, 300_000, 2_400_000), (210, 2_400_000, 600_000)]);
    }
}

#[test]
fn a_new_frame_rate_shares_the_same_bits_among_other_frames_without_an_idr() {
    for mut encoder in encoders(&config(size(640, 360), 30, 800)) {
        encode_run(&mut *encoder, 0, 60);
        encoder.set_frame_rate(FrameRate::hz(15).unwrap()).unwrap();
        let units = encode_run(&mut *encoder, 60, 60);
        assert!(units.iter().all(|unit| !unit.is_idr));
        assert_within(&windows(&units, 15, 8), 800e3, 0.9, 1.1, "15 frames a second");
    }
}

#[test]
fn requested_idrs_and_cuts_stay_within_a_quarter_of_the_target() {
    let (size, hz) = (size(640, 360), 30);
    for mut encoder in encoders(&config(size, hz, 1_000)) {
        let camera = picture::Camera::new(size);
        let units: Vec<_> = (0..150)
            .map(|number| {
                let mut pixels = camera.i420(number);
                if number >= 100 {
                    pixels.iter_mut().for_each(|sample| *sample = 255 - *sample);
                }
                let picture = if number == 60 { Picture::Idr } else { Picture::Auto };
                encode(&mut *encoder, &pixels, i64::from(number), picture)
            })
            .collect();
        assert_within(&windows(&units, hz as usize, hz as usize), 1e6, 0.85, 1.25, "with an IDR and a cut");
    }
}

#[test]
fn frequent_idrs_keep_the_rate_too() {
    let config = config(size(640, 360), 30, 1_500).idr_period_frames(std::num::NonZeroU32::new(30));
    for mut encoder in encoders(&config) {
        let units = encode_run(&mut *encoder, 0, 120);
        assert_within(&windows(&units, 30, 30), 1.5e6, 0.85, 1.25, "an IDR a second");
    }
}

#[test]
fn a_starved_stream_loses_no_frame_and_says_what_it_reaches() {
    let size = size(320, 240);
    for mut encoder in encoders(&config(size, 30, 100)) {
        let units: Vec<_> = (0..90)
            .map(|number| {
                encode(&mut *encoder, &picture::noise(size, number), i64::from(number), Picture::Auto)
            })
            .collect();
        assert!(units.iter().all(|unit| unit.bytes.len() > 100), "a frame was skipped");
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 90);
        let unmet: Vec<_> = encoder
            .take_events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::RateUnmet { target, reached_bps } => Some((target.bps(), reached_bps)),
                _ => None,
            })
            .collect();
        assert_eq!(unmet.len(), 1, "told once: {unmet:?}");
        assert!(unmet[0].0 == 100_000 && unmet[0].1 > 110_000, "{unmet:?}");
    }
}

#[test]
fn a_still_picture_sharpens_to_the_finest_quantiser_and_then_costs_next_to_nothing() {
    let size = size(640, 360);
    for mut encoder in software(&config(size, 30, 1_000)) {
        let pixels = picture::Camera::new(size).i420(0);
        let units: Vec<_> =
            (0..150).map(|number| encode(&mut *encoder, &pixels, number, Picture::Auto)).collect();
        let last = &units[140..];
        assert!(last.iter().all(|unit| unit.qp == Some(QpRange::DEFAULT.min())), "{:?}", last[0].qp);
        assert!(last.iter().all(|unit| unit.bytes.len() < 3_000), "{}", last[0].bytes.len());
        assert_within(&windows(&units, 30, 30), 1e6, 0.0, 1.1, "a still picture");
    }
}

/// Film on a faster display: some pictures come twice. That is no stillness, and what follows is no cut.
#[test]
fn repeated_pictures_disturb_neither_the_rate_nor_the_quality() {
    let size = size(640, 360);
    for (hz, each) in [(30, 5), (60, 2)] {
        for mut encoder in software(&config(size, hz, 1_000)) {
            let camera = picture::Camera::new(size);
            let is_repeated = |number: u32| number % each == each - 1;
            let shown = |number: u32| if is_repeated(number) { number - 1 } else { number };
            let units: Vec<_> = (0..4 * hz)
                .map(|number| {
                    encode(&mut *encoder, &camera.i420(shown(number)), i64::from(number), Picture::Auto)
                })
                .collect();
            let what = format!("{hz} pictures a second, each {each}. comes again");
            assert_within(&windows(&units, hz as usize, hz as usize), 1e6, 0.85, 1.1, &what);
            let moving = (0..).zip(&units).skip(hz as usize).filter(|(number, _)| !is_repeated(*number));
            let qps: Vec<u8> = moving.filter_map(|(_, unit)| unit.qp).collect();
            let (finest, coarsest) = (qps.iter().min().unwrap(), qps.iter().max().unwrap());
            assert!(coarsest - finest <= 6, "{what}: quantisers {finest} to {coarsest}");
        }
    }
}

/// Whether the quantiser of each picture is from `min` to `max`.
fn within(units: &[OwnedAccessUnit], min: u8, max: u8) -> bool {
    units.iter().all(|unit| unit.qp.is_some_and(|qp| (min..=max).contains(&qp)))
}

#[test]
fn quantisers_stay_in_their_range_and_a_rate_that_it_does_not_allow_is_told() {
    let size = size(640, 360);
    for (max, is_met) in [(30, false), (QpRange::MAX_QP, true)] {
        for mut encoder in encoders(&config(size, 30, 200).qp_range(QpRange::new(20, max).unwrap())) {
            let units = encode_run(&mut *encoder, 0, 60);
            assert!(within(&units, 20, max), "{:?}", encoder.backend());
            let unmet = encoder
                .take_events()
                .into_iter()
                .filter(|event| matches!(event.kind, EventKind::RateUnmet { .. }))
                .count();
            assert_eq!(unmet, usize::from(!is_met), "{:?}, up to {max}", encoder.backend());
        }
    }
}

#[test]
fn the_range_of_quantisers_changes_in_flight() {
    let range = |min, max| QpRange::new(min, max).unwrap();
    for mut encoder in software(&config(size(640, 360), 30, 300).qp_range(range(20, 30))) {
        encode_run(&mut *encoder, 0, 40);
        encoder.set_qp_range(range(35, 40)).unwrap();
        let units = encode_run(&mut *encoder, 40, 40);
        assert!(within(&units, 35, 40) && units.iter().all(|unit| !unit.is_idr));
        encoder.set_qp_range(range(33, 33)).unwrap();
        assert!(within(&encode_run(&mut *encoder, 80, 10), 33, 33));
    }
}

#[test]
fn main_and_high_code_with_cabac_and_say_so() {
    for (profile, idc) in [(Profile::Main, 77), (Profile::High, 100)] {
        for mut encoder in encoders(&config(size(640, 360), 30, 1_000).profile(profile)) {
            let units = encode_run(&mut *encoder, 0, 10);
            assert_eq!(u8::from(common::sps::first(&units[0].bytes).profile_idc), idc);
            let Some(decoded) = decode::ffmpeg(&common::stream(&units), encoder.size()) else { return };
            let camera = picture::Camera::new(encoder.size());
            for (number, decoded) in (0..).zip(&decoded) {
                assert!(picture::psnr(decoded, &camera.i420(number)) > 33.0);
            }
        }
    }
}

#[test]
fn a_bitrate_that_outgrows_the_level_raises_it_at_the_next_idr_and_not_before() {
    let config = config(size(640, 360), 30, 1_000);
    for mut encoder in encoders(&config) {
        let camera = picture::Camera::new(encoder.size());
        let first = encode(&mut *encoder, &camera.i420(0), 0, Picture::Auto);
        assert_eq!(common::sps::first(&first.bytes).level_idc, 31);
        encoder.set_bitrate(Bitrate::from_mbps(30).unwrap()).unwrap();
        let next = encode(&mut *encoder, &camera.i420(1), 1, Picture::Auto);
        // NVIDIA's drivers limit the bitrate to the level, so there the level is raised at once.
        assert_eq!(next.is_idr, encoder.backend() == Backend::Nvenc);
        let idr = encode(&mut *encoder, &camera.i420(2), 2, Picture::Idr);
        assert_eq!(common::sps::first(&idr.bytes).level_idc, 41);
        let after = encode(&mut *encoder, &camera.i420(3), 3, Picture::Auto);
        assert!(idr.is_idr && !after.is_idr);
        let stream = common::stream(&[first, next, idr, after]);
        let Some(decoded) = decode::ffmpeg(&stream, encoder.size()) else { return };
        assert_eq!(decoded.len(), 4);
    }
}

#[test]
fn a_stream_that_starts_black_keeps_its_rate_when_the_picture_comes() {
    let (size, hz) = (size(640, 360), 30);
    for mut encoder in software(&config(size, hz, 1_000)) {
        let camera = picture::Camera::new(size);
        let units: Vec<_> = (0..180)
            .map(|number: u32| {
                // One second of black, then two in which the picture fades in.
                let weight = number.saturating_sub(30).min(60);
                let fade = |sample: u8, black: u32| {
                    ((u32::from(sample) * weight + black * (60 - weight)) / 60) as u8
                };
                let luma = (size.width() * size.height()) as usize;
                let mut pixels = camera.i420(number);
                pixels[..luma].iter_mut().for_each(|sample| *sample = fade(*sample, 16));
                pixels[luma..].iter_mut().for_each(|sample| *sample = fade(*sample, 128));
                encode(&mut *encoder, &pixels, i64::from(number), Picture::Auto)
            })
            .collect();
        assert_within(&windows(&units, hz as usize, 30), 1e6, 0.0, 1.25, "fading in");
        assert_within(&windows(&units, hz as usize, 100), 1e6, 0.9, 1.1, "after the fade");
    }
}

#[test]
fn noise_from_the_start_is_met_where_it_can_be() {
    let size = size(320, 240);
    for mut encoder in software(&config(size, 30, 4_000)) {
        let units: Vec<_> = (0..90)
            .map(|number| {
                encode(&mut *encoder, &picture::noise(size, number), i64::from(number), Picture::Auto)
            })
            .collect();
        assert_within(&windows(&units, 30, 45), 4e6, 0.85, 1.1, "noise");
    }
}

#[test]
fn a_starved_stream_recovers_within_half_a_second_of_a_better_target() {
    let size = size(640, 360);
    for mut encoder in software(&config(size, 30, 20)) {
        encode_run(&mut *encoder, 0, 150);
        encoder.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
        let units = encode_run(&mut *encoder, 150, 75);
        assert_within(&windows(&units, 30, 15), 1e6, 0.85, 1.1, "recovered");
    }
}

#[test]
fn a_stream_of_idrs_alone_keeps_its_rate() {
    for period in [1, 2, 3] {
        let config = config(size(640, 360), 30, 1_500).idr_period_frames(std::num::NonZeroU32::new(period));
        for mut encoder in software(&config) {
            let units = encode_run(&mut *encoder, 0, 90);
            assert_within(&windows(&units, 30, 30), 1.5e6, 0.8, 1.25, &format!("an IDR every {period}"));
        }
    }
}
