//! What the log says, and how loud: selection, passing over, falling back, returning, another size, another bitrate.
//!
//! In a process of its own, since the log belongs to the process.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::LazyLock;

use crate::common::live::{Live, eager};
use crate::common::log::{Line, LogKeeper};
use crate::common::{config, encode_run, size};
use d264_double::{Double, Stage, passed_as_child};
use direct264::config::FailoverConfig;
use direct264::{Backend, BackendOrder, Bitrate, Encoder, FrameId, QpRange, open};
use tracing::Level;

static LOG: LazyLock<LogKeeper> = LazyLock::new(LogKeeper::default);

/// What was logged since the last call.
fn take() -> Vec<Line> {
    LOG.take()
}

/// An event of that level with this message has these fields and no other, and of some of them these values.
fn assert_logged(lines: &[Line], level: Level, message: &str, fields: &str, values: &[&str]) {
    let expected: BTreeSet<&str> = fields.split(' ').collect();
    let is_it = |line: &&Line| {
        line.level == level
            && line.text.strip_prefix(message).is_some_and(|rest| rest.starts_with(' '))
            && values.iter().all(|value| line.text.contains(value))
    };
    let Some(line) = lines.iter().find(is_it) else {
        panic!("no {level} event `{message}` with {values:?} in {lines:#?}")
    };
    assert_eq!(line.fields.keys().copied().collect::<BTreeSet<_>>(), expected, "{}", line.text);
}

const SELECTED: &str = "backend size bitrate_bps open_ms";
const NOT_HAD: &str = "backend reason detail";
const FELL_BACK: &str = "frame backend to reason detail";
const FRAME_TIME: &str =
    "frame backend is_idr bytes qp convert_us upload_us submit_us wait_us copy_us total_us";

#[test]
fn what_happens_to_a_stream_is_logged_with_its_figures() {
    if passed_as_child("what_happens_to_a_stream_is_logged_with_its_figures", &[]) {
        return;
    }
    tracing::subscriber::set_global_default(LOG.clone()).unwrap();
    let stage = Double::get().load();
    a_stream_that_fails_and_returns(&stage);
    who_is_not_had(&stage);
    a_rate_that_cannot_be_met();
    one_frame_of_256(&stage);
    stage.assert_clean_soon("the log");
}

fn a_stream_that_fails_and_returns(stage: &Stage) {
    let mut live = Live::open(&eager());
    let lines = take();
    assert_logged(
        &lines,
        Level::INFO,
        "encoder selected",
        SELECTED,
        &["backend=\"nvenc\"", "size=160x96", "bitrate_bps=300000"],
    );
    let gpu = ["gpu=0", "name=\"", "api=12.1", "settings="];
    assert_logged(&lines, Level::DEBUG, "NVENC session opened", "gpu name api settings", &gpu);

    live.frames(1);
    let first = ["frame=0", "backend=\"nvenc\"", "is_idr=true"];
    assert_logged(&take(), Level::DEBUG, "a frame's time", FRAME_TIME, &first);

    live.encoder.set_bitrate(Bitrate::from_kbps(200).unwrap()).unwrap();
    let changed = ["frame=1", "backend=\"nvenc\"", "from_bps=300000", "to_bps=200000"];
    assert_logged(&take(), Level::DEBUG, "bitrate changed", "frame backend from_bps to_bps", &changed);

    live.encoder.invalidate(FrameId(0)..=FrameId(0)).unwrap();
    let lost = ["frame=1", "backend=\"nvenc\"", "first=0", "last=0", "recovery=\"idr\""];
    let fields = "frame backend first last recovery";
    assert_logged(&take(), Level::DEBUG, "the receiver has lost frames", fields, &lost);

    // Tried again twice without success.
    stage.set("FAULT=nvEncEncodePicture:1=20;nvEncInitializeEncoder:1-2=20");
    live.frames(1);
    let left = [
        "frame=1",
        "backend=\"nvenc\"",
        "to=\"openh264\"",
        "reason=\"driver_error\"",
        "nvEncEncodePicture returned 20",
    ];
    let message = "encoder failed: the stream goes on with another";
    assert_logged(&take(), Level::WARN, message, FELL_BACK, &left);
    live.frames_until(Backend::Nvenc);
    let lines = take();
    for wait in ["next_attempt_ms=10", "next_attempt_ms=20"] {
        let vain = ["backend=\"nvenc\"", "reason=\"driver_error\"", "on GPU 0", wait];
        let fields = "backend reason detail next_attempt_ms";
        assert_logged(&lines, Level::DEBUG, "retry failed", fields, &vain);
    }
    let frame = format!("frame={}", live.units.len() - 1);
    let back = [frame.as_str(), "backend=\"nvenc\"", "from=\"openh264\""];
    assert_logged(&lines, Level::INFO, "encoder restored", "frame backend from", &back);

    live.encoder.set_size(size(192, 112)).unwrap();
    let frame = format!("frame={}", live.units.len());
    let anew = [frame.as_str(), "backend=\"nvenc\"", "size=192x112"];
    assert_logged(&take(), Level::INFO, "encoder set up anew", "frame backend size", &anew);
}

fn who_is_not_had(stage: &Stage) {
    // What is there and fails is a warning.
    stage.set("SESSIONS=0");
    drop(open(&eager().failover(FailoverConfig::new().retry(None)), &BackendOrder::auto()).unwrap());
    let full = ["backend=\"nvenc\"", "reason=\"session_limit\"", "nvEncOpenEncodeSessionEx"];
    assert_logged(&take(), Level::WARN, "encoder passed over", NOT_HAD, &full);
    stage.set("SESSIONS=");
    drop(open(&eager().threads(NonZeroU8::new(8)), &BackendOrder::auto()).unwrap());
    let threads = ["backend=\"openh264\"", "reason=\"unsupported_setting\""];
    assert_logged(&take(), Level::WARN, "encoder cannot stand in", NOT_HAD, &threads);
    // What is not there is none.
    stage.set("FAULT=nvEncOpenEncodeSessionEx:*=1");
    let mut absent = open(&config(size(320, 240), 30, 500), &BackendOrder::auto()).unwrap().encoder;
    encode_run(&mut absent, 0, 1);
    let lines = take();
    let none = ["backend=\"nvenc\"", "reason=\"no_encoder_on_gpu\""];
    assert_logged(&lines, Level::INFO, "encoder passed over", NOT_HAD, &none);
    assert!(lines.iter().all(|line| line.level != Level::WARN), "{lines:#?}");
    stage.set("FAULT=");
}

fn a_rate_that_cannot_be_met() {
    let fine = QpRange::new(10, 20).unwrap();
    let config = config(size(160, 96), 30, 20).qp_range(fine);
    let mut encoder = open(&config, &BackendOrder::only(Backend::OpenH264)).unwrap().encoder;
    encode_run(&mut encoder, 0, 60);
    let unmet = ["backend=\"openh264\"", "target_bps=20000"];
    let fields = "backend target_bps reached_bps";
    assert_logged(&take(), Level::DEBUG, "the bitrate cannot be met", fields, &unmet);
}

fn one_frame_of_256(stage: &Stage) {
    stage.set("CHECKS=light\nENCODE=canned");
    for order in [BackendOrder::auto(), BackendOrder::only(Backend::OpenH264)] {
        let mut encoder = open(&config(size(160, 96), 30, 300), &order).unwrap().encoder;
        take();
        encode_run(&mut encoder, 0, 514);
        let lines = take();
        let told: Vec<&str> = lines
            .iter()
            .filter(|line| line.text.starts_with("a frame's time"))
            .filter_map(|line| line.text.split(' ').find(|word| word.starts_with("frame=")))
            .collect();
        assert_eq!(told, ["frame=0", "frame=256", "frame=512"]);
        assert_logged(&lines, Level::DEBUG, "a frame's time", FRAME_TIME, &["frame=256"]);
    }
}
