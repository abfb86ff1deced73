//! The choice of a backend, and the reasons why better ones were passed over.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::num::NonZeroU8;

use common::{config, encode_run, size};
use direct264::error::ConfigError;
use direct264::units::OutOfRange;
use direct264::{Backend, BackendOrder, Encoder, Error, EventKind, Reason, open};

#[test]
fn auto_takes_openh264_where_there_is_no_nvenc_and_says_why() {
    let mut opened = open(&config(size(320, 240), 30, 500), &BackendOrder::auto()).unwrap();
    if opened.encoder.backend() == Backend::Nvenc {
        eprintln!("SKIPPED: this machine has NVENC");
        return;
    }
    assert_eq!(opened.passed_over.len(), 1);
    let why = &opened.passed_over[0];
    assert_eq!(why.backend, Backend::Nvenc);
    assert!(why.to_string().starts_with("nvenc: "), "{why}");
    assert_eq!(encode_run(&mut opened.encoder, 0, 3).len(), 3);
    assert!(opened.encoder.take_events().iter().any(|event| event.kind == EventKind::Selected));
}

#[test]
fn strict_nvenc_fails_with_the_typed_reason_where_there_is_none() {
    match open(&config(size(320, 240), 30, 500), &BackendOrder::only(Backend::Nvenc)) {
        Ok(opened) => assert_eq!(opened.encoder.backend(), Backend::Nvenc),
        Err(Error::Unavailable(why)) => {
            assert_eq!(why.backend, Backend::Nvenc);
            assert_ne!(why.reason, Reason::ByRequest);
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn strict_openh264_passes_nothing_over() {
    let opened = open(&config(size(320, 240), 30, 500), &BackendOrder::only(Backend::OpenH264)).unwrap();
    assert_eq!(opened.encoder.backend(), Backend::OpenH264);
    assert!(opened.passed_over.is_empty());
}

#[test]
fn an_order_is_a_word_or_a_list() {
    assert_eq!("auto".parse::<BackendOrder>().unwrap(), BackendOrder::default());
    assert_eq!("openh264".parse::<BackendOrder>().unwrap().backends(), [Backend::OpenH264]);
    assert_eq!(
        "NVENC".parse::<BackendOrder>().unwrap_err(),
        ConfigError::UnknownBackend { word: "NVENC".into() }
    );
    assert_eq!(BackendOrder::of([]).unwrap_err(), ConfigError::NoBackend);
    let reversed = BackendOrder::of([Backend::OpenH264, Backend::Nvenc]).unwrap();
    assert_eq!(reversed.backends(), [Backend::OpenH264, Backend::Nvenc]);
}

#[test]
fn settings_that_cannot_work_are_no_reason_to_try_the_next_backend() {
    let config = config(size(320, 240), 30, 500).max_size(size(160, 120));
    assert!(matches!(
        open(&config, &BackendOrder::auto()).unwrap_err(),
        Error::Config(ConfigError::MaxSize { .. })
    ));
}

#[test]
fn a_limit_of_the_backend_that_is_there_says_more_than_the_absence_of_another() {
    match open(&config(size(320, 240), 30, 500), &BackendOrder::only(Backend::Nvenc)) {
        Err(Error::Unavailable(why)) if why.reason.is_absence() => {}
        other => return eprintln!("SKIPPED: this machine has something of NVENC: {other:?}"),
    }
    let of = |config: &direct264::EncoderConfig| match open(config, &BackendOrder::auto()).unwrap_err() {
        Error::Config(error) => error,
        error => panic!("{error:?}"),
    };
    assert!(matches!(
        of(&config(size(8, 8), 30, 500)),
        ConfigError::OutOfRange(OutOfRange::Size { min_side: 16, .. })
    ));
    assert!(matches!(of(&config(size(7680, 4320), 30, 9_000)), ConfigError::Area { .. }));
    let threads = config(size(320, 240), 30, 500).threads(NonZeroU8::new(200));
    assert!(matches!(of(&threads), ConfigError::Threads { .. }), "{:?}", of(&threads));
}

#[test]
fn the_order_is_the_callers() {
    let order = BackendOrder::of([Backend::OpenH264, Backend::Nvenc]).unwrap();
    let opened = open(&config(size(320, 240), 30, 500), &order).unwrap();
    assert_eq!(opened.encoder.backend(), Backend::OpenH264);
    assert!(opened.passed_over.is_empty());
}

#[test]
fn every_reason_has_a_word_of_its_own_and_a_sentence() {
    let mut words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| !reason.sentence().is_empty() && !reason.as_str().contains(' ')));
}

#[test]
fn every_reason_that_nobody_chose_says_what_to_do() {
    for reason in Reason::ALL {
        assert_eq!(reason.advice().is_empty(), reason == Reason::ByRequest, "{reason}");
    }
    assert!(Reason::NoVideoCapability.advice().contains("NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"));
    assert!(Reason::NoEncoderOnGpu.advice().contains("H100"));
}

#[test]
fn what_is_absent_does_not_come_by_waiting() {
    let both = |reason: &&Reason| reason.is_absence() && reason.may_pass();
    assert_eq!(Reason::ALL.iter().filter(both).count(), 0);
    for (reason, is_absence, may_pass) in [
        (Reason::NoEncoderOnGpu, true, false),
        (Reason::SessionLimit, false, true),
        (Reason::DriverTooOld, false, false),
    ] {
        assert_eq!((reason.is_absence(), reason.may_pass()), (is_absence, may_pass), "{reason}");
    }
}
