//! The hot paths, each as a program of its own.

use std::hint::black_box;
use std::time::Duration;

use cudarc::driver::{CudaContext, result};
use d264_double::Double;
use direct264::annexb::nals;
use direct264::config::{CallForm, CallLimits, NvencConfig};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{
    BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, Pipeline,
    PixelFormat, Timestamp, open,
};

pub(crate) struct HotPath {
    pub(crate) name: &'static str,
    /// The number of frames in the shorter of the two runs.
    pub(crate) frames: usize,
    run: fn(usize),
}

const fn path(name: &'static str, frames: usize, run: fn(usize)) -> HotPath {
    HotPath { name, frames, run }
}

/// Every watched path. Software paths run fewer frames, since valgrind slows down uncounted code 50 times too.
pub(crate) const PATHS: [HotPath; 11] = [
    path("openh264_i420", 20, |frames| in_software(PixelFormat::I420, frames)),
    path("openh264_nv12", 20, |frames| in_software(PixelFormat::Nv12, frames)),
    path("openh264_rgba", 20, |frames| in_software(PixelFormat::Rgb(RgbOrder::Rgba), frames)),
    path("nvenc_nv12", 100, |frames| from_host(PixelFormat::Nv12, CallForm::Direct, frames)),
    path("nvenc_nv12_bounded", 100, |frames| from_host(PixelFormat::Nv12, bounded(), frames)),
    path("nvenc_nv12_pipelined", 100, pipelined),
    path("nvenc_rgba", 100, |frames| from_host(PixelFormat::Rgb(RgbOrder::Rgba), CallForm::Direct, frames)),
    path("nvenc_nv12_lent", 100, lent),
    path("nvenc_nv12_cuda", 100, from_device),
    path("nvenc_nv12_failover", 100, behind_failover),
    path("nals", 100, split),
];

/// The calls for a frame that vary by themselves. Two threads wait for each other as the scheduler decides, and each
/// look for an order that is not there yet moves an empty one.
pub(crate) fn loose_calls(name: &str) -> f64 {
    if name == "nvenc_nv12_bounded" { 2.0 } else { 0.0 }
}

pub(crate) fn run(name: &str, frames: usize) {
    let path = PATHS.iter().find(|path| path.name == name).expect("a path of that name");
    (path.run)(frames);
}

/// 640x360, with one thread and one slice by default, and bits enough that no event is due.
fn config() -> EncoderConfig {
    let size = FrameSize::new(640, 360).expect("a size");
    let rate = FrameRate::hz(30).expect("a rate");
    EncoderConfig::new(size, rate, Bitrate::from_mbps(6).expect("a bitrate"))
}

/// A texture that moves by some pixels a frame: rate control finds motion, and every picture has bits to spend.
fn pictures(format: PixelFormat, size: FrameSize) -> Vec<Vec<u8>> {
    let bytes_of_row = format.frame_bytes(size) / size.height() as usize;
    let picture = |index: usize| -> Vec<u8> {
        (0..format.frame_bytes(size))
            .map(|at| {
                let (x, y) = (at % bytes_of_row + 3 * index, at / bytes_of_row + index);
                let coarse = (x / 16).wrapping_mul(31) ^ (y / 16).wrapping_mul(57);
                let fine = x.wrapping_mul(13) ^ y.wrapping_mul(7);
                (64 + coarse % 96 + fine % 16) as u8
            })
            .collect()
    };
    (0..8).map(picture).collect()
}

/// Encodes pictures from host memory, over and over.
fn encode(encoder: &mut dyn Encoder, format: PixelFormat, frames: usize) {
    let size = encoder.size();
    let pictures = pictures(format, size);
    for number in 0..frames {
        let picture = &pictures[number % pictures.len()];
        let frame = Frame::contiguous(size, format, picture, Timestamp(0)).expect("the length fits");
        // The output buffer grows to the largest access unit, which is an IDR.
        let picture = if number < 3 { Picture::Idr } else { Picture::Auto };
        black_box(encoder.encode(&frame, picture).expect("encodes"));
        // A caller drains the events, so their list does not grow.
        black_box(encoder.take_events());
    }
}

/// Rate control and the planes of the software backend; openh264's own code is not counted.
fn in_software(format: PixelFormat, frames: usize) {
    let mut encoder = OpenH264Encoder::new(&config()).expect("openh264 opens");
    encode(&mut encoder, format, frames);
}

/// NVENC on the double, with an encoder that does nothing.
fn on_the_double(run: impl FnOnce()) {
    let stage = Double::get().load();
    stage.set("ENCODE=canned\nCHECKS=light");
    run();
}

fn nvenc(form: CallForm) -> NvencEncoder {
    let config = config().nvenc(NvencConfig::new().form(form));
    NvencEncoder::new(&config).expect("the double has an encoder")
}

/// The default form, with limits that hold under valgrind.
fn bounded() -> CallForm {
    let hour = Duration::from_secs(3_600);
    CallForm::Bounded(CallLimits::DEFAULT.open(hour).first(hour).rest(hour))
}

fn from_host(format: PixelFormat, form: CallForm, frames: usize) {
    on_the_double(|| encode(&mut nvenc(form), format, frames));
}

/// The encoder of `open`, which most callers use.
fn behind_failover(frames: usize) {
    on_the_double(|| {
        let order = BackendOrder::only(direct264::Backend::Nvenc);
        let config = config().nvenc(NvencConfig::new().form(CallForm::Direct));
        let mut encoder = open(&config, &order).expect("the double has an encoder").encoder;
        encode(&mut encoder, PixelFormat::Nv12, frames);
    });
}

fn pipelined(frames: usize) {
    on_the_double(|| {
        let mut pipeline = Pipeline::new(nvenc(CallForm::Direct));
        let size = pipeline.encoder().size();
        let pictures = pictures(PixelFormat::Nv12, size);
        for number in 0..frames {
            let picture = &pictures[number % pictures.len()];
            let frame = Frame::contiguous(size, PixelFormat::Nv12, picture, Timestamp(0)).expect("it fits");
            let picture = if number < 6 { Picture::Idr } else { Picture::Auto };
            pipeline.submit(&frame, picture).expect("encodes").for_each(|unit| {
                black_box(unit.expect("none is lost"));
            });
            black_box(pipeline.encoder_mut().take_events());
        }
    });
}

fn lent(frames: usize) {
    on_the_double(|| {
        let mut encoder = nvenc(CallForm::Direct);
        for _ in 0..frames {
            let frame = encoder.lend(PixelFormat::Nv12).expect("one is free");
            black_box(encoder.encode_lent(frame, Timestamp(0), Picture::Auto).expect("encodes"));
        }
    });
}

fn from_device(frames: usize) {
    on_the_double(|| {
        let mut encoder = nvenc(CallForm::Direct);
        let size = encoder.size();
        let context = CudaContext::new(0).expect("the double has a GPU");
        context.bind_to_thread().expect("the context works");
        let pitch = size.width() as usize;
        // SAFETY: the content does not matter; the memory is freed below.
        let address = unsafe { result::malloc_sync(pitch * size.height() as usize * 3 / 2) };
        let address = address.expect("there is memory");
        // SAFETY: the memory lives until it is forgotten and freed, and nothing writes it.
        let frame = unsafe { Frame::cuda(size, CudaImage::nv12(address, pitch), Timestamp(0)) };
        let frame = frame.expect("the image is one");
        for _ in 0..frames {
            black_box(encoder.encode(&frame, Picture::Auto).expect("encodes"));
        }
        encoder.forget_cuda(None).expect("nothing is in the way");
        // SAFETY: made above, and forgotten by the encoder.
        unsafe { result::free_sync(address) }.expect("it is freed once");
    });
}

/// An access unit of 4 Mbit/s at 30 Hz, two slices.
fn split(frames: usize) {
    let mut unit = Vec::new();
    for slice in 0..2 {
        unit.extend_from_slice(&[0, 0, 0, 1, 0x41, slice]);
        unit.extend((0..8_333_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 4));
    }
    for _ in 0..frames {
        black_box(nals(black_box(&unit)).count());
    }
}
