//! Which GPUs a machine has, and which parts of a driver: what is found, and the reason where nothing is. Each in a
//! process of its own, since a driver is loaded and CUDA initialised once.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::common::device::{self, Device, DevicePicture};
use crate::common::live::PATIENCE;
use crate::common::{LIMITS, config, encode_run, picture, size, unhurried, within};
use d264_double::{Double, Part, passed_as_child_with};
use direct264::config::{BackOff, FailoverConfig, GpuChoice};
use direct264::error::{FrameError, Unavailable};
use direct264::nvenc::{NvencEncoder, probe, probe_within};
use direct264::openh264::OpenH264Encoder;
use direct264::{Backend, BackendOrder, Encoder, EncoderConfig, Error, Picture, PixelFormat, Reason};

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

/// A machine of which the first GPU and one between have no encoder.
const MIXED: &str = "none:NVIDIA A100,nvenc:NVIDIA L4,none:NVIDIA H100,nvenc:NVIDIA T4,nvenc:NVIDIA L40S";

#[test]
fn encoders_spread_over_the_gpus_that_can_and_fill_the_gaps_that_others_leave() {
    let test = "encoders_spread_over_the_gpus_that_can_and_fill_the_gaps_that_others_leave";
    on(Part::All, MIXED, test, || {
        let open = || NvencEncoder::new(&on_gpu(GpuChoice::Spread)).unwrap();
        let mut encoders: Vec<NvencEncoder> = (0..7).map(|_| open()).collect();
        let gpus =
            |encoders: &[NvencEncoder]| encoders.iter().map(NvencEncoder::gpu_index).collect::<Vec<_>>();
        assert_eq!(gpus(&encoders), [1, 3, 4, 1, 3, 4, 1]);
        for encoder in &mut encoders {
            encode_run(encoder, 0, 2);
        }
        // Two leave GPU 3, which then has the fewest.
        encoders.retain(|encoder| encoder.gpu_index() != 3);
        encoders.extend([open(), open()]);
        assert_eq!(gpus(&encoders[5..]), [3, 3]);
        // Those that name their GPU count too.
        let named: Vec<_> =
            (0..2).map(|_| NvencEncoder::new(&on_gpu(GpuChoice::Index(4))).unwrap()).collect();
        encoders.extend([open(), open(), open()]);
        assert_eq!(gpus(&encoders[7..]), [3, 1, 3]);
        drop((encoders, named));
        Double::get().load().report().assert_clean("spread encoders");
    });
}

#[test]
fn many_threads_that_open_at_once_spread_evenly() {
    on(Part::All, MIXED, "many_threads_that_open_at_once_spread_evenly", || {
        let open = || NvencEncoder::new(&on_gpu(GpuChoice::Spread)).unwrap();
        let encoders: Vec<NvencEncoder> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..9).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let on = |gpu: u32| encoders.iter().filter(|encoder| encoder.gpu_index() == gpu).count();
        // A thread that finds a GPU without an encoder holds its place there while it asks, and no other.
        assert_eq!([1, 3, 4].map(on), [3, 3, 3]);
    });
}

#[test]
fn a_gpu_whose_sessions_are_all_taken_is_passed_over_for_the_next() {
    let test = "a_gpu_whose_sessions_are_all_taken_is_passed_over_for_the_next";
    on(Part::All, MIXED, test, || {
        let stage = Double::get().load();
        stage.set("GPU_SESSIONS=2");
        for choice in [GpuChoice::Spread, GpuChoice::Any] {
            let mut encoders: Vec<NvencEncoder> =
                (0..6).map(|_| NvencEncoder::new(&on_gpu(choice)).unwrap()).collect();
            let gpus: Vec<u32> = encoders.iter().map(NvencEncoder::gpu_index).collect();
            match choice {
                GpuChoice::Spread => assert_eq!(gpus, [1, 3, 4, 1, 3, 4]),
                _ => assert_eq!(gpus, [1, 1, 3, 3, 4, 4]),
            }
            let why = why_not(&on_gpu(choice));
            assert_eq!(why.reason, Reason::SessionLimit);
            assert!(why.detail.ends_with(" on GPU 1 (NVIDIA L4), where this process has 2"), "{why}");
            // Another process may have sessions there that this one knows nothing of.
            drop(encoders.remove(1));
            stage.set("GPU_SESSIONS=1");
            assert_eq!(refusal(&on_gpu(choice)), Reason::SessionLimit);
            let why = why_not(&on_gpu(GpuChoice::Index(gpus[1])));
            assert!(why.detail.ends_with(", where this process has 1"), "{why}");
            stage.set("GPU_SESSIONS=2");
            assert_eq!(NvencEncoder::new(&on_gpu(choice)).unwrap().gpu_index(), gpus[1]);
        }
        stage.report().assert_clean("limits on each GPU");
    });
}

#[test]
fn a_stream_that_spreads_returns_to_whichever_gpu_has_room() {
    let test = "a_stream_that_spreads_returns_to_whichever_gpu_has_room";
    on(Part::All, "nvenc:NVIDIA L4,none:NVIDIA H100,nvenc:NVIDIA T4", test, || {
        let stage = Double::get().load();
        stage.set("GPU_SESSIONS=1");
        let soon = BackOff::new(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
        let config = on_gpu(GpuChoice::Spread).failover(FailoverConfig::new().retry(Some(soon)));
        let open = || direct264::open(&config, &BackendOrder::auto()).unwrap().encoder;
        let (mut first, mut second, mut third) = (open(), open(), open());
        assert_eq!(
            [&first, &second, &third].map(|one| one.backend()),
            [Backend::Nvenc, Backend::Nvenc, Backend::OpenH264]
        );
        for encoder in [&mut first, &mut second, &mut third] {
            encode_run(encoder, 0, 2);
        }
        // The one on the second GPU ends, and the third stream takes its place.
        drop(second);
        let deadline = Instant::now() + PATIENCE;
        let mut number = 2;
        while third.backend() != Backend::Nvenc {
            assert!(Instant::now() < deadline, "never came to a GPU");
            encode_run(&mut third, number, 1);
            number += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        encode_run(&mut first, 2, 2);
        drop((first, third));
        stage.assert_clean_soon("a stream that returns to another GPU");
    });
}

#[test]
fn a_frame_on_another_gpu_than_the_encoder_is_refused_in_words_and_software_reads_it_anywhere() {
    let test = "a_frame_on_another_gpu_than_the_encoder_is_refused_in_words_and_software_reads_it_anywhere";
    on(Part::All, "nvenc:NVIDIA L4,none:NVIDIA H100,nvenc:NVIDIA T4", test, || {
        let stage = Double::get().load();
        let size = size(320, 240);
        let pixels = device::nv12(size, &picture::Camera::new(size).i420(0));
        let devices = [0, 1, 2].map(Device::on);
        let pictures = devices
            .each_ref()
            .map(|device| DevicePicture::written(device, size, PixelFormat::Nv12, 512, &pixels));
        for (gpu, others) in [(0, [1, 2]), (2, [0, 1])] {
            let config = on_gpu(GpuChoice::Index(gpu));
            let failover = direct264::open(&config, &BackendOrder::auto()).unwrap().encoder;
            let encoders: [Box<dyn Encoder>; 2] =
                [Box::new(NvencEncoder::new(&config).unwrap()), Box::new(failover)];
            for mut encoder in encoders {
                for other in others {
                    match encoder.encode(&pictures[other].frame(0), Picture::Auto) {
                        Err(Error::Frame(error)) => {
                            let expected = FrameError::OtherGpu { frame: other as i32, encoder: gpu as i32 };
                            assert_eq!(error, expected);
                            let words = error.to_string();
                            assert!(words.contains(&format!("on GPU {other}")), "{words}");
                            assert!(words.contains(&format!("on GPU {gpu}")), "{words}");
                        }
                        other => panic!("{:?}", other.map(|unit| unit.bytes.len())),
                    }
                }
                assert!(encoder.encode(&pictures[gpu as usize].frame(1), Picture::Auto).unwrap().is_idr);
                assert_eq!(encoder.backend(), Backend::Nvenc);
                encoder.forget_cuda(None).unwrap();
            }
        }
        let mut software = OpenH264Encoder::new(&on_gpu(GpuChoice::Any)).unwrap();
        for (picture, number) in pictures.iter().zip(0..) {
            software.encode(&picture.frame(number), Picture::Auto).unwrap();
        }
        drop((software, pictures, devices));
        stage.report().assert_clean("frames on several GPUs");
    });
}

/// Any GPU is as good, so one that hangs is not the one to wait for.
#[test]
fn where_a_gpu_hangs_the_next_attempt_is_made_on_another_one() {
    let test = "where_a_gpu_hangs_the_next_attempt_is_made_on_another_one";
    on(Part::All, "nvenc:NVIDIA L4,nvenc:NVIDIA T4", test, || {
        let stage = Double::get().load();
        let soon = BackOff::new(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
        let any = on_gpu(GpuChoice::Any).nvenc(within(LIMITS.open(Duration::from_millis(800))));
        stage.set("FAULT=nvEncInitializeEncoder:1=hang");
        let opened = direct264::open(
            &any.clone().failover(FailoverConfig::new().retry(Some(soon))),
            &BackendOrder::auto(),
        )
        .unwrap();
        let why = &opened.passed_over[0];
        assert_eq!(why.reason, Reason::TimedOut);
        assert!(why.detail.contains("nvEncInitializeEncoder") && why.detail.ends_with(" on GPU 0"), "{why}");

        let mut encoder = opened.encoder;
        let deadline = Instant::now() + PATIENCE;
        let mut number = 0;
        while encoder.backend() != Backend::Nvenc {
            assert!(Instant::now() < deadline, "never came to a GPU");
            encode_run(&mut encoder, number, 1);
            number += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        // Only an encoder on the other GPU reads from there.
        let device = Device::on(1);
        let pixels = device::nv12(encoder.size(), &picture::Camera::new(encoder.size()).i420(0));
        let elsewhere = DevicePicture::written(&device, encoder.size(), PixelFormat::Nv12, 512, &pixels);
        assert_eq!(
            encoder.encode(&elsewhere.frame(9), Picture::Auto).unwrap().backend,
            Backend::Nvenc,
            "the stream came to GPU 1"
        );
        encoder.forget_cuda(None).unwrap();
        drop((elsewhere, device));

        let gpu = || NvencEncoder::new(&any).unwrap().gpu_index();
        assert_eq!(gpu(), 1);
        // It answers again, and is the first again.
        stage.set("FAULT=");
        let deadline = Instant::now() + PATIENCE;
        while gpu() != 0 {
            assert!(Instant::now() < deadline, "GPU 0 is never tried again");
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(encoder);
        stage.assert_clean_soon("a GPU that hung");
    });
}

/// The encoder that is ready is kept for the next frame that it can read.
#[test]
fn a_frame_of_another_gpu_does_not_keep_a_stream_in_software() {
    let test = "a_frame_of_another_gpu_does_not_keep_a_stream_in_software";
    on(Part::All, "nvenc:NVIDIA L4,none:NVIDIA H100", test, || {
        let stage = Double::get().load();
        stage.set("CAPS=WIDTH_MAX=320,HEIGHT_MAX=240");
        let soon = BackOff::new(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
        let small = size(160, 96);
        let device = Device::on(1);
        let pixels = device::nv12(small, &picture::Camera::new(small).i420(0));
        let elsewhere = DevicePicture::written(&device, small, PixelFormat::Nv12, 256, &pixels);
        // Left for a size that it does not take, and for a failure.
        for is_for_size in [true, false] {
            let config = config(small, 30, 300).failover(FailoverConfig::new().retry(Some(soon)));
            let mut encoder = direct264::open(&config, &BackendOrder::auto()).unwrap().encoder;
            encode_run(&mut encoder, 0, 2);
            let encoded = || stage.report().calls("nvEncUnlockBitstream");
            let before = encoded();
            if is_for_size {
                encoder.set_size(size(400, 96)).unwrap();
                encode_run(&mut encoder, 2, 1);
                encoder.set_size(small).unwrap();
            } else {
                stage.set("FAULT=nvEncEncodePicture:1=20");
                encode_run(&mut encoder, 2, 1);
            }
            assert_eq!(encoder.backend(), Backend::OpenH264);
            // The hardware is ready as soon as it has encoded a picture of its own.
            let deadline = Instant::now() + PATIENCE;
            while encoded() == before {
                assert!(Instant::now() < deadline, "was not tried again");
                std::thread::sleep(Duration::from_millis(1));
            }
            let opened = stage.report().calls("nvEncOpenEncodeSessionEx");
            for number in 3..23 {
                let unit = encoder.encode(&elsewhere.frame(number), Picture::Auto).unwrap();
                assert_eq!(unit.backend, Backend::OpenH264);
                std::thread::sleep(Duration::from_millis(5));
            }
            let deadline = Instant::now() + PATIENCE;
            let unit = loop {
                let unit = encode_run(&mut encoder, 23, 1).remove(0);
                if unit.backend == Backend::Nvenc {
                    break unit;
                }
                assert!(Instant::now() < deadline, "never came back");
                std::thread::sleep(Duration::from_millis(2));
            };
            assert!(unit.is_idr);
            assert_eq!(stage.report().calls("nvEncOpenEncodeSessionEx"), opened, "what was found is kept");
        }
        drop((elsewhere, device));
        stage.assert_clean_soon("frames of another GPU at a return");
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
            Error::Driver(why) => assert_eq!(why.advice(), "pass a live CUDA context"),
            other => panic!("{other:?}"),
        }
    });
}

/// What a stream whose frames are made by CUDA gets where no GPU encodes: software, and the very bytes that the same
/// pictures in host memory give there.
fn in_software_from_device_memory(reason: Reason) {
    // A driver is looked for once. The stage loads all of it, also what this process has not got.
    assert_eq!(probe().encoder().unwrap_err().reason, reason);
    let stage = Double::get().load();
    let size = size(320, 240);
    let open = || direct264::open(&on_gpu(GpuChoice::Any), &BackendOrder::auto()).unwrap();
    let (mut host, opened) = (open().encoder, open());
    let passed_over: Vec<_> = opened.passed_over.iter().map(|why| (why.backend, why.reason)).collect();
    assert_eq!(passed_over, [(Backend::Nvenc, reason)]);
    let mut encoder = opened.encoder;
    let device = Device::new();
    let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
    let camera = picture::Camera::new(size);
    for number in 0..6 {
        let pixels = device::nv12(size, &camera.i420(number));
        place.write(&device, &pixels);
        let timestamp = direct264::Timestamp(i64::from(number));
        let frame = direct264::Frame::contiguous(size, PixelFormat::Nv12, &pixels, timestamp).unwrap();
        let expected = host.encode(&frame, Picture::Auto).unwrap();
        let unit = encoder.encode(&place.frame(i64::from(number)), Picture::Auto).unwrap();
        assert_eq!(unit.backend, Backend::OpenH264);
        assert!(unit.bytes == expected.bytes, "frame {number}");
    }
    encoder.forget_cuda(None).unwrap();
    drop((host, encoder, place, device));
    stage.report().assert_clean("frames on a GPU that does not encode");
}

#[test]
fn frames_on_a_gpu_without_an_encoder_are_encoded_in_software() {
    let test = "frames_on_a_gpu_without_an_encoder_are_encoded_in_software";
    on(Part::All, "none:NVIDIA H100", test, || in_software_from_device_memory(Reason::NoEncoderOnGpu));
}

#[test]
fn frames_on_a_gpu_whose_encode_library_is_missing_are_encoded_in_software() {
    let test = "frames_on_a_gpu_whose_encode_library_is_missing_are_encoded_in_software";
    on(Part::CudaOnly, "nvenc:NVIDIA H100", test, || {
        in_software_from_device_memory(Reason::NoVideoCapability);
    });
}
