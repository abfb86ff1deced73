//! The means of a receiver that loses frames: numbers of access units, droppable frames, and a stream that recovers
//! without an IDR. A decoder that never sees the lost frames shows that no later frame refers to them.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::num::{NonZeroU8, NonZeroU32};

use common::live::{self, Live, ms, small};
use common::{LIMITS, config, decode, encode, encode_run, picture, size, stream, within};
use d264_double::{Double, Stage};
use direct264::config::{BackOff, CallForm, FailoverConfig, NvencConfig, Profile, TemporalLayers};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::pipeline::AccessUnits;
use direct264::{
    Backend, Bitrate, Encoder, EncoderConfig, EventKind, Frame, FrameId, FrameRate, OwnedAccessUnit, Picture,
    Pipeline, PixelFormat, QpRange, Recovery, Timestamp,
};

/// With so many frames to predict from.
fn keeping(config: EncoderConfig, frames: u8) -> EncoderConfig {
    let nvenc = NvencConfig::new().form(CallForm::Direct);
    config.nvenc(nvenc.reference_frames(NonZeroU8::new(frames).unwrap()))
}

fn stage() -> Stage {
    let stage = Double::get().load();
    stage.reset();
    stage
}

/// Both backends, on the double that nobody else uses meanwhile.
fn both(_stage: &Stage, config: &EncoderConfig) -> [Box<dyn Encoder>; 2] {
    [Box::new(OpenH264Encoder::new(config).unwrap()), Box::new(NvencEncoder::new(config).unwrap())]
}

/// Decodes the units that arrive, each of which has to come out near its source.
fn assert_shown(arrived: &[&OwnedAccessUnit], size: direct264::FrameSize, floor_db: f64, what: &str) {
    let camera = picture::Camera::new(size);
    let near = |pictures: &[Vec<u8>], decoder: &str| {
        assert_eq!(pictures.len(), arrived.len(), "{what}: pictures of {decoder}");
        for (unit, decoded) in arrived.iter().zip(pictures) {
            let db = picture::psnr(decoded, &camera.i420(unit.timestamp.0 as u32));
            assert!(db > floor_db, "{what}: {} of {decoder} has {db:.1} dB", unit.frame_id);
        }
    };
    let bytes: Vec<u8> = arrived.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
    if let Some(pictures) = decode::ffmpeg(&bytes, size) {
        near(&pictures, "ffmpeg");
    }
}

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

/// A receiver that loses frames and says so `delay` frames later, on a stream of `count`; what arrives and is of use,
/// and how the stream went on each time.
fn lossy(
    encoder: &mut dyn Encoder,
    count: u32,
    delay: u64,
    losses: &[u64],
) -> (Vec<OwnedAccessUnit>, Vec<Recovery>) {
    let camera = picture::Camera::new(encoder.size());
    let (mut arrived, mut recoveries) = (Vec::new(), Vec::new());
    // Nothing that comes is of any use.
    let mut is_broken = false;
    for number in 0..u64::from(count) {
        if let Some(lost) = losses.iter().find(|&&lost| lost + delay + 1 == number) {
            let recovery = encoder.invalidate(FrameId(*lost)..=FrameId(*lost)).unwrap();
            is_broken &= recovery == Recovery::NotNeeded;
            recoveries.push(recovery);
        }
        let unit = encode(encoder, &camera.i420(number as u32), number as i64, Picture::Auto);
        assert_eq!(unit.frame_id, FrameId(number));
        let is_lost = losses.contains(&number);
        is_broken |= is_lost && !unit.is_droppable;
        if !is_lost && !is_broken {
            arrived.push(unit);
        }
    }
    (arrived, recoveries)
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
fn the_failover_encoder_counts_on_over_changes_of_backend_and_knows_whose_frames_are_lost() {
    let stage = stage();
    let soon = BackOff::new(ms(5), ms(40)).unwrap();
    // Longer than the double takes on a busy machine, and short enough to wait for.
    let nvenc = within(LIMITS.rest(ms(2_000))).reference_frames(NonZeroU8::new(4).unwrap());
    let config = config(small(), 30, 300)
        .nvenc(nvenc)
        .failover(FailoverConfig::new().warm_software(true).retry(Some(soon)));
    let mut live = Live::open(&config);
    let lost = |first, last| FrameId(first)..=FrameId(last);
    let words = |live: &mut Live| {
        let events = live.encoder.take_events();
        events.iter().filter(|event| matches!(event.kind, EventKind::Invalidated { .. })).count()
    };
    assert_eq!(live.encoder.invalidate(lost(0, 9)).unwrap(), Recovery::NotNeeded);
    live.frames(8);
    assert_eq!(live.encoder.invalidate(lost(7, 7)).unwrap(), Recovery::OlderReference);
    assert_eq!(words(&mut live), 1);
    live.frames(2);
    // The hardware fails at frame 10, which is then an IDR from software.
    stage.set("FAULT=nvEncEncodePicture:1=20;nvEncOpenEncodeSessionEx:1+=10");
    live.frames(3);
    assert_eq!((live.units[10].backend, live.units[10].is_idr), (Backend::OpenH264, true));
    assert_eq!(live.encoder.invalidate(lost(7, 9)).unwrap(), Recovery::NotNeeded);
    live.frames(1);
    assert!(!live.units[13].is_idr);
    // Lost before the change and after it.
    assert_eq!(live.encoder.invalidate(lost(8, 12)).unwrap(), Recovery::Idr);
    assert_eq!(words(&mut live), 1);
    live.frames(2);
    assert!(live.units[14].is_idr && !live.units[15].is_idr);
    // Back on the hardware, whose own numbers are others.
    stage.set("FAULT=");
    live.frames_until(Backend::Nvenc);
    let switch = live.units.len() as u64 - 1;
    assert!(live.units[switch as usize].is_idr);
    assert_eq!(live.encoder.invalidate(lost(0, switch - 1)).unwrap(), Recovery::NotNeeded);
    live.frames(4);
    assert_eq!(live.encoder.invalidate(lost(switch - 2, switch)).unwrap(), Recovery::Idr);
    live.frames(4);
    let newest = live.units.len() as u64 - 1;
    assert!(live.units[newest as usize - 3].is_idr);
    assert_eq!(live.encoder.invalidate(lost(newest, newest)).unwrap(), Recovery::OlderReference);
    // An invalidation in which the driver hangs costs no frame either.
    live.frames(3);
    stage.set("FAULT=nvEncInvalidateRefFrames:1=hang;nvEncOpenEncodeSessionEx:1+=10");
    let newest = live.units.len() as u64 - 1;
    assert_eq!(live.encoder.invalidate(lost(newest, newest)).unwrap(), Recovery::Idr);
    live.frames(2);
    assert_eq!(live.units.last().unwrap().backend, Backend::OpenH264);
    stage.set("FAULT=");
    let ids: Vec<u64> = live.units.iter().map(|unit| unit.frame_id.0).collect();
    assert_eq!(ids, (0..live.units.len() as u64).collect::<Vec<_>>());
    let ended = live.end();
    // Frame 7 was lost, and so was what led up to each IDR that was asked for; all is there for who has it.
    ended.assert_whole("losses and changes of backend");
    stage.assert_clean_soon("losses and changes of backend");
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
