//! Values are checked where they are made, and a refusal names the value and the limit.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::error::Error as _;
use std::num::NonZeroU8;

use crate::common;
use crate::common::{config, encode_run, size};
use direct264::error::ConfigError;
use direct264::openh264::OpenH264Encoder;
use direct264::units::{OutOfRange, SampleAspect};
use direct264::{Bitrate, EncoderConfig, Error, FrameRate, FrameSize, QpRange};

fn refusal(config: &EncoderConfig) -> ConfigError {
    match OpenH264Encoder::new(config).unwrap_err() {
        Error::Config(error) => error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn sizes_of_nothing_and_of_too_much_are_refused() {
    for (width, height) in [(0, 480), (640, 0), (0, 0), (16_385, 16), (16, 16_385), (u32::MAX, u32::MAX)] {
        let error = FrameSize::new(width, height).unwrap_err();
        assert_eq!(error, OutOfRange::Size { width, height, min_side: 1, max_side: 16_384 });
        assert!(error.to_string().contains(&format!("{width}x{height}")), "{error}");
    }
}

#[test]
fn bitrates_outside_one_kilobit_to_eight_hundred_megabits_are_refused() {
    for bps in [0, 999, 800_000_001, u64::MAX] {
        let error = Bitrate::from_bps(bps).unwrap_err();
        assert_eq!(error, OutOfRange::Bitrate { bps, min: 1_000, max: 800_000_000 });
    }
    assert!(Bitrate::from_kbps(u64::MAX).is_err() && Bitrate::from_mbps(u64::MAX).is_err());
    assert_eq!(Bitrate::from_mbps(6).unwrap().bps(), 6_000_000);
}

#[test]
fn frame_rates_of_nothing_and_beyond_a_thousand_are_refused() {
    for (numerator, denominator) in [(0, 1), (1, 0), (1_001, 1), (1, 11), (u32::MAX, 1)] {
        let error = FrameRate::new(numerator, denominator).unwrap_err();
        assert_eq!(error, OutOfRange::FrameRate { numerator, denominator, max_hz: 1_000 });
    }
    assert!((FrameRate::new(30_000, 1_001).unwrap().as_f64() - 29.97).abs() < 0.001);
}

#[test]
fn quantisers_beyond_the_scale_or_upside_down_are_refused() {
    assert_eq!(QpRange::new(30, 20).unwrap_err(), OutOfRange::Qp { min: 30, max: 20, limit: 51 });
    assert_eq!(QpRange::new(0, 52).unwrap_err(), OutOfRange::Qp { min: 0, max: 52, limit: 51 });
    assert!(SampleAspect::new(0, 1).is_err() && SampleAspect::new(1, 0).is_err());
}

#[test]
fn more_slices_or_threads_than_there_can_be_are_refused() {
    let config = config(size(640, 360), 30, 1_000);
    // 360 rows are 23 rows of macroblocks.
    let refused = refusal(&config.clone().slices(NonZeroU8::new(24)));
    assert_eq!(refused, ConfigError::Slices { slices: 24, max: 23 });
    assert_eq!(
        refusal(&config.clone().threads(NonZeroU8::new(5))),
        ConfigError::Threads { threads: 5, max: 4 }
    );
    let too_small = config.max_size(size(320, 180));
    assert!(matches!(refusal(&too_small), ConfigError::MaxSize { .. }));
}

#[test]
fn a_picture_has_as_many_slices_as_were_asked_for() {
    for (slices, threads) in [(1, 1), (1, 4), (2, 1), (3, 2), (4, 4), (23, 2)] {
        let config =
            config(size(640, 360), 30, 1_000).slices(NonZeroU8::new(slices)).threads(NonZeroU8::new(threads));
        let mut encoder = OpenH264Encoder::new(&config).unwrap();
        let units = encode_run(&mut encoder, 0, 4);
        assert_eq!(units[0].nals().count(), 2 + usize::from(slices), "SPS, PPS and the slices");
        assert!(units[1..].iter().all(|unit| unit.nals().count() == usize::from(slices)));
        assert_eq!(common::decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 4);
    }
}

#[test]
fn without_a_word_pictures_from_720p_on_have_two_slices() {
    for (width, height, slices) in [(640, 360, 1), (1278, 720, 1), (1280, 720, 2), (1920, 1080, 2)] {
        let mut encoder = OpenH264Encoder::new(&config(size(width, height), 30, 2_000)).unwrap();
        let units = encode_run(&mut encoder, 0, 2);
        assert_eq!(units[1].nals().count(), slices, "{width}x{height}");
    }
}

#[test]
fn an_error_says_one_clause_and_leaves_the_rest_to_its_source() {
    let error = Error::from(FrameSize::new(0, 7).unwrap_err());
    assert_eq!(error.to_string(), "the settings cannot work");
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "size 0x7 has a side outside 1 to 16384 pixels");
    assert!(source.source().is_none());
}
