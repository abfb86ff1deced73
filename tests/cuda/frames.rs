//! Frames in CUDA device memory, on the driver double, which checks every access against the order of streams: read in
//! place, copied on the GPU or downloaded, they give the very access units that the same pixels in host memory give.
#![allow(clippy::panic, clippy::unwrap_used)]
#![expect(
    unsafe_code,
    reason = "device memory and slices are vouched for, and a context is made as a caller would"
)]

use std::time::{Duration, Instant};

use cudarc::driver::{DevicePtr, result};

use crate::common::device::{Device, DevicePicture, frame, nv12};
use crate::common::live::PATIENCE;
use crate::common::{LIMITS, config, picture, size, within};
use d264_double::{Double, Stage, passed_as_child};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, NvencConfig};
use direct264::error::{FrameError, Unreadable};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{Backend, Encoder, EncoderConfig, Error, Frame, FrameSize, Picture, PixelFormat, Timestamp};

fn stage(settings: &str) -> Stage {
    let stage = Double::get().load();
    stage.set(settings);
    stage
}

fn forms(config: EncoderConfig) -> [EncoderConfig; 2] {
    let direct = config.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    [config, direct]
}

fn camera(size: FrameSize, numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    let camera = picture::Camera::new(size);
    numbers.map(|number| nv12(size, &camera.i420(number))).collect()
}

/// The access units of pictures in host memory.
fn from_host(config: &EncoderConfig, format: PixelFormat, pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut encoder = NvencEncoder::new(config).unwrap();
    let mut units = Vec::new();
    for (pixels, number) in pictures.iter().zip(0..) {
        let frame = Frame::contiguous(config.size(), format, pixels, Timestamp(number)).unwrap();
        units.push(encoder.encode(&frame, Picture::Auto).unwrap().bytes.to_vec());
    }
    units
}

/// The access units of the same pictures in device memory, three places by turns, each written without anybody waiting.
/// The encoder lets go of the memory before it is freed.
fn from_device(
    encoder: &mut dyn Encoder,
    device: &Device,
    format: PixelFormat,
    pitch: usize,
    pictures: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let places: Vec<_> = (0..3).map(|_| DevicePicture::new(device, encoder.size(), format, pitch)).collect();
    let mut units = Vec::new();
    for (pixels, number) in pictures.iter().zip(0..) {
        let place = &places[number % places.len()];
        place.write(device, pixels);
        let unit = encoder.encode(&place.frame(number as i64), Picture::Auto).unwrap();
        assert_eq!(unit.timestamp, Timestamp(number as i64));
        units.push(unit.bytes.to_vec());
    }
    encoder.forget_cuda(None).unwrap();
    units
}

/// One form of driver calls: its settings, pictures of a camera, and the access units of the same pictures in host memory.
struct Case<'a> {
    config: EncoderConfig,
    pictures: &'a [Vec<u8>],
    expected: Vec<Vec<u8>>,
    device: Device,
}

impl Case<'_> {
    fn open(&self) -> NvencEncoder {
        NvencEncoder::new(&self.config).unwrap()
    }

    fn from_device(&self, encoder: &mut dyn Encoder, pitch: usize) -> Vec<Vec<u8>> {
        from_device(encoder, &self.device, PixelFormat::Nv12, pitch, self.pictures)
    }

    /// The pictures, each with its access unit.
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pictures.iter().map(Vec::as_slice).zip(self.expected.iter().map(Vec::as_slice))
    }
}

/// Runs a test in both forms of driver calls. After each form the driver double has seen no mistake.
fn in_both_forms(stage: &Stage, size: FrameSize, count: u32, what: &str, test: impl Fn(&Case<'_>)) {
    let pictures = camera(size, 0..count);
    for config in forms(config(size, 30, 1_000)) {
        let expected = from_host(&config, PixelFormat::Nv12, &pictures);
        test(&Case { config, pictures: &pictures, expected, device: Device::new() });
        stage.report().assert_clean(what);
    }
}

fn both_backends(config: &EncoderConfig) -> [Box<dyn Encoder>; 2] {
    [Box::new(NvencEncoder::new(config).unwrap()), Box::new(OpenH264Encoder::new(config).unwrap())]
}

/// One picture in device memory, written.
fn written(device: &Device, size: FrameSize) -> DevicePicture {
    DevicePicture::written(device, size, PixelFormat::Nv12, 512, &camera(size, 0..1)[0])
}

#[test]
fn nv12_is_encoded_from_where_it_lies_registered_once() {
    let stage = stage("");
    in_both_forms(&stage, size(320, 240), 12, "frames read in place", |case| {
        let mut encoder = case.open();
        let before = stage.report();
        assert_eq!(case.from_device(&mut encoder, 512), case.expected);
        let after = stage.report();
        let calls = |name: &str| after.calls(name) - before.calls(name);
        assert_eq!((calls("nvEncRegisterResource"), calls("nvEncMapInputResource")), (3, 3));
        assert_eq!(calls("cuMemcpy2DAsync"), 2 * 12, "only what the test writes is copied");
        assert_eq!(calls("cuMemHostAlloc") + calls("cuStreamSynchronize"), 0, "no thread waits for the GPU");
    });
}

#[test]
fn what_nvenc_does_not_take_as_it_lies_is_copied_on_the_gpu() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 4, "frames copied on the GPU", |case| {
        let device = &case.device;
        let stream = device.stream.cu_stream().addr();
        // A pitch that is no multiple of 4.
        assert_eq!(case.from_device(&mut case.open(), 329), case.expected);
        // Chroma in memory of its own.
        let (y, uv) = (device.memory(512 * 240), device.memory(384 * 120));
        let image = CudaImage::nv12(y.address, 512).chroma_at(uv.address, 384).written_on(stream);
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let (luma, chroma) = pixels.split_at(320 * 240);
            device.write_rows(y.address, 512, luma, 320);
            device.write_rows(uv.address, 384, chroma, 320);
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
        drop((encoder, y, uv));
        // Memory of a stream-ordered pool.
        let mut encoder = case.open();
        let copies = || stage.report().calls("cuMemcpy2DAsync");
        let before = copies();
        for (pixels, expected) in case.each() {
            let slice = device.stream.clone_htod(pixels).unwrap();
            let (address, _reading) = slice.device_ptr(&device.stream);
            let image = CudaImage::nv12(address, 320).written_on(stream);
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
        assert_eq!(copies() - before, case.pictures.len() as u64, "one copy of each picture");
        drop(encoder);
        // Memory that is freed without a word.
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let place = DevicePicture::new(device, size, PixelFormat::Nv12, 512);
            place.write(device, pixels);
            let image = place.image.freed_soon();
            assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
        }
    });
}

#[cfg(feature = "cudarc")]
#[test]
fn a_slice_of_cudarc_goes_straight_in_and_may_be_freed_at_once() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 4, "slices", |case| {
        let device = &case.device;
        let mut encoder = case.open();
        for (pixels, expected) in case.each() {
            let slice = device.stream.clone_htod(pixels).unwrap();
            // SAFETY: no call hangs here.
            let frame =
                unsafe { Frame::in_slice(size, PixelFormat::Nv12, &slice, 320, Timestamp(7)) }.unwrap();
            let unit = encoder.encode(&frame, Picture::Auto).unwrap();
            assert_eq!((unit.bytes, unit.timestamp), (expected, Timestamp(7)));
        }
        let slice = device.stream.clone_htod(&case.pictures[0][1..]).unwrap();
        let refusal = |format| {
            // SAFETY: the frame is never encoded.
            unsafe { Frame::in_slice(size, format, &slice, 320, Timestamp(0)) }.unwrap_err()
        };
        let short = FrameError::Allocation { bytes: 320 * 360 - 1, needed: 320 * 360 };
        assert_eq!(refusal(PixelFormat::Nv12), short);
        assert_eq!(refusal(PixelFormat::I420), FrameError::NotOnDevice { format: PixelFormat::I420 });
    });
}

#[test]
fn odd_sizes_are_padded_on_the_gpu_as_they_are_on_the_host() {
    let stage = stage("");
    for size in [size(321, 240), size(320, 241), size(323, 243)] {
        in_both_forms(&stage, size, 4, "odd sizes", |case| {
            assert_eq!(case.from_device(&mut case.open(), 512), case.expected);
        });
    }
}

#[test]
fn rgb_is_read_in_place_for_bt601_limited_and_fetched_for_all_else() {
    let stage = stage("");
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    for (size, pitch) in [(size(320, 240), 1280), (size(321, 241), 1536)] {
        let mut pictures = camera(size, 0..3);
        for order in [RgbOrder::Rgba, RgbOrder::Bgra] {
            let format = PixelFormat::Rgb(order);
            for pixels in &mut pictures {
                pixels.resize(format.frame_bytes(size), 90);
            }
            for colour in [bt601, Colour::BT709_LIMITED] {
                let device = Device::new();
                let config = config(size, 30, 1_000).colour(colour);
                let mut encoder = NvencEncoder::new(&config).unwrap();
                let units = from_device(&mut encoder, &device, format, pitch, &pictures);
                // An odd picture in host memory is converted there, and not by the GPU.
                if size == size.padded_to_even() || colour != bt601 {
                    assert_eq!(units, from_host(&config, format, &pictures), "{size} {order:?} {colour:?}");
                }
            }
        }
    }
    stage.report().assert_clean("RGB in device memory");
}

#[test]
fn the_software_backend_downloads() {
    let stage = stage("");
    for size in [size(320, 240), size(321, 241)] {
        let pictures = camera(size, 0..5);
        for config in forms(config(size, 30, 1_000)) {
            let mut host = OpenH264Encoder::new(&config).unwrap();
            let expected: Vec<Vec<u8>> = (pictures.iter().zip(0..))
                .map(|(pixels, number)| {
                    let frame = Frame::contiguous(size, PixelFormat::Nv12, pixels, Timestamp(number));
                    host.encode(&frame.unwrap(), Picture::Auto).unwrap().bytes.to_vec()
                })
                .collect();
            let device = Device::new();
            let mut encoder = OpenH264Encoder::new(&config).unwrap();
            let copies = || stage.report().calls("cuMemcpy2DAsync");
            let before = copies();
            assert_eq!(from_device(&mut encoder, &device, PixelFormat::Nv12, 512, &pictures), expected);
            // The test writes luma and chroma apart; of an odd width they come apart too.
            let of_frame = 2 + 1 + u64::from(!size.width().is_multiple_of(2));
            assert_eq!(copies() - before, of_frame * pictures.len() as u64);
            drop((encoder, device));
            stage.report().assert_clean("a download");
        }
    }
}

#[test]
fn memory_that_was_freed_and_made_anew_at_the_same_address_is_registered_anew() {
    let stage = stage("");
    let size = size(320, 240);
    in_both_forms(&stage, size, 6, "an address used again", |case| {
        let mut encoder = case.open();
        let mut addresses = Vec::new();
        for (pixels, expected) in case.each() {
            let place = DevicePicture::new(&case.device, size, PixelFormat::Nv12, 512);
            place.write(&case.device, pixels);
            assert_eq!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().bytes, expected);
            addresses.push(place.image.address());
            encoder.forget_cuda(Some(place.image.address())).unwrap();
        }
        addresses.dedup();
        assert_eq!(addresses.len(), 1, "the double gives the same address again");
    });
}

#[test]
fn so_many_places_are_kept_and_no_more() {
    let stage = stage("");
    let size = size(320, 240);
    let pictures = camera(size, 0..2);
    let device = Device::new();
    let mut encoder = NvencEncoder::new(&config(size, 30, 1_000)).unwrap();
    let before = stage.report();
    let places: Vec<_> = (0..40).map(|_| DevicePicture::new(&device, size, PixelFormat::Nv12, 512)).collect();
    for place in &places {
        place.write(&device, &pictures[0]);
        encoder.encode(&place.frame(0), Picture::Auto).unwrap();
    }
    let calls = |name: &str| stage.report().calls(name) - before.calls(name);
    assert_eq!((calls("nvEncRegisterResource"), calls("nvEncUnregisterResource")), (40, 8));
    // The ones of late are still known, and the first one is not.
    for place in [&places[39], &places[8], &places[0]] {
        place.write(&device, &pictures[1]);
        encoder.encode(&place.frame(0), Picture::Auto).unwrap();
    }
    assert_eq!((calls("nvEncRegisterResource"), calls("nvEncUnregisterResource")), (41, 9));
    encoder.forget_cuda(None).unwrap();
    assert_eq!(calls("nvEncUnregisterResource"), 41);
    drop((places, encoder, device));
    stage.report().assert_clean("a full cache");
}

/// One allocation is as many places as it has pitches, formats and sizes.
#[test]
fn memory_is_known_by_its_pitch_format_and_size_too() {
    let stage = stage("");
    let (large, little) = (size(320, 240), size(256, 160));
    let nv12 = PixelFormat::Nv12;
    let bgra = PixelFormat::Rgb(RgbOrder::Bgra);
    // Pictures of a kind, so that the one before cannot be taken for them.
    let ways = [(large, nv12, 512), (large, nv12, 640), (large, bgra, 1280), (little, nv12, 512)];
    let colour = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    for config in forms(config(large, 30, 1_000).colour(colour)) {
        let device = Device::new();
        let memory = device.memory(1280 * 240);
        let (mut host, mut encoder) =
            (NvencEncoder::new(&config).unwrap(), NvencEncoder::new(&config).unwrap());
        let before = stage.report().calls("nvEncRegisterResource");
        let mut of_host = 0;
        for (round, pictures) in [camera(large, 0..4), camera(large, 4..8)].iter().enumerate() {
            for ((size, format, pitch), pixels) in ways.into_iter().zip(pictures) {
                let pixels: Vec<u8> = pixels.iter().copied().cycle().take(format.frame_bytes(size)).collect();
                let registered = || stage.report().calls("nvEncRegisterResource");
                let start = registered();
                host.set_size(size).unwrap();
                let frame = Frame::contiguous(size, format, &pixels, Timestamp(0)).unwrap();
                let expected = host.encode(&frame, Picture::Auto).unwrap().to_owned();
                of_host += registered() - start;
                encoder.set_size(size).unwrap();
                let row_bytes = if format == nv12 { size.width() } else { 4 * size.width() } as usize;
                device.write_rows(memory.address, pitch, &pixels, row_bytes);
                let image = if format == nv12 { CudaImage::nv12 } else { CudaImage::bgra };
                let image = image(memory.address, pitch).written_on(device.stream.cu_stream().addr());
                let unit = encoder.encode(&self::frame(size, image, 0), Picture::Auto).unwrap();
                assert!(unit.bytes == expected.bytes, "round {round}: {size} {format:?} {pitch}");
                device.stream.synchronize().unwrap();
            }
        }
        assert_eq!(stage.report().calls("nvEncRegisterResource") - before - of_host, 4);
        encoder.forget_cuda(Some(memory.address)).unwrap();
        drop((memory, encoder, host, device));
        stage.report().assert_clean("one allocation, four places");
    }
}

#[test]
fn an_address_that_is_none_is_told_and_harms_nothing() {
    let stage = stage("");
    let size = size(320, 240);
    let pixels = &camera(size, 0..1)[0];
    for config in forms(config(size, 30, 1_000)) {
        let device = Device::new();
        let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
        place.write(&device, pixels);
        let short = device.memory(512 * 300);
        let host = pixels.as_ptr() as u64;
        for mut encoder in both_backends(&config) {
            let mut refusal = |address| match encoder
                .encode(&frame(size, CudaImage::nv12(address, 512), 0), Picture::Auto)
            {
                Err(Error::Frame(error)) => error,
                other => panic!("{other:?}"),
            };
            assert_eq!(refusal(4096), FrameError::NoDeviceMemory { address: 4096 });
            assert_eq!(refusal(host), FrameError::NoDeviceMemory { address: host });
            let needed = 512 * 119 + 320;
            let bytes = 512 * 60;
            assert_eq!(refusal(short.address), FrameError::Allocation { bytes, needed });
            assert!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().is_idr);
        }
        drop((place, short));
    }
    stage.report().assert_clean("wrong addresses");
}

#[test]
fn a_download_that_fails_costs_the_frame_and_not_the_encoder() {
    let stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    let beside = stage.report().leaks();
    let calls = [
        "cuPointerGetAttributes",
        "cuStreamCreate",
        "cuEventCreate",
        "cuMemHostAlloc",
        "cuEventRecord",
        "cuStreamWaitEvent",
        "cuMemcpy2DAsync",
        "cuStreamQuery",
    ];
    for (config, call) in forms(config(size, 30, 1_000)).iter().flat_map(|one| calls.map(|call| (one, call)))
    {
        let mut encoder = OpenH264Encoder::new(config).unwrap();
        stage.set(&format!("FAULT={call}:1=2"));
        match encoder.encode(&place.frame(0), Picture::Auto) {
            Err(Error::Frame(FrameError::Unreadable(Unreadable::Driver(why)))) => {
                assert_eq!((why.call, why.status()), (call, Some(2)));
            }
            other => panic!("{call}: {:?}", other.map(|unit| unit.bytes.len())),
        }
        assert!(encoder.encode(&place.frame(1), Picture::Auto).unwrap().is_idr, "{call}");
        drop(encoder);
        let report = stage.report();
        assert!(report.violations().is_empty(), "{call}: {:?}", report.violations());
        assert_eq!(report.leaks(), beside, "{call}");
    }
    drop((place, device));
}

#[test]
fn a_gpu_that_never_gets_there_is_waited_for_with_a_limit_and_until_it_does_its_frames_are_refused() {
    let stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    let limit = Duration::from_millis(300);
    let mut encoder =
        OpenH264Encoder::new(&config(size, 30, 1_000).nvenc(within(LIMITS.first(limit)))).unwrap();
    let late = FrameError::TimedOut { call: "cuStreamQuery", limit };
    stage.set("FAULT=cuStreamQuery:*=600");
    let asked = || stage.report().calls("cuPointerGetAttributes");
    let before = asked();
    for number in 0..3 {
        match encoder.encode(&place.frame(number), Picture::Auto) {
            Err(Error::Frame(error)) => assert_eq!(error, late),
            other => panic!("{:?}", other.map(|unit| unit.bytes.len())),
        }
    }
    assert!(
        asked() - before <= 2,
        "only the first frame is tried: one question for its GPU, one for its bytes"
    );
    // Its memory may still be read.
    match encoder.forget_cuda(None) {
        Err(Error::StillInUse(why)) => assert_eq!(why.backend, Backend::OpenH264),
        other => panic!("{other:?}"),
    }
    let pixels = camera(size, 0..1).remove(0);
    let host = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(3)).unwrap();
    assert!(encoder.encode(&host, Picture::Auto).unwrap().is_idr);
    stage.set("FAULT=");
    let deadline = Instant::now() + PATIENCE;
    while encoder.forget_cuda(None).is_err() {
        assert!(Instant::now() < deadline, "never came back");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!encoder.encode(&place.frame(4), Picture::Auto).unwrap().is_idr);
    drop((encoder, place, device));
    stage.report().assert_clean("a GPU that got there late");
}

/// Who opens at the same time may retain a context twice, and then lets go of one.
#[test]
fn a_context_that_several_threads_enter_first_is_given_back_as_often_as_it_was_retained() {
    let stage = stage("FAULT=cuDevicePrimaryCtxRetain:*=hang300");
    let size = size(320, 240);
    let calls = |name| stage.report().calls(name);
    let taken = || calls("cuDevicePrimaryCtxRetain") - calls("cuDevicePrimaryCtxRelease");
    let before = taken();
    let device = Device::new();
    let place = written(&device, size);
    let (retained, of_test) = (calls("cuDevicePrimaryCtxRetain"), taken());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut encoder = OpenH264Encoder::new(&config(size, 30, 1_000)).unwrap();
                assert!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().is_idr);
                let mut encoder = NvencEncoder::new(&config(size, 30, 1_000)).unwrap();
                assert!(encoder.encode(&place.frame(0), Picture::Auto).unwrap().is_idr);
            });
        }
    });
    assert!(calls("cuDevicePrimaryCtxRetain") - retained > 1, "nobody met");
    assert_eq!(taken(), of_test);
    drop((place, device));
    assert_eq!(taken(), before);
    stage.report().assert_clean("a context that several threads enter first");
}

#[cfg(target_os = "linux")]
#[test]
fn in_the_direct_form_no_thread_stands_between_the_caller_and_the_driver() {
    // In a process of its own: others have threads here.
    let test = "in_the_direct_form_no_thread_stands_between_the_caller_and_the_driver";
    if passed_as_child(test, &[]) {
        return;
    }
    let _stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    let [bounded, direct] = forms(config(size, 30, 1_000));
    let encode = |config: &EncoderConfig| {
        let mut nvenc = NvencEncoder::new(config).unwrap();
        nvenc.encode(&place.frame(0), Picture::Auto).unwrap();
        let mut software = OpenH264Encoder::new(config).unwrap();
        software.encode(&place.frame(0), Picture::Auto).unwrap();
        let mut threads = d264_double::threads();
        threads.retain(|name| name.starts_with("direct264-"));
        threads.sort();
        threads
    };
    assert!(encode(&direct).is_empty());
    assert_eq!(encode(&bounded), ["direct264-fetch", "direct264-nvenc"]);
}

#[cfg(feature = "cudarc")]
#[test]
fn contexts_and_streams_of_cudarc_say_which_gpu_encodes_and_what_it_waits_for() {
    let stage = stage("");
    let size = size(320, 240);
    let pictures = camera(size, 0..4);
    let device = Device::new();
    let gpu = direct264::config::GpuChoice::of_context(&device.context);
    assert_eq!(gpu, direct264::config::GpuChoice::Index(0));
    let own = device.context.new_stream().unwrap();
    for form in [CallForm::Bounded(LIMITS), CallForm::Direct] {
        let config = config(size, 30, 1_000).nvenc(NvencConfig::new().form(form).gpu(gpu));
        let expected = from_host(&config, PixelFormat::Nv12, &pictures);
        // Of the default stream, too, the encoder waits for what is there: it copies late, and the double would tell.
        for stream in [&own, &device.context.default_stream()] {
            let mut encoder = NvencEncoder::new(&config).unwrap();
            let writer = Device { context: device.context.clone(), stream: stream.clone() };
            let place = DevicePicture::new(&writer, size, PixelFormat::Nv12, 512);
            for (pixels, expected) in pictures.iter().zip(&expected) {
                place.write(&writer, pixels);
                let image = CudaImage::nv12(place.memory.address, 512).written_on_stream(stream);
                assert_eq!(image.stream(), stream.cu_stream().addr());
                assert_eq!(encoder.encode(&frame(size, image, 0), Picture::Auto).unwrap().bytes, expected);
            }
            encoder.forget_cuda(None).unwrap();
            stream.synchronize().unwrap();
        }
    }
    drop((own, device));
    stage.report().assert_clean("contexts and streams of cudarc");
}

/// A context as `cuCtxCreate` makes it, for which cudarc has a function with some versions of CUDA alone.
struct OwnContext {
    handle: usize,
    destroy: extern "C" fn(usize) -> u32,
}

impl OwnContext {
    fn new(stage: &Stage) -> Self {
        // SAFETY: the functions of these names have these types.
        let create: extern "C" fn(*mut usize, u32, i32) -> u32 =
            unsafe { stage.cuda().function("cuCtxCreate_v2") };
        // SAFETY: as above.
        let destroy = unsafe { stage.cuda().function("cuCtxDestroy_v2") };
        let mut handle = 0;
        assert_eq!(create(&raw mut handle, 0, 0), 0);
        Self { handle, destroy }
    }
}

impl Drop for OwnContext {
    fn drop(&mut self) {
        assert_eq!((self.destroy)(self.handle), 0);
    }
}

/// Memory of a context that is not the primary one is refused in words, and whichever context the caller has made current
/// still is after every call.
#[test]
fn the_callers_own_context_is_left_alone() {
    let stage = stage("");
    let size = size(320, 240);
    let device = Device::new();
    let place = written(&device, size);
    // From here on it is the current one of this thread.
    let own = OwnContext::new(&stage);
    // SAFETY: nobody looks at what is in it.
    let strange = unsafe { result::malloc_sync(512 * 360) }.unwrap();
    let strange_frame = frame(size, CudaImage::nv12(strange, 512), 0);
    let current = || result::ctx::get_current().unwrap();
    for config in forms(config(size, 30, 1_000)) {
        let before = current();
        assert_eq!(before.map(|context| context as usize), Some(own.handle));
        for mut encoder in both_backends(&config) {
            match encoder.encode(&strange_frame, Picture::Auto) {
                Err(Error::Frame(error)) => assert_eq!(error, FrameError::OtherContext { gpu: 0 }),
                other => panic!("{:?}", other.map(|unit| unit.bytes.len())),
            }
            assert_eq!(current(), before);
            assert!(encoder.encode(&place.frame(1), Picture::Auto).unwrap().is_idr);
            encoder.encode(&frame(size, place.image.freed_soon(), 2), Picture::Auto).unwrap();
            assert_eq!(current(), before);
            encoder.forget_cuda(None).unwrap();
            drop(encoder);
            assert_eq!(current(), before);
        }
    }
    // SAFETY: made above, in the context that is current.
    unsafe { result::free_sync(strange) }.unwrap();
    drop(own);
    drop((place, device));
    stage.report().assert_clean("a context of the caller's own");
}
