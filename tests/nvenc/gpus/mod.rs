//! Several GPUs, of which some have no encoder: the choice of one, and the reason for a refusal. Each test runs in a
//! process of its own, since a process loads the driver and initialises CUDA once.
#![allow(clippy::panic, clippy::unwrap_used)]

mod absent;
mod device_memory;
mod spread;

use crate::common::{config, encode_run, size, unhurried};
use d264_double::{Part, passed_as_child_with};
use direct264::config::GpuChoice;
use direct264::error::Unavailable;
use direct264::nvenc::{NvencEncoder, probe};
use direct264::{EncoderConfig, Error, Reason};

/// Runs the rest of a test in a process with this part of a driver and these GPUs.
fn on(part: Part, gpus: &str, test: &str, rest: impl FnOnce()) {
    with(part, ("GPUS", gpus), test, rest);
}

fn with(part: Part, setting: (&str, &str), test: &str, rest: impl FnOnce()) {
    if !passed_as_child_with(part, test, &[setting]) {
        rest();
    }
}

fn on_gpu(gpu: GpuChoice) -> EncoderConfig {
    config(size(320, 240), 30, 500).nvenc(unhurried().gpu(gpu))
}

fn refusal(config: &EncoderConfig) -> Reason {
    why_not(config).reason
}

fn why_not(config: &EncoderConfig) -> Unavailable {
    match NvencEncoder::new(config).unwrap_err() {
        Error::Unavailable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gpu_without_an_encoder_is_named_and_refused() {
    on(Part::All, "none:NVIDIA H200", "a_gpu_without_an_encoder_is_named_and_refused", || {
        let why = why_not(&on_gpu(GpuChoice::Any));
        assert_eq!(why.reason, Reason::NoEncoderOnGpu);
        assert!(why.detail.ends_with(" on GPU 0 (NVIDIA H200)"), "{why}");
        let found = probe();
        assert_eq!((found.gpus.len(), found.gpus[0].name.as_str()), (1, "NVIDIA H200"));
        assert_eq!(found.encoder().unwrap_err().reason, Reason::NoEncoderOnGpu);
    });
}

#[test]
fn of_several_gpus_the_first_with_an_encoder_is_taken_and_any_can_be_asked_for() {
    let test = "of_several_gpus_the_first_with_an_encoder_is_taken_and_any_can_be_asked_for";
    on(Part::All, "none:NVIDIA A100,nvenc:NVIDIA L4,nvenc:NVIDIA T4", test, || {
        let mut encoder = NvencEncoder::new(&on_gpu(GpuChoice::Any)).unwrap();
        assert_eq!((encoder.gpu_index(), encoder.gpu_name()), (1, "NVIDIA L4"));
        encode_run(&mut encoder, 0, 2);
        let mut other = NvencEncoder::new(&on_gpu(GpuChoice::Index(2))).unwrap();
        assert_eq!(other.gpu_name(), "NVIDIA T4");
        let uuid = other.gpu_uuid().unwrap();
        assert!(encoder.gpu_uuid() != Some(uuid));
        assert_eq!(NvencEncoder::new(&on_gpu(GpuChoice::Uuid(uuid))).unwrap().gpu_index(), 2);
        encode_run(&mut other, 0, 2);
        encode_run(&mut encoder, 2, 2);
        assert_eq!(refusal(&on_gpu(GpuChoice::Index(0))), Reason::NoEncoderOnGpu);
        let found = probe();
        let can: Vec<bool> = found.gpus.iter().map(|gpu| gpu.encoder.is_ok()).collect();
        assert_eq!(can, [false, true, true]);
        assert_eq!(found.encoder().unwrap().0.index, 1);
    });
}

#[test]
fn a_name_decides_nothing() {
    on(Part::All, "none:NVIDIA L4,nvenc:NVIDIA H100", "a_name_decides_nothing", || {
        let can: Vec<bool> = probe().gpus.iter().map(|gpu| gpu.encoder.is_ok()).collect();
        assert_eq!(can, [false, true]);
        assert_eq!(NvencEncoder::new(&on_gpu(GpuChoice::Any)).unwrap().gpu_name(), "NVIDIA H100");
        assert_eq!(refusal(&on_gpu(GpuChoice::Index(0))), Reason::NoEncoderOnGpu);
    });
}
