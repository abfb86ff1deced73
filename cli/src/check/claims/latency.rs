//! The time of a frame, on an idle machine and beside a busy copy loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use direct264::config::CallForm;
use direct264::{Encoder, Frame, Picture, PixelFormat, Timestamp};

use crate::bench::stats::Spread;
use crate::check::device::CopyLoop;
use crate::check::outcome::{Proof, failed, refused};
use crate::check::stream::{ENCODE, open_encoder, scene};
use crate::check::subject::{Subject, ours, size};

const FRAMES: usize = 60;
/// Different pictures, which play forwards and backwards.
const PICTURES: u32 = 8;

pub(in crate::check) fn idle(subject: &Subject) -> Proof {
    measure(subject)
}

pub(in crate::check) fn busy(subject: &Subject) -> Proof {
    let stop = AtomicBool::new(false);
    let copies = CopyLoop::new(subject.memory_of.filter(|_| subject.gpu.is_some()))?;
    let what = copies.what();
    thread::scope(|scope| {
        let copying = scope.spawn(|| copies.run(&stop));
        let measured = measure(subject);
        stop.store(true, Ordering::Relaxed);
        let gib = copying.join().map_err(|_| failed("a copy loop", "a panic", "the check itself"))??;
        Ok(format!("{}; beside {gib:.1} GiB of copies in {what}", measured?))
    })
}

/// Encodes the frames at the default limits, and returns their times. The first frame is not counted.
fn measure(subject: &Subject) -> Proof {
    let size = size(1280, 720)?;
    let pictures: Vec<_> = (0..PICTURES).map(|number| scene(size).picture(number)).collect();
    let config = subject.config(size)?.nvenc(subject.nvenc().form(CallForm::default()));
    let mut encoder = open_encoder(subject, &config)?;
    let mut times = Vec::with_capacity(FRAMES);
    let forth_and_back = pictures.iter().chain(pictures.iter().rev()).cycle();
    for (number, pixels) in forth_and_back.take(FRAMES + 1).enumerate() {
        let frame = ours(Frame::contiguous(size, PixelFormat::I420, pixels, Timestamp(number as i64)))?;
        let start = Instant::now();
        let unit = encoder.encode(&frame, Picture::Auto);
        times.push(start.elapsed());
        unit.map_err(|error| refused("an access unit within the limits of a hang", &error, ENCODE))?;
    }
    let spread = Spread::of(times.into_iter().skip(1));
    let spread = spread.ok_or_else(|| failed("the time of a frame", "none", ENCODE))?;
    let [p50, p99, max] = [spread.p50, spread.p99, spread.max].map(ms);
    Ok(format!("1280x720: p50 {p50} ms, p99 {p99} ms, max {max} ms"))
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
