//! Which GPUs a machine has, and which parts of a driver: what is found, and the reason where nothing is. Each in a
//! process of its own, since a driver is loaded and CUDA initialised once.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use common::{config, encode_run, size};
use d264_double::{Part, as_child_with};
use direct264::nvenc::{NvencEncoder, probe, probe_within};
use direct264::{CallForm, CallLimits, EncoderConfig, Error, GpuChoice, NvencConfig, Reason};

/// Runs the rest of a test in a process with this part of a driver and these GPUs.
fn on(part: Part, gpus: &str, test: &str, rest: impl FnOnce()) {
    with(part, ("GPUS", gpus), test, rest);
}

fn with(part: Part, setting: (&str, &str), test: &str, rest: impl FnOnce()) {
    match as_child_with(part, test, &[setting]) {
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
        }
        None => rest(),
    }
}

fn on_gpu(gpu: GpuChoice) -> EncoderConfig {
    config(size(320, 240), 30, 500).nvenc(NvencConfig::new().gpu(gpu))
}

fn refusal(config: &EncoderConfig) -> Reason {
    match NvencEncoder::new(config).unwrap_err() {
        Error::Unavailable(why) => why.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gpu_without_an_encoder_is_named_and_refused() {
    on(Part::All, "none:NVIDIA H200", "a_gpu_without_an_encoder_is_named_and_refused", || {
        assert_eq!(refusal(&on_gpu(GpuChoice::Any)), Reason::NoEncoderOnGpu);
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
fn a_machine_without_a_gpu_has_none() {
    on(Part::All, "", "a_machine_without_a_gpu_has_none", || {
        assert_eq!(refusal(&on_gpu(GpuChoice::Any)), Reason::NoGpu);
        let found = probe();
        assert!(found.gpus.is_empty() && found.api.is_some());
        assert_eq!(found.encoder().unwrap_err().reason, Reason::NoGpu);
    });
}

#[test]
fn a_container_without_the_encode_library_is_told_by_its_capability() {
    for part in [Part::CudaOnly, Part::JunkNvenc] {
        on(
            part,
            "nvenc:NVIDIA L4",
            "a_container_without_the_encode_library_is_told_by_its_capability",
            || {
                assert_eq!(refusal(&on_gpu(GpuChoice::Any)), Reason::NoVideoCapability);
                let found = probe();
                assert_eq!((found.gpus.len(), found.gpus[0].name.as_str()), (1, "NVIDIA L4"));
                assert_eq!(found.encoder().unwrap_err().reason, Reason::NoVideoCapability);
            },
        );
    }
}

#[test]
fn a_machine_without_cuda_has_no_driver() {
    for part in [Part::NvencOnly, Part::JunkCuda] {
        on(part, "", "a_machine_without_cuda_has_no_driver", || {
            assert_eq!(refusal(&on_gpu(GpuChoice::Any)), Reason::NoDriver);
            assert_eq!(probe().encoder().unwrap_err().reason, Reason::NoDriver);
        });
    }
}

#[test]
fn a_driver_that_hangs_from_the_first_call_on_holds_nobody_up() {
    let test = "a_driver_that_hangs_from_the_first_call_on_holds_nobody_up";
    with(Part::All, ("FAULT", "cuInit:1=hang"), test, || {
        let limit = Duration::from_millis(200);
        for _ in 0..2 {
            let found = probe_within(limit);
            assert_eq!(found.encoder().unwrap_err().reason, Reason::TimedOut);
            assert!(found.cuda.is_some() && found.api.is_some());
        }
        let bounded = CallForm::Bounded(CallLimits::DEFAULT.open(limit));
        assert_eq!(
            refusal(&config(size(320, 240), 30, 500).nvenc(NvencConfig::new().form(bounded))),
            Reason::TimedOut
        );
    });
}
