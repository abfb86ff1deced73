//! Contexts, streams and threads: which ones the encoder uses, and the caller's own.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::{both_backends, camera, forms, from_host, stage, written};
use cudarc::driver::result;

use crate::common::device::{Device, DevicePicture, frame};
use crate::common::{LIMITS, config, size};
use d264_double::{Stage, passed_as_child};
use direct264::config::{CallForm, NvencConfig};
use direct264::error::FrameError;
use direct264::frame::CudaImage;
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{Encoder, EncoderConfig, Error, Picture, PixelFormat};

/// Threads that open at the same time may retain a context twice, and then let go of one.
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
