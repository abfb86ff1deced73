//! Measures the two hops of a worker: from submitting a frame until the encoder has it, and from the finished access
//! unit until it is received, by a blocking thread and by a woken task. At 60 Hz and back to back, with pictures that
//! take little time to encode.
//!
//! A plain program, since the result is the tail of single hops, and the pause between them is part of it.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use direct264::openh264::OpenH264Encoder;
use direct264::worker::{FramePool, HostFrame, Unit, UnitReceiver, WorkerConfig, spawn};
use direct264::{Bitrate, EncoderConfig, FrameRate, FrameSize, Picture, PixelFormat, Timestamp};

const FRAME: Duration = Duration::from_nanos(16_666_667);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn main() {
    // Without this argument `.ci/deep benches` runs the program, to see that it runs.
    let in_earnest = std::env::args().any(|argument| argument == "--bench");
    let (at_once, paced) = if in_earnest { (20_000, 1_200) } else { (50, 3) };
    println!(
        "microseconds          to the encoder p50     p99     max   to the receiver p50     p99     max"
    );
    for (pace, frames) in [(None, at_once), (Some(FRAME), paced)] {
        for is_async in [false, true] {
            let what = format!(
                "{} {}",
                if is_async { "awaited" } else { "blocking" },
                if pace.is_some() { "60 Hz" } else { "at once" }
            );
            let (mut there, mut back) = hops(frames, pace, is_async);
            let [there, back] = [&mut there, &mut back].map(|times| {
                times.sort_unstable();
                [50, 99, 100].map(|percent| {
                    let at = (times.len() * percent / 100).min(times.len() - 1);
                    times[at].as_secs_f64() * 1e6
                })
            });
            println!(
                "{what:<21} {:>18.1} {:>7.1} {:>7.1} {:>21.1} {:>7.1} {:>7.1}",
                there[0], there[1], there[2], back[0], back[1], back[2],
            );
        }
    }
}

/// Returns how long each frame and each access unit waited.
fn hops(frames: i64, pace: Option<Duration>, is_async: bool) -> (Vec<Duration>, Vec<Duration>) {
    let size = FrameSize::new(64, 48).expect("the size is one");
    let rate = FrameRate::hz(60).expect("60 is a rate");
    let config = EncoderConfig::new(size, rate, Bitrate::from_kbps(200).expect("200k is a bitrate"));
    let encoder = OpenH264Encoder::new(&config).expect("openh264 opens");
    let (sender, mut units) = spawn(encoder, WorkerConfig::new()).expect("there is a thread");
    let pool = FramePool::new(4);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let mut due = Instant::now();
    for number in 0..frames {
        if let Some(pace) = pace {
            due += pace;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let frame = pool.frame(size, PixelFormat::I420, Timestamp(number));
        sender.submit(frame, Picture::Auto).expect("the worker runs");
        let unit = receive(&mut units, is_async.then_some(&waker));
        back.push(unit.coded_at().elapsed());
        there.push(unit.waited());
    }
    (there, back)
}

fn receive(units: &mut UnitReceiver<HostFrame, OpenH264Encoder>, waker: Option<&Waker>) -> Unit {
    let unit = match waker {
        None => units.blocking_recv(),
        Some(waker) => loop {
            match units.poll_recv(&mut Context::from_waker(waker)) {
                Poll::Ready(unit) => break unit,
                Poll::Pending => thread::park(),
            }
        },
    };
    unit.expect("the worker runs").expect("it encodes")
}
