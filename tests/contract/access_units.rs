//! What every backend promises, of frames in host memory and in device memory: one frame in, one access unit out, in
//! order, each decodable by itself.
#![allow(clippy::unwrap_used)]

use std::num::{NonZeroU8, NonZeroU32};

use crate::common::{
    config, decode, encode, encode_run, encoders_and_from_device as encoders, picture, size, sps, stream,
};
use d264_double::passed_as_child;
use direct264::annexb::{NalKind, nals};
use direct264::error::FrameError;
use direct264::{EventKind, Frame, OwnedAccessUnit, Picture, PixelFormat, Timestamp};

fn kinds(unit: &OwnedAccessUnit) -> Vec<NalKind> {
    unit.nals().map(|nal| nal.kind()).collect()
}

#[test]
fn every_frame_gives_one_access_unit_that_two_decoders_show_as_it_was() {
    let (size, count) = (size(640, 360), 60);
    for mut encoder in encoders(&config(size, 30, 1_500)) {
        let units = encode_run(&mut encoder, 0, count);
        let camera = picture::Camera::new(size);
        let by_openh264 = decode::openh264(units.iter().map(|unit| &unit.bytes[..]));
        assert_eq!(by_openh264.len(), count as usize);
        let by_ffmpeg = decode::ffmpeg(&stream(&units), size);
        if let Some(by_ffmpeg) = &by_ffmpeg {
            assert_eq!(by_ffmpeg, &by_openh264, "the two decoders disagree");
        }
        for (number, decoded) in (0..).zip(&by_openh264) {
            let psnr = picture::psnr(decoded, &camera.i420(number));
            assert!(psnr > 33.0, "picture {number}: {psnr} dB");
        }
    }
}

#[test]
fn the_first_access_unit_is_an_idr_with_parameter_sets_and_no_other_is() {
    for mut encoder in encoders(&config(size(320, 240), 30, 500)) {
        let units = encode_run(&mut encoder, 0, 40);
        assert_eq!(kinds(&units[0])[..2], [NalKind::Sps, NalKind::Pps]);
        assert!(kinds(&units[0])[2..].iter().all(|&kind| kind == NalKind::IdrSlice));
        assert!(units[0].is_idr);
        for unit in &units[1..] {
            assert!(!unit.is_idr);
            assert!(kinds(unit).iter().all(|&kind| kind == NalKind::Slice), "{:?}", kinds(unit));
        }
    }
}

#[test]
fn a_cut_in_the_picture_is_no_idr() {
    let size = size(640, 360);
    for mut encoder in encoders(&config(size, 30, 1_000)) {
        let camera = picture::Camera::new(size);
        for number in 0..60 {
            // Every 20 pictures the camera jumps and the picture turns to its negative.
            let mut pixels = camera.i420(number + number / 20 * 977);
            if number / 20 % 2 == 1 {
                pixels.iter_mut().for_each(|sample| *sample = 255 - *sample);
            }
            let unit = encode(&mut encoder, &pixels, i64::from(number), Picture::Auto);
            assert_eq!(unit.is_idr, number == 0, "picture {number}");
        }
    }
}

#[test]
fn a_requested_idr_is_the_very_next_access_unit_with_its_parameter_sets() {
    let size = size(640, 360);
    for mut encoder in encoders(&config(size, 30, 1_000)) {
        let camera = picture::Camera::new(size);
        let requests = [7, 8, 20];
        let mut units = Vec::new();
        for number in 0..30 {
            let picture = if requests.contains(&number) { Picture::Idr } else { Picture::Auto };
            units.push(encode(&mut encoder, &camera.i420(number), i64::from(number), picture));
        }
        for (number, unit) in (0..).zip(&units) {
            assert_eq!(unit.is_idr, number == 0 || requests.contains(&number), "picture {number}");
            if unit.is_idr {
                assert_eq!(kinds(unit)[..2], [NalKind::Sps, NalKind::Pps]);
            }
        }
        // The sets keep their ids and all else from IDR to IDR, so that a receiver which missed some can go on.
        let sets =
            |unit: &OwnedAccessUnit| unit.nals().take(2).map(|nal| nal.bytes().to_vec()).collect::<Vec<_>>();
        assert!(units.iter().filter(|unit| unit.is_idr).all(|unit| sets(unit) == sets(&units[0])));
        // Who joins at the last IDR sees everything from there on.
        let joined = decode::openh264(units[20..].iter().map(|unit| &unit.bytes[..]));
        assert_eq!(joined.len(), 10);
        let requested =
            encoder.take_events().into_iter().filter(|event| event.kind == EventKind::IdrRequested).count();
        assert_eq!(requested, requests.len());
    }
}

#[test]
fn the_idr_period_counts_from_the_last_idr_whoever_asked_for_it() {
    let config = config(size(320, 240), 30, 500).idr_period_frames(NonZeroU32::new(10));
    for mut encoder in encoders(&config) {
        let camera = picture::Camera::new(encoder.size());
        let idrs: Vec<i64> = (0..40)
            .filter(|&number| {
                let picture = if number == 14 { Picture::Idr } else { Picture::Auto };
                encode(&mut encoder, &camera.i420(number as u32), number, picture).is_idr
            })
            .collect();
        assert_eq!(idrs, [0, 10, 14, 24, 34]);
    }
}

#[test]
fn timestamps_come_back_untouched_whatever_they_are() {
    let size = size(64, 64);
    for mut encoder in encoders(&config(size, 30, 200)) {
        let pixels = picture::Camera::new(size).i420(0);
        for timestamp in [0, 5, 5, -3, i64::MAX, i64::MIN, 1] {
            assert_eq!(
                encode(&mut encoder, &pixels, timestamp, Picture::Auto).timestamp,
                Timestamp(timestamp)
            );
        }
    }
}

#[test]
fn the_ranges_name_every_byte_and_each_unit_has_a_four_byte_start_code() {
    for mut encoder in encoders(&config(size(1280, 720), 30, 2_000)) {
        for unit in encode_run(&mut encoder, 0, 5) {
            let mut end = 0;
            for range in &unit.nal_ranges {
                assert_eq!(range.start, end);
                assert_eq!(unit.bytes[range.start..range.start + 4], [0, 0, 0, 1]);
                end = range.end;
            }
            assert_eq!(end, unit.bytes.len());
            let split: Vec<_> = nals(&unit.bytes).map(|nal| nal.bytes().len()).collect();
            let told: Vec<_> = unit.nals().map(|nal| nal.bytes().len()).collect();
            assert_eq!(split, told);
        }
    }
}

#[test]
fn the_sps_tells_colour_and_that_nothing_is_reordered() {
    for mut encoder in encoders(&config(size(1920, 1080), 60, 6_000)) {
        let unit = &encode_run(&mut encoder, 0, 1)[0];
        let sps = sps::first(&unit.bytes);
        assert_eq!(u8::from(sps.profile_idc), 66);
        assert!(sps.constraint_flags.flag1(), "constrained baseline");
        assert_eq!(sps.level_idc, 42);
        assert_eq!(sps.pixel_dimensions().unwrap(), (1920, 1080));
        let vui = sps.vui_parameters.unwrap();
        let restrictions = vui.bitstream_restrictions.unwrap();
        assert_eq!(restrictions.max_num_reorder_frames, 0);
        assert_eq!(restrictions.max_dec_frame_buffering, 1);
        let signal = vui.video_signal_type.unwrap();
        assert!(!signal.video_full_range_flag);
        let colour = signal.colour_description.unwrap();
        assert_eq!(
            (colour.colour_primaries, colour.transfer_characteristics, colour.matrix_coefficients),
            (1, 1, 1)
        );
    }
}

#[test]
fn parameter_sets_on_request_are_those_of_the_idr_and_cost_the_stream_nothing() {
    for mut encoder in encoders(&config(size(320, 240), 30, 500)) {
        let before = encoder.parameter_sets().unwrap();
        let mut units = encode_run(&mut encoder, 0, 3);
        let between = encoder.parameter_sets().unwrap();
        units.extend(encode_run(&mut encoder, 3, 3));
        let first: Vec<u8> =
            units[0].nal_ranges[..2].iter().flat_map(|r| units[0].bytes[r.clone()].to_vec()).collect();
        assert_eq!(before, first);
        assert_eq!(between, first);
        assert_eq!(units.iter().filter(|unit| unit.is_idr).count(), 1);
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 6);
    }
}

#[test]
fn a_frame_of_another_size_is_refused_and_the_encoder_goes_on() {
    for mut encoder in encoders(&config(size(320, 240), 30, 500)) {
        encode_run(&mut encoder, 0, 2);
        let other = size(322, 240);
        let pixels = picture::Camera::new(other).i420(0);
        let frame = Frame::contiguous(other, PixelFormat::I420, &pixels, Timestamp(9)).unwrap();
        match encoder.encode(&frame, Picture::Auto).unwrap_err() {
            direct264::Error::Frame(FrameError::Size { frame, encoder }) => {
                assert_eq!((frame, encoder), (other, size(320, 240)));
            }
            error => panic!("{error:?}"),
        }
        assert_eq!(encode_run(&mut encoder, 2, 2).len(), 2);
    }
}

#[test]
fn the_stages_add_up_to_no_more_than_the_whole() {
    for mut encoder in encoders(&config(size(640, 360), 30, 1_000)) {
        for unit in encode_run(&mut encoder, 0, 5) {
            let times = unit.times;
            let stages = times.convert + times.upload + times.submit + times.wait + times.copy;
            assert!(stages <= times.total && !times.total.is_zero(), "{times:?}");
        }
    }
}

#[test]
fn the_same_pictures_give_the_same_stream() {
    let config = config(size(1280, 720), 30, 2_000);
    for (mut one, mut other) in encoders(&config).into_iter().zip(encoders(&config)) {
        assert!(stream(&encode_run(&mut *one, 0, 12)) == stream(&encode_run(&mut *other, 0, 12)));
    }
}

#[test]
fn an_access_unit_tells_its_slices() {
    for slices in 1..=4 {
        let config = config(size(320, 240), 30, 500).slices(NonZeroU8::new(slices));
        for mut encoder in encoders(&config) {
            let camera = picture::Camera::new(encoder.size());
            for number in 0..3 {
                let pixels = camera.i420(number);
                let frame =
                    Frame::contiguous(encoder.size(), PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
                let unit = encoder.encode(&frame, Picture::Auto).unwrap();
                assert_eq!(unit.slices(), usize::from(slices));
                assert_eq!(unit.to_owned().slices(), usize::from(slices));
            }
        }
    }
}

/// The oldest driver that is spoken with keeps the contract as the newest does.
#[test]
fn api_11_0_is_enough_for_the_contract() {
    for test in [
        "the_first_access_unit_is_an_idr_with_parameter_sets_and_no_other_is",
        "a_requested_idr_is_the_very_next_access_unit_with_its_parameter_sets",
        "the_idr_period_counts_from_the_last_idr_whoever_asked_for_it",
        "the_sps_tells_colour_and_that_nothing_is_reordered",
        "parameter_sets_on_request_are_those_of_the_idr_and_cost_the_stream_nothing",
        "an_access_unit_tells_its_slices",
    ] {
        assert!(passed_as_child(test, &[("API", "11.0")]), "{test} is run by a process of its own");
    }
}
