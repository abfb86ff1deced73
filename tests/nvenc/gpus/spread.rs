//! Several GPUs: sessions spread over them, and full or hanging GPUs are passed over.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{on, on_gpu, refusal, why_not};
use crate::common::device::{self, Device, DevicePicture};
use crate::common::live::PATIENCE;
use crate::common::{LIMITS, encode_run, picture, within};
use d264_double::{Double, Part};
use direct264::config::{BackOff, FailoverConfig, GpuChoice};
use direct264::nvenc::NvencEncoder;
use direct264::{Backend, BackendOrder, Encoder, Picture, PixelFormat, Reason};

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
            assert!(why.detail.ends_with(" on GPU 1 (NVIDIA L4), where this process has 2 open"), "{why}");
            // Another process may have sessions there that this one knows nothing of.
            drop(encoders.remove(1));
            stage.set("GPU_SESSIONS=1");
            assert_eq!(refusal(&on_gpu(choice)), Reason::SessionLimit);
            let why = why_not(&on_gpu(GpuChoice::Index(gpus[1])));
            assert!(why.detail.ends_with(", where this process has 1 open"), "{why}");
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
