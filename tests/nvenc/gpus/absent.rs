//! Machines that lack a GPU, the encode library or CUDA: the reason, and the advice for each status.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use super::{on, on_gpu, refusal, why_not, with};
use crate::common::{LIMITS, config, size, within};
use d264_double::{Double, Part};
use direct264::config::GpuChoice;
use direct264::nvenc::{NvencEncoder, probe, probe_within};
use direct264::{Error, Reason};

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

/// A process that encodes in software forks as it likes, and a hanging driver holds it up no more than a missing one.
#[test]
fn a_missing_encode_library_is_told_without_initialising_cuda() {
    let test = "a_missing_encode_library_is_told_without_initialising_cuda";
    with(Part::CudaOnly, ("FAULT", "cuInit:*=hang"), test, || {
        let limit = Duration::from_secs(5);
        let bounded = config(size(320, 240), 30, 500).nvenc(within(LIMITS.open(limit)));
        let why = why_not(&bounded);
        assert_eq!(why.reason, Reason::NoVideoCapability);
        // The tests run on no Jetson.
        assert!(why.advice().contains("container"), "{}", why.advice());
    });
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
        let limit = Duration::from_millis(500);
        for _ in 0..2 {
            let found = probe_within(limit);
            assert_eq!(found.encoder().unwrap_err().reason, Reason::TimedOut);
            assert!(found.cuda.is_some() && found.api.is_some());
        }
        let bounded = config(size(320, 240), 30, 500).nvenc(within(LIMITS.open(limit)));
        assert_eq!(refusal(&bounded), Reason::TimedOut);
    });
}

/// The reason is the same for several statuses, and what helps is not.
#[test]
fn what_to_do_is_told_for_the_very_status_of_cuinit() {
    let test = "what_to_do_is_told_for_the_very_status_of_cuinit";
    for fault in ["cuInit:1=100", "cuInit:1=802", "cuInit:1=803"] {
        with(Part::All, ("FAULT", fault), test, || {
            let why = why_not(&on_gpu(GpuChoice::Any));
            assert_eq!(why.reason, Reason::NoGpu, "{why}");
            let advice = match () {
                () if why.detail.contains("(100)") => "that the container was given one",
                () if why.detail.contains("(802)") => "start the NVIDIA services",
                () if why.detail.contains("(803)") => "after an update, reboot",
                () => panic!("{why}"),
            };
            assert!(why.advice().contains(advice), "{why}; {}", why.advice());
            assert_eq!(probe().encoder().unwrap_err().advice(), why.advice());
        });
    }
}

#[test]
fn what_to_do_is_told_for_the_very_status_of_an_opening() {
    let test = "what_to_do_is_told_for_the_very_status_of_an_opening";
    on(Part::All, "nvenc:NVIDIA L4", test, || {
        let stage = Double::get().load();
        for (status, reason, advice) in [
            (1, Reason::NoEncoderOnGpu, "use another GPU"),
            (2, Reason::NoEncoderOnGpu, "in a container, hand in every GPU of the host"),
            (10, Reason::SessionLimit, "free GPU memory"),
            (21, Reason::SessionLimit, "close other encoders"),
        ] {
            stage.set(&format!("FAULT=nvEncOpenEncodeSessionEx:1={status}"));
            let why = why_not(&on_gpu(GpuChoice::Any));
            assert_eq!(why.reason, reason, "{why}");
            assert!(why.advice().contains(advice), "{status}: {}", why.advice());
            stage.reset();
            stage.set(&format!("FAULT=nvEncOpenEncodeSessionEx:1={status}"));
            let found = probe();
            let why = found.encoder().unwrap_err();
            assert!(why.advice().contains(advice), "{status}: {}", why.advice());
            stage.reset();
        }
        // A refusal that has no reason of its own.
        stage.set("FAULT=nvEncOpenEncodeSessionEx:1=4");
        match NvencEncoder::new(&on_gpu(GpuChoice::Any)).unwrap_err() {
            Error::Driver(why) => assert_eq!(why.advice(), Reason::DriverError.advice()),
            other => panic!("{other:?}"),
        }
    });
}
