//! Changes of bitrate, frame rate and quantisers that the driver refuses: the stream stays on NVENC.
#![allow(clippy::panic, clippy::unwrap_used)]

use crate::common::live::{Live, eager, fallbacks, words};
use crate::common::{config, encode_run, picture, size};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, GpuChoice, NvencConfig, Settings};
use direct264::nvenc::NvencEncoder;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, Event, Frame, FrameRate, OwnedAccessUnit,
    Picture, Pipeline, PixelFormat, QpRange, Timestamp, open,
};

/// The driver refuses each change: as an invalid parameter, generically, and with a number that no header knows.
const STATUSES: [&str; 3] = ["8", "20", "4000000000"];

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps).unwrap()
}

fn direct(config: EncoderConfig) -> EncoderConfig {
    config.nvenc(NvencConfig::new().form(CallForm::Direct))
}

fn forms() -> [EncoderConfig; 2] {
    [eager(), direct(eager())]
}

/// Makes one change of each kind, one after the other.
fn change(encoder: &mut (impl Encoder + ?Sized), number: usize) {
    match number % 3 {
        0 => encoder.set_bitrate(kbps(500 + 100 * number as u64)),
        1 => encoder.set_frame_rate(FrameRate::hz(20 + number as u32).unwrap()),
        _ => encoder.set_qp_range(QpRange::new(12 + number as u8, 48).unwrap()),
    }
    .unwrap();
}

fn idrs(units: &[OwnedAccessUnit]) -> Vec<usize> {
    (0..units.len()).filter(|&at| units[at].is_idr).collect()
}

fn count(events: &[Event], word: &str) -> usize {
    words(events).into_iter().filter(|&told| told == word).count()
}

/// 120 frames with a change before every twentieth of them.
fn changing(stage: &Stage, config: &EncoderConfig, fault: &str) -> Live {
    stage.reset();
    let mut live = Live::open(config);
    live.frames(20);
    stage.set(&format!("FAULT={fault}"));
    for number in 0..5 {
        change(&mut live.encoder, number);
        live.frames(20);
    }
    live
}

#[test]
fn a_refused_change_costs_one_idr_in_a_new_session_and_no_fallback() {
    let stage = Double::get().load();
    for config in forms() {
        for status in STATUSES {
            let live = changing(&stage, &config, &format!("nvEncReconfigureEncoder:*={status}"));
            assert!(live.units.iter().all(|unit| unit.backend == Backend::Nvenc), "{status}");
            assert_eq!(idrs(&live.units), [0, 20, 40, 60, 80, 100], "{status}");
            assert_eq!(fallbacks(&live.events), []);
            let settings = live.encoder.settings();
            assert_eq!(live.encoder.bitrate_in_force(), kbps(800));
            assert_eq!(
                (settings.bitrate, settings.frame_rate, settings.qp_range.min()),
                (kbps(800), FrameRate::hz(24).unwrap(), 14)
            );
            assert_eq!(count(&live.events, "bitrate_changed"), 2);
            live.end();
            stage.assert_clean_soon(status);
        }
    }
}

#[test]
fn a_change_that_a_new_session_refuses_too_leaves_the_stream_as_it_was_and_is_told() {
    let stage = Double::get().load();
    for config in forms() {
        const NO_STREAM: &str = "cuStreamCreateWithPriority:*=2;cuStreamCreate:*=2";
        for opening in ["nvEncOpenEncodeSessionEx:*=20", "nvEncInitializeEncoder:*=8", NO_STREAM] {
            let live = changing(&stage, &config, &format!("nvEncReconfigureEncoder:*=20;{opening}"));
            assert!(live.units.iter().all(|unit| unit.backend == Backend::Nvenc), "{opening}");
            assert_eq!(idrs(&live.units), [0], "{opening}");
            assert_eq!(live.encoder.bitrate_in_force(), kbps(300), "{opening}");
            assert_eq!(count(&live.events, "change_refused"), 5, "{opening}: {:?}", live.events);
            assert_eq!(count(&live.events, "bitrate_changed"), 0, "{opening}");
            live.end();
            stage.assert_clean_soon(opening);
        }
    }
}

/// While two sessions exist, the memory may not hold the room of both.
#[test]
fn a_session_that_is_exchanged_keeps_its_room_for_larger_sizes() {
    let stage = Double::get().load();
    for (caps, is_exchanged) in [("", false), ("CAPS=SUPPORT_DYN_BITRATE_CHANGE=0", true)] {
        for config in forms() {
            for memory in ["cuMemAllocPitch:1=2", "nvEncInitializeEncoder:1=10"] {
                stage.reset();
                stage.set(caps);
                let mut encoder = NvencEncoder::new(&config.clone().max_size(size(640, 480))).unwrap();
                encode_run(&mut encoder, 0, 2);
                stage.set(&format!("FAULT=nvEncReconfigureEncoder:*=20;{memory}"));
                encoder.set_bitrate(kbps(321)).unwrap();
                stage.set("FAULT=");
                assert_eq!(encoder.settings().bitrate == kbps(321), is_exchanged, "{memory}");
                encode_run(&mut encoder, 2, 2);
                let sessions = stage.report().sessions().len();
                encoder.set_size(size(640, 480)).unwrap();
                encode_run(&mut encoder, 4, 2);
                assert_eq!(stage.report().sessions().len(), sessions, "{memory}, {caps}");
                drop(encoder);
                stage.assert_clean_soon(memory);
            }
        }
    }
}

#[test]
fn an_encoder_whose_change_was_refused_tells_the_settings_in_force_and_takes_the_next_change() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        encode_run(&mut encoder, 0, 2);
        let before: Settings = encoder.settings();
        stage.set("FAULT=nvEncReconfigureEncoder:*=8;nvEncOpenEncodeSessionEx:*=2");
        for number in 0..3 {
            change(&mut encoder, number);
            assert_eq!(encoder.settings(), before);
        }
        assert!(idrs(&encode_run(&mut encoder, 2, 2)).is_empty());
        stage.set("FAULT=");
        change(&mut encoder, 0);
        assert!(idrs(&encode_run(&mut encoder, 4, 2)).is_empty());
        assert_eq!(encoder.settings().bitrate, kbps(500));
        let told = encoder.take_events();
        assert_eq!((count(&told, "change_refused"), count(&told, "bitrate_changed")), (3, 1), "{told:?}");
        drop(encoder);
        stage.report().assert_clean("refused changes");
    }
}

/// No working session is given up for a change.
#[test]
fn under_a_session_limit_a_refused_change_leaves_the_stream_as_it_was() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("SESSIONS=1\nFAULT=nvEncReconfigureEncoder:*=8");
        let mut live = Live::open(&config);
        live.frames(2);
        live.encoder.set_bitrate(kbps(200)).unwrap();
        live.frames(2);
        assert!(live.units.iter().all(|unit| unit.backend == Backend::Nvenc));
        assert_eq!(idrs(&live.units), [0]);
        assert_eq!(count(&live.events, "change_refused"), 1);
        live.end();
        stage.assert_clean_soon("one slot");
    }
}

/// Where the GPU changes no rate within a session, the new session takes the slot of the old one. If that fails, the old
/// settings are opened again.
#[test]
fn without_the_capability_the_new_session_takes_the_only_slot() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("SESSIONS=1\nCAPS=SUPPORT_DYN_BITRATE_CHANGE=0");
        let mut live = Live::open(&config);
        live.frames(2);
        live.encoder.set_bitrate(kbps(200)).unwrap();
        live.frames(2);
        // Each of the four sets of settings.
        stage.set("FAULT=nvEncInitializeEncoder:1-4=8");
        live.encoder.set_bitrate(kbps(100)).unwrap();
        live.frames(2);
        assert!(live.units.iter().all(|unit| unit.backend == Backend::Nvenc));
        assert_eq!(idrs(&live.units), [0, 2, 4]);
        assert_eq!(live.encoder.bitrate_in_force(), kbps(200));
        assert_eq!(count(&live.events, "change_refused"), 1);
        assert_eq!(fallbacks(&live.events), []);
        live.end();
        stage.assert_clean_soon("one slot");
    }
}

#[test]
fn without_the_capability_a_refused_session_leaves_the_stream_as_it_was() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        stage.set("CAPS=SUPPORT_DYN_BITRATE_CHANGE=0");
        let mut live = Live::open(&config);
        live.frames(2);
        stage.set("FAULT=nvEncOpenEncodeSessionEx:*=20");
        live.encoder.set_bitrate(kbps(200)).unwrap();
        live.frames(2);
        assert_eq!(idrs(&live.units), [0]);
        assert_eq!((count(&live.events, "change_refused"), fallbacks(&live.events).len()), (1, 0));
        live.end();
        stage.assert_clean_soon("no other session");
    }
}

/// The frame in flight comes out of the old session, in order.
#[test]
fn a_change_refused_under_a_frame_in_flight_loses_no_frame() {
    let stage = Double::get().load();
    for config in forms() {
        for (opening, expected) in [("", &[0, 5, 10, 15][..]), (";nvEncOpenEncodeSessionEx:*=20", &[0])] {
            stage.reset();
            let mut pipeline = Pipeline::new(open(&config, &BackendOrder::auto()).unwrap().encoder);
            let size = pipeline.encoder().size();
            let camera = picture::Camera::new(size);
            let mut units = Vec::new();
            stage.set(&format!("FAULT=nvEncReconfigureEncoder:*=20{opening}"));
            for number in 0..20 {
                if number > 0 && number % 5 == 0 {
                    change(pipeline.encoder_mut(), number as usize / 5 - 1);
                }
                let pixels = camera.i420(number);
                let timestamp = Timestamp(i64::from(number));
                let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, timestamp).unwrap();
                units.extend(
                    pipeline.submit(&frame, Picture::Auto).unwrap().map(|unit| unit.unwrap().to_owned()),
                );
            }
            units.extend(pipeline.flush().unwrap().map(|unit| unit.unwrap().to_owned()));
            assert!(units.iter().map(|unit| unit.timestamp.0).eq(0..20), "{opening}");
            assert!(units.iter().all(|unit| unit.backend == Backend::Nvenc), "{opening}");
            assert_eq!(idrs(&units), expected, "{opening}");
            drop(pipeline);
            stage.assert_clean_soon(opening);
        }
    }
}

/// Frames in device memory of one GPU stay readable.
#[test]
fn the_new_session_is_on_the_same_gpu() {
    let test = "the_new_session_is_on_the_same_gpu";
    if d264_double::passed_as_child(test, &[("GPUS", "nvenc:NVIDIA L4,nvenc:NVIDIA T4")]) {
        return;
    }
    let stage = Double::get().load();
    stage.set("FAULT=nvEncReconfigureEncoder:*=8");
    let spread = NvencConfig::new().gpu(GpuChoice::Spread);
    let mut encoder = NvencEncoder::new(&config(size(320, 240), 30, 500).nvenc(spread)).unwrap();
    let gpu = encoder.gpu_index();
    encode_run(&mut encoder, 0, 2);
    encoder.set_bitrate(kbps(700)).unwrap();
    assert!(encode_run(&mut encoder, 2, 1)[0].is_idr);
    assert_eq!(encoder.gpu_index(), gpu);
    drop(encoder);
    stage.report().assert_clean("a new session on the same GPU");
}
