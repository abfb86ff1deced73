//! A starting point for a service: a thread that captures, an encoder on a thread of its own, and async code that
//! sends. The receiver asks for a keyframe, the estimate of the network falls and rises, and at the end everything is
//! shut down.
//!
//! ```sh
//! cargo run --release --example worker
//! ```
//!
//! The crate `pollster` takes the place of a runtime. With a runtime, `send` is a task.
#![expect(clippy::print_stdout, reason = "an example speaks to the person who runs it")]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use direct264::frame::RgbOrder;
use direct264::rtc::{KeyframeGate, RateGlue, RtpClock};
use direct264::worker::{FramePool, FrameSender, UnitReceiver, WorkerConfig, spawn};
use direct264::{
    BackendOrder, Bitrate, EncoderConfig, FrameRate, FrameSize, Picture, PixelFormat, Timestamp,
};
use pollster::block_on;

const HZ: u32 = 60;
const CALL: Duration = Duration::from_secs(5);
const FORMAT: PixelFormat = PixelFormat::Rgb(RgbOrder::Bgra);

fn main() -> Result<(), Box<dyn Error>> {
    let size = FrameSize::new(1280, 720)?;
    let config = EncoderConfig::new(size, FrameRate::hz(HZ)?, Bitrate::from_mbps(3)?);
    let opened = direct264::open(&config, &BackendOrder::auto())?;
    for why in &opened.passed_over {
        println!("{why}; {}", why.advice());
    }
    let (frames, units) = spawn(opened.encoder, WorkerConfig::new())?;

    let to_capture = frames.clone();
    let start = Instant::now();
    let capture = thread::spawn(move || capture(&to_capture, size, start));
    let sent = block_on(send(&frames, units, RtpClock::new(start)));
    // The receiver is gone, which has ended the worker, and so the capture.
    capture.join().map_err(|_| "the capture has panicked")?;
    sent
}

/// Captures a frame every 1/60 s until the worker ends. No frame waits for the encoder, and memory is reused.
fn capture(frames: &FrameSender, size: FrameSize, start: Instant) {
    let pool = FramePool::new(4);
    let mut clock = RtpClock::new(start);
    for number in 0.. {
        let due = start + Duration::from_secs(1) * number / HZ;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut frame = pool.frame(size, FORMAT, Timestamp(0));
        frame.set_timestamp(clock.stamp(Instant::now()));
        draw(frame.bytes_mut(), size, number);
        if frames.submit(frame, Picture::Auto).is_err() {
            return;
        }
    }
}

/// Sends access units to the network, and reacts to its feedback.
async fn send(frames: &FrameSender, mut units: UnitReceiver, clock: RtpClock) -> Result<(), Box<dyn Error>> {
    let mut keyframes = KeyframeGate::default();
    let mut rate = RateGlue::new(Bitrate::from_mbps(3)?, Bitrate::from_kbps(200)?, Bitrate::from_mbps(6)?);
    let mut sent = 0;
    let end = Instant::now() + CALL;
    while Instant::now() < end
        && let Some(unit) = units.recv().await
    {
        let unit = unit?;
        let now = Instant::now();
        keyframes.coded(unit.is_idr, now);
        // Here the access unit goes to the packetiser, with `clock.rtp(unit.timestamp)`.
        sent += 1;
        if unit.is_idr {
            println!(
                "access unit {sent}, RTP {}: {} bytes, an IDR by {}; the frame waited {:?}, and it was received after {:?}",
                clock.rtp(unit.timestamp),
                unit.bytes.len(),
                unit.backend,
                unit.waited(),
                now - unit.coded_at(),
            );
        }
        // The network's feedback.
        match sent {
            90 => drop(keyframes.request(now)),
            120 | 180 => {
                let estimate_bps = if sent == 120 { 1_000_000 } else { 4_000_000 };
                if let Some(change) = rate.estimate(estimate_bps) {
                    println!("access unit {sent}: the target is {} now", change.bitrate);
                    frames.set_bitrate(change.bitrate)?;
                    if change.is_deep_cut {
                        keyframes.require(now + RateGlue::IDR_AFTER_CUT);
                    }
                }
            }
            _ => {}
        }
        // The next encoded frame answers the request.
        if keyframes.picture(now) == Picture::Idr {
            frames.request_idr()?;
        }
        for event in units.take_events() {
            println!("{event:?}");
        }
    }
    println!("{:?}", units.counters());
    println!("{:?}", frames.with_encoder(|encoder| encoder.latency())?);
    units.stop(Duration::from_secs(2))?;
    Ok(())
}

/// Bands that drift, in BGRA.
fn draw(pixels: &mut [u8], size: FrameSize, number: u32) {
    for (row, line) in pixels.chunks_exact_mut(size.width() as usize * 4).enumerate() {
        for (column, pixel) in line.chunks_exact_mut(4).enumerate() {
            let level = ((column + row / 2 + 3 * number as usize) / 4 % 256) as u8;
            pixel.copy_from_slice(&[level, 255 - level, level / 2, 255]);
        }
    }
}
