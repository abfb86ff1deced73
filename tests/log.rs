//! What the log says, and how loud: selection, passing over, falling back, returning, another size, another bitrate.
//!
//! A test binary of its own with one test, since the log belongs to the process.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};

use common::live::{Live, assert_clean_soon, hasty};
use common::{config, encode_run, size};
use d264_double::Double;
use direct264::{Backend, Bitrate, Encoder, FailoverConfig, Order, open};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

/// Keeps every event as one line: `message name=value ...`.
struct Keeper;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("direct264")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let lines = &mut LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Takes what was logged since the last call and looks for a line of that level with all of these parts.
fn assert_logged(lines: &[(Level, String)], level: Level, parts: &[&str]) {
    let found = lines.iter().any(|(its, line)| *its == level && parts.iter().all(|part| line.contains(part)));
    assert!(found, "no {level} line with {parts:?} in {lines:#?}");
}

fn take() -> Vec<(Level, String)> {
    std::mem::take(&mut *LINES.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn what_happens_to_a_stream_is_logged_with_its_figures() {
    tracing::subscriber::set_global_default(Keeper).unwrap();
    let stage = Double::get().load();

    let mut live = Live::open(&hasty());
    assert_logged(&take(), Level::INFO, &["encoder selected", "backend=\"nvenc\"", "160x96", "open_ms="]);
    live.frames(1);
    assert_logged(&take(), Level::DEBUG, &["a frame's time", "frame=0", "total_us=", "wait_us=", "bytes="]);
    live.encoder.set_bitrate(Bitrate::from_kbps(200).unwrap()).unwrap();
    assert_logged(&take(), Level::DEBUG, &["bitrate changed", "from_bps=300000", "to_bps=200000"]);
    stage.set("FAULT=nvEncEncodePicture:1=20");
    live.frames(1);
    let lines = take();
    let parts = ["frame=1", "backend=\"nvenc\"", "to=\"openh264\"", "reason=\"driver_error\"", "returned 20"];
    assert_logged(&lines, Level::WARN, &parts);
    live.frames_until(Backend::Nvenc);
    assert_logged(&take(), Level::INFO, &["encoder restored", "backend=\"nvenc\""]);
    live.encoder.set_size(size(192, 112)).unwrap();
    assert_logged(&take(), Level::INFO, &["encoder set up anew", "size=192x112"]);
    drop(live);

    // What is there and fails is a warning.
    stage.set("SESSIONS=0");
    let refused = open(&hasty().failover(FailoverConfig::new().retry(None)), &Order::auto()).unwrap();
    drop(refused);
    let parts = ["encoder passed over", "reason=\"session_limit\"", "nvEncOpenEncodeSessionEx"];
    assert_logged(&take(), Level::WARN, &parts);
    // What is not there is none.
    stage.set("SESSIONS=\nFAULT=nvEncOpenEncodeSessionEx:*=1");
    let mut absent = open(&config(size(320, 240), 30, 500), &Order::auto()).unwrap().encoder;
    encode_run(&mut absent, 0, 1);
    let lines = take();
    assert_logged(&lines, Level::INFO, &["encoder passed over", "reason=\"no_encoder_on_gpu\""]);
    assert!(lines.iter().all(|(level, _)| *level != Level::WARN), "{lines:#?}");
    assert_clean_soon(&stage, "the log");
}
