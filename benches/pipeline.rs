//! Measures the throughput of the pipelined form against frame by frame, back to back, on the driver double with an
//! encoder that takes a fixed time for a picture and no CPU.
//!
//! A plain program, since the forms take turns, so that other load on the machine meets them alike.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(unsafe_code, reason = "device memory is made and vouched for")]

use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, result};
use d264_double::Double;
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, Pipeline, PixelFormat, Timestamp,
};

const ROUNDS: usize = 7;
/// The name, and the format of a frame in host memory; `None` for a frame on the GPU.
const SOURCES: [(&str, Option<PixelFormat>); 3] = [
    ("1080p nv12", Some(PixelFormat::Nv12)),
    ("1080p rgb24", Some(PixelFormat::Rgb(RgbOrder::Rgb24))),
    ("1080p nv12 CUDA", None),
];

fn main() {
    // Without this argument `.ci/deep benches` runs the program, to see that it runs.
    let in_earnest = std::env::args().any(|argument| argument == "--bench");
    let frames = if in_earnest { 150 } else { 5 };
    let stage = Double::get().load();
    let size = FrameSize::new(1920, 1080).expect("the size is one");
    println!("median of {ROUNDS} rounds         encode    form      one by one       pipelined      gain");
    for (name, format) in SOURCES {
        for encode_us in [1_000, 3_000] {
            stage.set(&format!("ENCODE=canned\nCHECKS=light\nLATENCY_US={encode_us}"));
            for (form, word) in [(CallForm::Direct, "direct"), (CallForm::default(), "bounded")] {
                compare(
                    &format!("{name:<24} {:>4} ms   {word:<8}", encode_us / 1_000),
                    size,
                    format,
                    form,
                    frames,
                );
            }
        }
    }
}

fn compare(what: &str, size: FrameSize, format: Option<PixelFormat>, form: CallForm, frames: usize) {
    let rate = FrameRate::hz(60).expect("60 is a rate");
    let config = EncoderConfig::new(size, rate, Bitrate::from_mbps(4).expect("4M is a bitrate"))
        .nvenc(NvencConfig::new().form(form));
    let open = || NvencEncoder::new(&config).expect("the double has an encoder");
    let (mut encoder, mut pipeline) = (open(), Pipeline::new(open()));

    let pixels = vec![90; format.unwrap_or(PixelFormat::Nv12).frame_bytes(size)];
    let host = Frame::contiguous(size, format.unwrap_or(PixelFormat::Nv12), &pixels, Timestamp(0));
    let context = CudaContext::new(0).expect("the double has a GPU");
    context.bind_to_thread().expect("the context works");
    let (width, rows) = (size.width() as usize, size.height() as usize * 3 / 2);
    // SAFETY: the content does not matter; the memory is freed below.
    let address = unsafe { result::malloc_sync(width * rows) }.expect("there is memory");
    // SAFETY: the memory lives until it is forgotten and freed, and nothing writes it.
    let device = unsafe { Frame::cuda(size, CudaImage::nv12(address, width), Timestamp(0)) };
    let frame = if format.is_some() { host } else { device }.expect("the frame is one");

    let mut one_by_one = |frames| {
        for _ in 0..frames {
            encoder.encode(&frame, Picture::Auto).expect("encodes");
        }
    };
    let mut pipelined = |frames| {
        for _ in 0..frames {
            pipeline.submit(&frame, Picture::Auto).expect("encodes");
        }
        assert_eq!(pipeline.flush().expect("encodes").len(), 1);
    };
    // The first pictures make the objects that later ones reuse.
    one_by_one(3);
    pipelined(3);
    let (mut one_times, mut piped_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one_times.push(timed(|| one_by_one(frames)));
        piped_times.push(timed(|| pipelined(frames)));
    }
    let [one, piped] = [one_times, piped_times].map(|times| frames as f64 / median(times).as_secs_f64());
    println!("{what} {one:>8.1} fps   {piped:>8.1} fps   {:>+6.1} %", (piped / one - 1.0) * 100.0);

    encoder.forget_cuda(None).expect("nothing is in the way");
    pipeline.encoder_mut().forget_cuda(None).expect("nothing is in the way");
    // SAFETY: made above, and forgotten by both.
    unsafe { result::free_sync(address) }.expect("it is freed once");
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
