//! What a failure costs the caller in time: neither the end of what failed nor the attempts to have it back hold up a
//! frame, and a return that does not last makes the next wait longer.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::common::live::{Live, PATIENCE, eager, ms, patient};
use d264_double::Double;
use direct264::config::{BackOff, CallForm, CallLimits, FailoverConfig, NvencConfig};
use direct264::{Backend, EncoderConfig, Picture};

/// What the caller would wait if it waited for the driver. No healthy run does.
const LIMIT: Duration = Duration::from_secs(600);
/// A frame takes a millisecond or two, and on a busy machine some more.
const SOON: Duration = Duration::from_secs(60);

fn forms() -> [EncoderConfig; 2] {
    let limits = CallLimits::DEFAULT.open(LIMIT).first(LIMIT).rest(LIMIT);
    [CallForm::Bounded(limits), CallForm::Direct].map(|form| eager().nvenc(NvencConfig::new().form(form)))
}

#[test]
fn a_failed_session_that_hangs_at_its_end_does_not_hold_up_the_frame() {
    let stage = Double::get().load();
    for (form, config) in ["bounded", "direct"].into_iter().zip(forms()) {
        stage.reset();
        let mut live = Live::open(&config.failover(patient()));
        live.frames(2);
        stage.set("FAULT=nvEncEncodePicture:1=20;nvEncDestroyEncoder:1=hang");
        let start = Instant::now();
        let unit = live.frame(Picture::Auto);
        assert_eq!((unit.backend, unit.is_idr), (Backend::OpenH264, true));
        live.frames(3);
        let took = start.elapsed();
        assert!(took < SOON, "{took:?} of {LIMIT:?}: {form}");
        // It hangs still, unless it has not come to its end yet.
        let deadline = Instant::now() + PATIENCE;
        while stage.report().faults("nvEncDestroyEncoder") == 0 {
            assert!(Instant::now() < deadline, "never came to its end: {form}");
            std::thread::sleep(ms(1));
        }
        stage.set("FAULT=");
        drop(live);
        stage.assert_clean_soon("an end that hangs");
    }
}

#[test]
fn an_attempt_that_hangs_does_not_hold_up_the_frames() {
    let stage = Double::get().load();
    for config in forms() {
        stage.reset();
        let mut live = Live::open(&config);
        live.frames(2);
        stage.set("FAULT=nvEncEncodePicture:1=20;nvEncInitializeEncoder:*=hang");
        live.frames(1);
        let deadline = Instant::now() + PATIENCE;
        while stage.report().faults("nvEncInitializeEncoder") == 0 {
            assert!(Instant::now() < deadline, "was not tried again");
            std::thread::sleep(ms(1));
        }
        let start = Instant::now();
        for _ in 0..50 {
            assert_eq!(live.frame(Picture::Auto).backend, Backend::OpenH264);
        }
        let took = start.elapsed();
        assert!(took < SOON, "{took:?} for 50 frames, {LIMIT:?} for the attempt");
        stage.set("FAULT=");
        live.frames_until(Backend::Nvenc);
        live.end().assert_whole("an attempt that hangs");
        stage.assert_clean_soon("an attempt that hangs");
    }
}

#[test]
fn a_failure_soon_after_a_return_makes_the_next_wait_twice_as_long() {
    let stage = Double::get().load();
    let back_off = BackOff::new(ms(300), Duration::from_secs(3_600)).unwrap();
    let mut live = Live::open(&eager().failover(FailoverConfig::new().retry(Some(back_off))));
    for wait in [ms(300), ms(600)] {
        live.frames(2);
        stage.set("FAULT=nvEncEncodePicture:1=20");
        let failed = Instant::now();
        assert_eq!(live.frame(Picture::Auto).backend, Backend::OpenH264);
        live.frames_until(Backend::Nvenc);
        let waited = failed.elapsed();
        assert!(waited >= wait, "came back after {waited:?}");
    }
    drop(live);
    stage.assert_clean_soon("two failures");
}
