//! Measures the cost of a change of backend for the caller, on the driver double, whose answers cost nothing. Timed
//! are the `encode` call in which NVENC fails, with the software encoder warm and cold, and the call in which the
//! stream returns. The same picture from the software encoder alone is the reference.
//!
//! The bench has a harness of its own, since each switch needs a stream on the hardware before it.
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::print_stdout, reason = "its figures are for the person who runs it")]

use std::time::{Duration, Instant};

use d264_double::{Double, Stage};
use direct264::config::{BackOff, FailoverConfig};
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, FailoverEncoder, Frame, FrameRate, FrameSize,
    Picture, PixelFormat, Timestamp, open,
};
// The pictures of `direct264 bench`, so that the figures can be compared.
use direct264_cli::bench::source::BuiltIn;

const ROUNDS: usize = 40;
const PICTURES: u32 = 16;
/// The pause between two frames of a stream.
const PACE: Duration = Duration::from_millis(20);
/// Name, width, height, kbit/s.
const SIZES: [(&str, u32, u32, u64); 2] = [("720p", 1280, 720, 2_000), ("1080p", 1920, 1080, 4_000)];

struct Clip {
    size: FrameSize,
    pictures: Vec<Vec<u8>>,
    next: usize,
}

impl Clip {
    fn new(size: FrameSize) -> Self {
        let source = BuiltIn::new(size, 2 * PICTURES, 1);
        Self { size, pictures: (0..PICTURES).map(|index| source.picture(index)).collect(), next: 0 }
    }

    /// Encodes the next picture, and returns the time and the backend.
    fn encode(&mut self, encoder: &mut FailoverEncoder, picture: Picture) -> (Duration, Backend) {
        let pixels = &self.pictures[self.next % self.pictures.len()];
        self.next += 1;
        let frame = Frame::contiguous(self.size, PixelFormat::I420, pixels, Timestamp(0)).expect("fits");
        let start = Instant::now();
        let backend = encoder.encode(&frame, picture).expect("encodes").backend;
        (start.elapsed(), backend)
    }
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let max = times.last().copied().unwrap_or_default();
    println!("  {what:<44} p50 {:>7.2} ms   max {:>7.2} ms", ms(times[times.len() / 2]), ms(max));
}

/// The software encoder by itself.
struct Alone {
    encoder: FailoverEncoder,
    idr: Vec<Duration>,
    p: Vec<Duration>,
}

impl Alone {
    fn new(config: &EncoderConfig, clip: &mut Clip) -> Self {
        let mut encoder =
            open(config, &BackendOrder::only(Backend::OpenH264)).expect("openh264 opens").encoder;
        clip.encode(&mut encoder, Picture::Auto);
        Self { encoder, idr: Vec::new(), p: Vec::new() }
    }

    fn round(&mut self, clip: &mut Clip) {
        std::thread::sleep(PACE);
        self.idr.push(clip.encode(&mut self.encoder, Picture::Idr).0);
        std::thread::sleep(PACE);
        self.p.push(clip.encode(&mut self.encoder, Picture::Auto).0);
    }
}

/// A stream that leaves the hardware and returns.
struct Switching {
    encoder: FailoverEncoder,
    away: Vec<Duration>,
    back: Vec<Duration>,
}

impl Switching {
    fn new(config: &EncoderConfig, is_warm: bool) -> Self {
        // Long enough that no attempt falls into the timed call.
        let pause = Duration::from_millis(150);
        let back_off = BackOff::new(pause, pause).expect("is one");
        let failover = FailoverConfig::new().retry(Some(back_off)).warm_software(is_warm);
        let opened = open(&config.clone().failover(failover), &BackendOrder::auto()).expect("opens");
        Self { encoder: opened.encoder, away: Vec::new(), back: Vec::new() }
    }

    fn round(&mut self, stage: &Stage, clip: &mut Clip) {
        clip.encode(&mut self.encoder, Picture::Auto);
        std::thread::sleep(PACE);
        stage.set("FAULT=nvEncEncodePicture:1=20");
        let (took, backend) = clip.encode(&mut self.encoder, Picture::Auto);
        assert_eq!(backend, Backend::OpenH264);
        self.away.push(took);
        loop {
            std::thread::sleep(PACE);
            let (took, backend) = clip.encode(&mut self.encoder, Picture::Auto);
            if backend == Backend::Nvenc {
                return self.back.push(took);
            }
        }
    }
}

fn main() {
    // Without this argument `.ci/deep benches` runs the program, to see that it runs.
    let in_earnest = std::env::args().any(|argument| argument == "--bench");
    let rounds = if in_earnest { ROUNDS } else { 1 };
    let stage = Double::get().load();
    stage.set("ENCODE=canned\nCHECKS=light");
    for (name, width, height, kbps) in SIZES {
        let size = FrameSize::new(width, height).expect("the size is one");
        let config = EncoderConfig::new(
            size,
            FrameRate::hz(30).expect("30 is a rate"),
            Bitrate::from_kbps(kbps).expect("the bitrate is one"),
        );
        println!("{name}, {rounds} rounds");
        let mut clip = Clip::new(size);
        let mut alone = Alone::new(&config, &mut clip);
        let [mut warm, mut cold] = [true, false].map(|is_warm| Switching::new(&config, is_warm));
        for _ in 0..rounds {
            alone.round(&mut clip);
            warm.round(&stage, &mut clip);
            cold.round(&stage, &mut clip);
        }
        row("software alone: an IDR", alone.idr);
        row("software alone: a P picture", alone.p);
        for (how, Switching { away, back, .. }) in [("warm", warm), ("cold", cold)] {
            row(&format!("{how}: the call in which NVENC fails"), away);
            row(&format!("{how}: the call in which it is back"), back);
        }
    }
}
