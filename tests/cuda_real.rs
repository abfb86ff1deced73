//! Frames that cudarc makes on a real NVIDIA GPU, with an encoder or without (as H100 and H200). The test prints the
//! backend of `open` and the cost of fetching a frame. The access units must equal those of the same frames from host
//! memory.
//!
//! On a machine with a GPU and its driver: `cargo test --release --features cudarc --test cuda_real -- --nocapture`.
//!
//! For a GPU on another machine, `cargo test --release --features cudarc --test cuda_real --no-run` prints the path of
//! the program. The program needs only the C and C++ libraries; copy it (`strip` makes it small) and run it with
//! `--nocapture`.
//!
//! Without a GPU, or on the driver double, the test says SKIPPED and why.
#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::Write;
use std::time::Duration;

use common::device::{self, Device, DevicePicture};
use common::{config, decode, picture, size};
use cudarc::driver::{CudaSlice, DevicePtr, result};
use direct264::config::{CallForm, FailoverConfig, GpuChoice, NvencConfig};
use direct264::frame::CudaImage;
use direct264::nvenc::{Gpu, probe};
use direct264::{
    Backend, BackendOrder, Encoder, EncoderConfig, FailoverEncoder, Frame, FrameSize, Picture, PixelFormat,
    Reason, Timestamp, open,
};

/// Long enough for a percentile.
const FRAMES: u32 = 120;

fn skipped(why: &str) {
    // Straight to the handle: what goes through the macros is shown for failing tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED frames on a real GPU: {why}");
}

/// Where the CUDA driver of this process was loaded from.
fn libcuda() -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| &line[start..]));
    let is_it = |path: &&str| path.contains("/libcuda.so") || path.contains("double_cuda");
    paths.map(str::trim).find(is_it).map(str::to_owned)
}

#[test]
fn what_cudarc_makes_on_a_real_gpu_is_encoded_as_the_same_frames_from_the_host_are() {
    let found = probe();
    let Some(libcuda) = libcuda() else { return skipped("libcuda.so.1 does not load here") };
    if libcuda.contains("double") {
        return skipped(&format!("{libcuda} is the driver double: take it out of LD_LIBRARY_PATH"));
    }
    if found.gpus.is_empty() {
        let why = found.encoder().map_or_else(ToString::to_string, |_| String::new());
        return skipped(&format!("{libcuda} lists no GPU: {why}"));
    }
    for gpu in &found.gpus {
        let encoder = gpu.encoder.as_ref().map_or_else(ToString::to_string, |_| "an encoder".to_owned());
        println!("GPU {} ({}), {libcuda}: {encoder}", gpu.index, gpu.name);
        for size in [size(1280, 720), size(1920, 1080), size(642, 362)] {
            on_gpu(gpu, size);
        }
    }
}

/// The backend that frames on this GPU come to, and why it is not NVENC.
fn expected(gpu: &Gpu) -> (Backend, Vec<(Backend, Reason)>) {
    match &gpu.encoder {
        Ok(_) => (Backend::Nvenc, Vec::new()),
        Err(why) => (Backend::OpenH264, vec![(Backend::Nvenc, why.reason)]),
    }
}

fn on_gpu(gpu: &Gpu, size: FrameSize) {
    let camera = picture::Camera::new(size);
    let i420: Vec<Vec<u8>> = (0..FRAMES).map(|number| camera.i420(number)).collect();
    let pictures: Vec<Vec<u8>> = i420.iter().map(|pixels| device::nv12(size, pixels)).collect();
    let orders = match &gpu.encoder {
        Ok(_) => vec![BackendOrder::auto(), "openh264".parse().unwrap()],
        Err(_) => vec![BackendOrder::auto()],
    };
    for (form, name) in [(CallForm::default(), "bounded"), (CallForm::Direct, "direct")] {
        let nvenc = NvencConfig::new().form(form).gpu(GpuChoice::Index(gpu.index));
        let config = config(size, 60, 6_000).nvenc(nvenc).failover(FailoverConfig::new().retry(None));
        for order in &orders {
            let of_host = from_host(&config, order, &pictures);
            let device = Device::on(gpu.index as usize);
            let width = size.width() as usize;
            for way in [Way::Rows(width), Way::Rows(width.next_multiple_of(256) + 256), Way::Pool] {
                let (mut encoder, passed_over) = opened(&config, order);
                if *order == BackendOrder::auto() {
                    assert_eq!((encoder.backend(), passed_over), expected(gpu), "{}", gpu.name);
                }
                let backend = encoder.backend();
                let (units, fetched) = from_device(&mut encoder, &device, size, way, &pictures);
                let what = format!("{size}, {name}, {way:?}, {backend}");
                for (number, (unit, expected)) in units.iter().zip(&of_host).enumerate() {
                    assert!(unit == expected, "{what}: frame {number} is another than from host memory");
                }
                assert_shown(&units, size, &i420, &what);
                let [p50, p99] = [50, 99].map(|percent| percentile(fetched.clone(), percent));
                println!("{what}: brought to the encoder in {p50:.0} us, p99 {p99:.0} us");
            }
        }
    }
}

/// How the frames lie in device memory.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In two places by turns, in rows of so many bytes.
    Rows(usize),
    /// In memory of the stream-ordered pool, each in its own.
    Pool,
}

fn opened(config: &EncoderConfig, order: &BackendOrder) -> (FailoverEncoder, Vec<(Backend, Reason)>) {
    let opened = open(config, order).unwrap();
    (opened.encoder, opened.passed_over.iter().map(|why| (why.backend, why.reason)).collect())
}

fn from_host(config: &EncoderConfig, order: &BackendOrder, pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut encoder, _) = opened(config, order);
    let mut encode = |(pixels, number): (&Vec<u8>, i64)| {
        let frame = Frame::contiguous(config.size(), PixelFormat::Nv12, pixels, Timestamp(number)).unwrap();
        encoder.encode(&frame, Picture::Auto).unwrap().bytes.to_vec()
    };
    pictures.iter().zip(0..).map(&mut encode).collect()
}

/// The access units, and how long each frame took to come to the encoder.
fn from_device(
    encoder: &mut FailoverEncoder,
    device: &Device,
    size: FrameSize,
    way: Way,
    pictures: &[Vec<u8>],
) -> (Vec<Vec<u8>>, Vec<Duration>) {
    let place = |pitch| DevicePicture::new(device, size, PixelFormat::Nv12, pitch);
    let places = match way {
        Way::Rows(pitch) => vec![place(pitch), place(pitch)],
        Way::Pool => Vec::new(),
    };
    let (mut units, mut fetched) = (Vec::new(), Vec::new());
    for (pixels, number) in pictures.iter().zip(0_i64..) {
        // Alive until the frame is encoded, and freed without a word.
        let slice: CudaSlice<u8>;
        let image = match way {
            Way::Rows(_) => {
                let place = &places[number as usize % places.len()];
                place.write(device, pixels);
                place.image
            }
            Way::Pool => {
                slice = device.stream.clone_htod(pixels).unwrap();
                let (address, _reading) = slice.device_ptr(&device.stream);
                let stream = device.stream.cu_stream().addr();
                CudaImage::nv12(address, size.width() as usize).written_on(stream).freed_soon()
            }
        };
        let before = result::ctx::get_current().unwrap();
        let unit = encoder.encode(&device::frame(size, image, number), Picture::Auto).unwrap();
        assert_eq!(result::ctx::get_current().unwrap(), before, "the caller's context");
        units.push(unit.bytes.to_vec());
        fetched.push(unit.times.upload);
        device.stream.synchronize().unwrap();
    }
    encoder.forget_cuda(None).unwrap();
    drop(places);
    (units, fetched)
}

fn assert_shown(units: &[Vec<u8>], size: FrameSize, i420: &[Vec<u8>], what: &str) {
    let Some(shown) = decode::ffmpeg(&units.concat(), size) else { return };
    assert_eq!(shown.len(), i420.len(), "{what}");
    for (number, (shown, source)) in shown.iter().zip(i420).enumerate() {
        let db = picture::psnr(shown, source);
        assert!(db > 28.0, "{what}: {db:.1} dB in frame {number}");
    }
}

/// In microseconds.
fn percentile(mut times: Vec<Duration>, percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e6
}
