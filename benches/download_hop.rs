//! Measures the fetch of a frame from device memory for the software backend, on the caller's thread and on the
//! reader's own: back to back and at 60 Hz, on the driver double, with and without copying the bytes.
//!
//! A plain program, since the result is the tail of single calls, and the pause between them is part of it.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(unsafe_code, reason = "device memory is made and vouched for")]

use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, result};
use d264_double::Double;
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::CudaImage;
use direct264::openh264::OpenH264Encoder;
use direct264::{Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, Timestamp};

/// The forms take turns, so that other load on the machine meets them alike.
const ROUNDS: usize = 5;
const FRAME: Duration = Duration::from_nanos(16_666_667);

fn main() {
    // Without this argument `cargo test` runs the program, to see that it runs.
    let in_earnest = std::env::args().any(|argument| argument == "--bench");
    let (back_to_back, paced) = if in_earnest { (200, 60) } else { (5, 2) };
    let stage = Double::get().load();
    println!("microseconds to fetch                  form          p50     p99");
    for copies in ["none", "all"] {
        stage.set(&format!("CHECKS=light\nCOPIES={copies}"));
        for (name, width, height) in [("240p", 320, 240), ("1080p", 1920, 1080)] {
            let size = FrameSize::new(width, height).expect("the size is one");
            for (pace, frames) in [(None, back_to_back), (Some(FRAME), paced)] {
                let mut runs = [CallForm::Direct, CallForm::default()].map(|form| Run::new(size, form));
                for _ in 0..ROUNDS {
                    runs.iter_mut().for_each(|run| run.encode(frames, pace));
                }
                let pace = if pace.is_some() { "60 Hz" } else { "at once" };
                for (form, run) in ["direct", "bounded"].into_iter().zip(&mut runs) {
                    let what = format!("{name} nv12, {pace}, copies: {copies}");
                    let [p50, p99] = [50, 99].map(|percent| percentile(&mut run.fetched, percent));
                    println!("{what:<38} {form:<10} {p50:>6.1} {p99:>7.1}");
                }
            }
        }
    }
}

struct Run {
    encoder: OpenH264Encoder,
    fetched: Vec<Duration>,
}

impl Run {
    fn new(size: FrameSize, form: CallForm) -> Self {
        let rate = FrameRate::hz(60).expect("60 is a rate");
        let config = EncoderConfig::new(size, rate, Bitrate::from_mbps(4).expect("4M is a bitrate"))
            .nvenc(NvencConfig::new().form(form));
        Self { encoder: OpenH264Encoder::new(&config).expect("opens"), fetched: Vec::new() }
    }

    fn encode(&mut self, frames: usize, pace: Option<Duration>) {
        let size = self.encoder.size();
        let context = CudaContext::new(0).expect("the double has a GPU");
        context.bind_to_thread().expect("the context works");
        let (width, rows) = (size.width() as usize, size.height() as usize * 3 / 2);
        // SAFETY: the content does not matter; the memory is freed below.
        let address = unsafe { result::malloc_sync(width * rows) }.expect("there is memory");
        // SAFETY: the memory lives until no call reads it any more, and nothing writes it.
        let frame = unsafe { Frame::cuda(size, CudaImage::nv12(address, width), Timestamp(0)) };
        let frame = frame.expect("the image is one");
        // The first pictures make the objects that later ones reuse.
        let warm_up = 3;
        let mut due = Instant::now();
        for number in 0..frames + warm_up {
            if let Some(pace) = pace {
                due += pace;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let times = self.encoder.encode(&frame, Picture::Auto).expect("encodes").times;
            if number >= warm_up {
                self.fetched.push(times.upload);
            }
        }
        self.encoder.forget_cuda(None).expect("nothing is in the way");
        // SAFETY: made above, and nothing reads it any more.
        unsafe { result::free_sync(address) }.expect("it is freed once");
    }
}

/// The percentile in microseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len() - 1);
    times[at].as_secs_f64() * 1e6
}
