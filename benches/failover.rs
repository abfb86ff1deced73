//! What a change of backend costs the caller: the `encode` call in which NVENC fails, with the software encoder warm and
//! cold, beside the same picture from the software encoder alone, and the call in which the stream returns. On the driver
//! double, whose answers cost nothing, so that what is left is ours.
//!
//! A harness of its own: each switch needs a stream on the hardware before it, which no bench of a closure has.
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::print_stdout, reason = "its figures are for the person who runs it")]

use std::fs;
use std::time::{Duration, Instant};

use d264_double::{Double, Stage};
use direct264::{
    BackOff, Backend, Bitrate, Encoder, EncoderConfig, FailoverConfig, FailoverEncoder, Frame, FrameRate,
    FrameSize, Order, Picture, PixelFormat, Timestamp, open,
};

// The pictures of `direct264 bench`, so that the figures can be compared.
#[path = "../src/bin/direct264/bench/source/mod.rs"]
#[expect(dead_code, reason = "the description is for the command's help")]
#[cfg_attr(test, expect(unused_imports, reason = "the tests of the module run with the command, not here"))]
mod source;

const ROUNDS: usize = 40;
const PICTURES: u32 = 16;
const SIZES: [(&str, u32, u32, u64); 2] = [("720p", 1280, 720, 2_000), ("1080p", 1920, 1080, 4_000)];

struct Clip {
    size: FrameSize,
    pictures: Vec<Vec<u8>>,
    next: usize,
}

impl Clip {
    fn new(size: FrameSize) -> Self {
        let source = source::BuiltIn::new(size, 2 * PICTURES, 1);
        Self { size, pictures: (0..PICTURES).map(|index| source.picture(index)).collect(), next: 0 }
    }

    /// Encodes the next picture; how long that took, and who did it.
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

/// Kilobytes of this process that are in memory; 0 where the system does not tell.
fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn software(config: &EncoderConfig, clip: &mut Clip) {
    let mut encoder = open(config, &Order::only(Backend::OpenH264)).expect("openh264 opens").encoder;
    for (what, picture) in
        [("software alone, an IDR", Picture::Idr), ("software alone, a P picture", Picture::Auto)]
    {
        row(what, (0..ROUNDS).map(|_| clip.encode(&mut encoder, picture).0).collect());
    }
}

fn switches(stage: &Stage, config: &EncoderConfig, clip: &mut Clip, is_warm: bool) {
    let back_off = BackOff::new(Duration::from_millis(1), Duration::from_millis(1)).expect("is one");
    let failover = FailoverConfig::new().retry(Some(back_off)).warm_software(is_warm);
    let before_kb = resident_kb();
    let mut encoder = open(&config.clone().failover(failover), &Order::auto()).expect("opens").encoder;
    let opened_kb = resident_kb().saturating_sub(before_kb);
    let (mut away, mut back) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..3 {
            clip.encode(&mut encoder, Picture::Auto);
        }
        stage.set("FAULT=nvEncEncodePicture:1=20");
        let (took, backend) = clip.encode(&mut encoder, Picture::Auto);
        assert_eq!(backend, Backend::OpenH264);
        away.push(took);
        loop {
            std::thread::sleep(Duration::from_millis(5));
            let (took, backend) = clip.encode(&mut encoder, Picture::Auto);
            if backend == Backend::Nvenc {
                back.push(took);
                break;
            }
        }
    }
    let how = if is_warm { "warm" } else { "cold" };
    row(&format!("{how}: the call in which NVENC fails"), away);
    row(&format!("{how}: the call in which it is back"), back);
    println!("  {how}: {opened_kb} kB of memory came with opening, of the double's encoder too");
}

fn main() {
    let stage = Double::get().load();
    stage.set("ENCODE=canned\nCHECKS=light");
    for (name, width, height, kbps) in SIZES {
        let size = FrameSize::new(width, height).expect("the size is one");
        let config = EncoderConfig::new(
            size,
            FrameRate::hz(30).expect("30 is a rate"),
            Bitrate::from_kbps(kbps).expect("the bitrate is one"),
        );
        let mut clip = Clip::new(size);
        println!("{name}, {ROUNDS} rounds");
        switches(&stage, &config, &mut clip, false);
        switches(&stage, &config, &mut clip, true);
        software(&config, &mut clip);
    }
}
