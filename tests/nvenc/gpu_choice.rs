//! Several GPUs: the choice of the one that encodes, and the words for GPUs without an encoder. Each test runs in a
//! process of its own, since a driver lists its GPUs once.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use crate::common::{config, encode_run, size, unhurried};
use d264_double::as_child;
use direct264::config::{GpuChoice, GpuUuid};
use direct264::nvenc::NvencEncoder;
use direct264::{Backend, BackendOrder, Encoder, EncoderConfig, Error, Reason, open};

fn on(gpu: GpuChoice) -> EncoderConfig {
    config(size(320, 240), 30, 500).nvenc(unhurried().gpu(gpu))
}

/// Runs a test as a child with these GPUs; false in the child.
fn ran_with(gpus: &str, test: &str) -> bool {
    let Some(output) = as_child(test, &[("GPUS", gpus)]) else { return false };
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn a_gpu_without_an_encoder_is_stepped_over() {
    if ran_with(
        "none:NVIDIA H100,nvenc:NVIDIA L4,nvenc:NVIDIA L4",
        "a_gpu_without_an_encoder_is_stepped_over",
    ) {
        return;
    }
    let first = NvencEncoder::new(&on(GpuChoice::Any)).unwrap();
    assert_eq!((first.gpu_index(), first.gpu_name()), (1, "NVIDIA L4"));
    let last = NvencEncoder::new(&on(GpuChoice::Index(2))).unwrap();
    let uuid = last.gpu_uuid().unwrap();
    assert_eq!(NvencEncoder::new(&on(GpuChoice::Uuid(uuid))).unwrap().gpu_index(), 2);

    let mut opened = open(&on(GpuChoice::Any), &BackendOrder::auto()).unwrap();
    assert_eq!(opened.encoder.backend(), Backend::Nvenc);
    assert!(opened.passed_over.is_empty());
    assert_eq!(encode_run(&mut opened.encoder, 0, 2).len(), 2);
}

#[test]
fn a_gpu_that_is_named_and_cannot_is_passed_over_with_the_reason() {
    let name = "a_gpu_that_is_named_and_cannot_is_passed_over_with_the_reason";
    if ran_with("none:NVIDIA H100,nvenc:NVIDIA L4", name) {
        return;
    }
    for (gpu, reason) in [
        (GpuChoice::Index(0), Reason::NoEncoderOnGpu),
        (GpuChoice::Index(7), Reason::NoGpu),
        (GpuChoice::Uuid(GpuUuid([9; 16])), Reason::NoGpu),
    ] {
        let opened = open(&on(gpu), &BackendOrder::auto()).unwrap();
        assert_eq!(opened.encoder.backend(), Backend::OpenH264);
        assert_eq!(opened.passed_over[0].reason, reason, "{gpu}: {}", opened.passed_over[0]);
        assert!(!reason.advice().is_empty());
        if reason == Reason::NoEncoderOnGpu {
            let detail = &opened.passed_over[0].detail;
            assert!(detail.ends_with(" on GPU 0 (NVIDIA H100)"), "{detail}");
        }
        match open(&on(gpu), &BackendOrder::only(Backend::Nvenc)).unwrap_err() {
            Error::Unavailable(why) => assert_eq!(why.reason, reason),
            other => panic!("{other:?}"),
        }
    }
}
