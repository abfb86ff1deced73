//! The capabilities of a GPU: each answer reaches its place, and a setting beyond them is left out and reported.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;

use crate::common::log::LogKeeper;
use crate::common::{config, decode, encode_run, size};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, IntraRefresh, NvencConfig, Profile, TemporalLayers};
use direct264::nvenc::{Capabilities, NvencEncoder, probe};
use direct264::{Bitrate, Encoder, EncoderConfig, Error, Reason};

fn probed(stage: &Stage, caps: &str) -> Capabilities {
    stage.set(&format!("CAPS={caps}"));
    *probe().encoder().unwrap().1
}

#[test]
fn each_capability_reaches_its_field_and_no_other() {
    type Change = (&'static str, fn(&mut Capabilities));
    let changes: [Change; 18] = [
        ("WIDTH_MIN=33", |can| can.min_width = 33),
        ("HEIGHT_MIN=34", |can| can.min_height = 34),
        ("WIDTH_MAX=2048", |can| can.max_width = 2048),
        ("HEIGHT_MAX=1024", |can| can.max_height = 1024),
        ("MB_NUM_MAX=8192", |can| can.max_macroblocks = 8192),
        ("NUM_ENCODER_ENGINES=3", |can| can.engines = 3),
        ("SUPPORT_CABAC=0", |can| can.cabac = false),
        ("SUPPORT_ADAPTIVE_TRANSFORM=0", |can| can.transform_8x8 = false),
        // Constant QP and variable bitrate.
        ("SUPPORTED_RATECONTROL_MODES=1", |can| can.constant_bitrate = false),
        ("SUPPORT_CUSTOM_VBV_BUF_SIZE=0", |can| can.custom_vbv = false),
        ("SUPPORT_DYN_BITRATE_CHANGE=0", |can| can.dynamic_bitrate = false),
        ("SUPPORT_DYN_RES_CHANGE=0", |can| can.dynamic_size = false),
        ("SUPPORT_INTRA_REFRESH=0", |can| can.intra_refresh = false),
        ("SINGLE_SLICE_INTRA_REFRESH=0", |can| can.single_slice_intra_refresh = false),
        ("SUPPORT_REF_PIC_INVALIDATION=0", |can| can.reference_invalidation = false),
        ("SUPPORT_MULTIPLE_REF_FRAMES=0", |can| can.multiple_references = false),
        ("NUM_MAX_TEMPORAL_LAYERS=4", |can| can.temporal_layers = 4),
        ("SUPPORT_TEMPORAL_SVC=0", |can| can.temporal_layers = 1),
    ];
    let stage = Double::get().load();
    let whole = probed(&stage, "");
    for (caps, change) in changes {
        let mut expected = whole;
        change(&mut expected);
        assert_ne!(expected, whole, "{caps}");
        assert_eq!(probed(&stage, caps), expected, "{caps}");
    }
    stage.report().assert_clean("probes");
}

/// Settings that need something of the GPU. On the caller's thread, so that what is told there is heard there.
fn demanding() -> EncoderConfig {
    let nvenc = NvencConfig::new()
        .form(CallForm::Direct)
        .reference_frames(NonZeroU8::new(4).unwrap())
        .single_slice_refresh(true)
        .intra_refresh(Some(IntraRefresh::new(30, 10).unwrap()));
    config(size(320, 240), 30, 500).max_size(size(640, 360)).profile(Profile::High).nvenc(nvenc)
}

fn two_layers() -> EncoderConfig {
    let direct = NvencConfig::new().form(CallForm::Direct);
    config(size(320, 240), 30, 500).temporal_layers(TemporalLayers::Two).nvenc(direct)
}

#[test]
fn what_the_gpu_cannot_do_is_left_out_and_told_and_the_rest_works() {
    let stage = Double::get().load();
    let cases: [(&str, &[&str], EncoderConfig); 13] = [
        ("", &[], demanding()),
        ("SUPPORT_CABAC=0", &["CABAC"], demanding()),
        ("SUPPORT_ADAPTIVE_TRANSFORM=0", &["the 8x8 transform"], demanding()),
        ("SUPPORTED_RATECONTROL_MODES=1", &["constant bitrate"], demanding()),
        ("SUPPORT_CUSTOM_VBV_BUF_SIZE=0", &["the size of the VBV"], demanding()),
        ("SUPPORT_DYN_BITRATE_CHANGE=0", &[], demanding()),
        ("SUPPORT_DYN_RES_CHANGE=0", &["a change of size without a new session"], demanding()),
        ("SUPPORT_INTRA_REFRESH=0", &["intra refresh"], demanding()),
        ("SINGLE_SLICE_INTRA_REFRESH=0", &["one slice during intra refresh"], demanding()),
        ("SUPPORT_REF_PIC_INVALIDATION=0", &["some reference frames"], demanding()),
        ("SUPPORT_MULTIPLE_REF_FRAMES=0", &["some reference frames"], demanding()),
        ("", &[], two_layers()),
        ("SUPPORT_TEMPORAL_SVC=0", &["a second temporal layer"], two_layers()),
    ];
    for (caps, left_out, config) in cases {
        stage.reset();
        stage.set(&format!("CAPS={caps}"));
        let log = LogKeeper::default();
        let mut encoder =
            tracing::subscriber::with_default(log.clone(), || NvencEncoder::new(&config)).unwrap();
        let told = log.take().into_iter().filter_map(|mut line| line.fields.remove("left_out"));
        let left_out: Vec<String> = left_out.iter().map(|what| format!("{what:?}")).collect();
        assert_eq!(told.collect::<Vec<_>>(), left_out, "{caps}");
        let mut units = encode_run(&mut encoder, 0, 3);
        encoder.set_bitrate(Bitrate::from_kbps(700).unwrap()).unwrap();
        units.extend(encode_run(&mut encoder, 3, 3));
        let idrs: Vec<usize> = (0..6).filter(|&at| units[at].is_idr).collect();
        // Without a change of bitrate within a session there is another session.
        let expected: &[usize] = if caps == "SUPPORT_DYN_BITRATE_CHANGE=0" { &[0, 3] } else { &[0] };
        assert_eq!(idrs, expected, "{caps}");
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 6, "{caps}");
        encoder.set_size(size(640, 360)).unwrap();
        let units = encode_run(&mut encoder, 6, 3);
        assert!(units[0].is_idr, "{caps}");
        assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 3, "{caps}");
        drop(encoder);
        stage.report().assert_clean(caps);
    }
}

#[test]
fn a_picture_of_more_macroblocks_than_the_gpu_takes_is_refused() {
    let stage = Double::get().load();
    let open = || NvencEncoder::new(&config(size(320, 240), 30, 500));
    stage.set("CAPS=MB_NUM_MAX=300");
    drop(open().unwrap());
    stage.set("CAPS=MB_NUM_MAX=299");
    match open().unwrap_err() {
        Error::Unavailable(why) => {
            assert_eq!(why.reason, Reason::UnsupportedSize);
            assert!(why.detail.contains("at most 299 macroblocks"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    stage.report().assert_clean("sizes");
}
