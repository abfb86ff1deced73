//! A stopped process and a hanging driver are told apart: the first costs no fallback, the second its limit.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::process::{Child, Command};
use std::time::Instant;

use common::config;
use common::live::{Live, fallbacks, ms, patient, small};
use d264_double::{Double, Stage, passed_as_child, threads};
use direct264::config::{CallForm, CallLimits, NvencConfig};
use direct264::{Backend, EncoderConfig, Picture, Reason};

/// A limit shorter than a stop.
const SHORT: CallLimits = CallLimits::DEFAULT.rest(ms(100));

fn opened(limits: CallLimits) -> (Stage, Live) {
    let stage = Double::get().load();
    let nvenc = NvencConfig::new().form(CallForm::Bounded(limits));
    let wanted: EncoderConfig = config(small(), 30, 300).nvenc(nvenc).failover(patient());
    let mut live = Live::open(&wanted);
    live.frames(3);
    (stage, live)
}

/// Stops this process for 150 ms, so many times.
fn stops(times: u32) -> Child {
    let script = "for _ in $(seq $1); do sleep 0.25; kill -STOP $0; sleep 0.15; kill -CONT $0; done";
    let this = std::process::id().to_string();
    Command::new("sh").args(["-c", script, &this, &times.to_string()]).spawn().unwrap()
}

#[test]
fn a_process_that_is_stopped_takes_no_driver_for_one_that_hangs() {
    if passed_as_child("a_process_that_is_stopped_takes_no_driver_for_one_that_hangs", &[]) {
        return;
    }
    let (stage, mut live) = opened(SHORT);
    // Most of the time a call is under way.
    stage.set("FAULT=nvEncLockBitstream:*=hang20");
    let mut stops = stops(8);
    let start = Instant::now();
    for number in 0..120 {
        live.frame(Picture::Auto);
        std::thread::sleep((ms(30) * number).saturating_sub(start.elapsed()));
    }
    assert!(stops.wait().unwrap().success());
    assert_eq!(fallbacks(&live.events), []);
    assert!(live.units.iter().all(|unit| unit.backend == Backend::Nvenc));
    let stalled = live.units.iter().filter(|unit| unit.times.total > SHORT.rest).count();
    assert!(stalled > 0, "no stop fell into a call");
    stage.set("FAULT=");
    live.end().assert_whole("a process that is stopped");
    stage.assert_clean_soon("a process that is stopped");
}

#[test]
fn a_driver_that_hangs_is_found_out_by_a_process_that_is_stopped_too() {
    if passed_as_child("a_driver_that_hangs_is_found_out_by_a_process_that_is_stopped_too", &[]) {
        return;
    }
    for (times, limits) in [(0, CallLimits::DEFAULT), (0, SHORT), (8, SHORT)] {
        let (stage, mut live) = opened(limits);
        stage.set("FAULT=nvEncLockBitstream:1=hang5000");
        let mut stops = stops(times);
        let unit = live.frame(Picture::Auto);
        assert_eq!(unit.backend, Backend::OpenH264);
        assert!(unit.times.total >= limits.rest);
        assert_eq!(fallbacks(&live.events), [Reason::TimedOut]);
        assert!(threads().iter().any(|thread| thread == "direct264-nvenc"), "the call came back before");
        assert!(stops.wait().unwrap().success());
        stage.set("FAULT=");
        drop(live);
        stage.assert_clean_soon("a driver that hangs");
    }
}
