//! Measures NVENC's host cost per frame, and the share of the session thread: direct against bounded form, back to
//! back and at 60 Hz, on the driver double with an encoder that costs nothing. Frames come from host memory, from a
//! lent page-locked frame (without the caller's writing), and from device memory.
//!
//! A plain program, since the result is the tail of single calls, and the pause between them is part of it.

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
    Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, PixelFormat, Timestamp,
};

const CASES: [(&str, u32, u32, Source); 5] = [
    ("240p nv12", 320, 240, Source::Host(PixelFormat::Nv12)),
    ("1080p nv12", 1920, 1080, Source::Host(PixelFormat::Nv12)),
    ("1080p rgba", 1920, 1080, Source::Host(PixelFormat::Rgb(RgbOrder::Rgba))),
    ("1080p nv12 lent", 1920, 1080, Source::Lent),
    ("1080p nv12 CUDA", 1920, 1080, Source::Device),
];
/// The forms take turns, so that other load on the machine meets them alike.
const ROUNDS: usize = 5;
const FRAME: Duration = Duration::from_nanos(16_666_667);

/// The memory of a frame.
#[derive(Clone, Copy)]
enum Source {
    Host(PixelFormat),
    Lent,
    Device,
}

struct Times {
    total: Vec<Duration>,
    /// The time outside all stages.
    rest: Vec<Duration>,
    convert_and_upload: Vec<Duration>,
}

fn main() {
    // Without this argument `.ci/deep benches` runs the program, to see that it runs.
    let in_earnest = std::env::args().any(|argument| argument == "--bench");
    let (back_to_back, paced) = if in_earnest { (1_000, 120) } else { (20, 3) };
    let stage = Double::get().load();
    stage.set("ENCODE=canned\nCHECKS=light");
    println!(
        "microseconds          form        total p50     p99   convert+upload p50   in no stage p50     p99"
    );
    for (name, width, height, source) in CASES {
        let size = FrameSize::new(width, height).expect("the size is one");
        for (pace, frames) in [(None, back_to_back), (Some(FRAME), paced)] {
            let mut runs = [CallForm::Direct, CallForm::default()].map(|form| Run::new(size, form));
            for _ in 0..ROUNDS {
                runs.iter_mut().for_each(|run| run.encode(source, frames, pace));
            }
            let what = format!("{name} {}", if pace.is_some() { "60 Hz" } else { "at once" });
            for (form, run) in ["direct", "bounded"].into_iter().zip(&mut runs) {
                run.tell(&what, form);
            }
        }
    }
}

struct Run {
    encoder: NvencEncoder,
    times: Times,
}

impl Run {
    fn new(size: FrameSize, form: CallForm) -> Self {
        let rate = FrameRate::hz(60).expect("60 is a rate");
        let config = EncoderConfig::new(size, rate, Bitrate::from_mbps(4).expect("4M is a bitrate"))
            .nvenc(NvencConfig::new().form(form));
        let encoder = NvencEncoder::new(&config).expect("the double has an encoder");
        Self { encoder, times: Times { total: Vec::new(), rest: Vec::new(), convert_and_upload: Vec::new() } }
    }

    fn encode(&mut self, source: Source, frames: usize, pace: Option<Duration>) {
        let size = self.encoder.size();
        let format = if let Source::Host(format) = source { format } else { PixelFormat::Nv12 };
        let pixels = vec![90; format.frame_bytes(size)];
        let host = Frame::contiguous(size, format, &pixels, Timestamp(0)).expect("the length fits");
        let context = CudaContext::new(0).expect("the double has a GPU");
        context.bind_to_thread().expect("the context works");
        let (width, rows) = (size.width() as usize, size.height() as usize * 3 / 2);
        // SAFETY: the content does not matter; the memory is freed below.
        let address = unsafe { result::malloc_sync(width * rows) }.expect("there is memory");
        // SAFETY: the memory lives until it is forgotten and freed, and nothing writes it.
        let device = unsafe { Frame::cuda(size, CudaImage::nv12(address, width), Timestamp(0)) };
        let device = device.expect("the image is one");
        // The first pictures make the objects that later ones reuse.
        let warm_up = 3;
        let mut due = Instant::now();
        for number in 0..frames + warm_up {
            if let Some(pace) = pace {
                due += pace;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let encoder = &mut self.encoder;
            let unit = match source {
                Source::Host(_) => encoder.encode(&host, Picture::Auto),
                Source::Device => encoder.encode(&device, Picture::Auto),
                Source::Lent => {
                    let frame = encoder.lend(format).expect("one is free");
                    encoder.encode_lent(frame, Timestamp(0), Picture::Auto)
                }
            };
            let times = unit.expect("encodes").times;
            if number >= warm_up {
                let stages = times.convert + times.upload + times.submit + times.wait + times.copy;
                self.times.total.push(times.total);
                self.times.rest.push(times.total - stages);
                self.times.convert_and_upload.push(times.convert + times.upload);
            }
        }
        self.encoder.forget_cuda(None).expect("nothing is in the way");
        // SAFETY: made above, and forgotten by the encoder.
        unsafe { result::free_sync(address) }.expect("it is freed once");
    }

    fn tell(&mut self, what: &str, form: &str) {
        let Times { total, rest, convert_and_upload } = &mut self.times;
        println!(
            "{what:<21} {form:<10} {:>10.1} {:>7.1} {:>20.1} {:>17.1} {:>7.1}",
            percentile(total, 50),
            percentile(total, 99),
            percentile(convert_and_upload, 50),
            percentile(rest, 50),
            percentile(rest, 99),
        );
    }
}

/// The percentile in microseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len() - 1);
    times[at].as_secs_f64() * 1e6
}
