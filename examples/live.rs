//! A live service: frames at a steady pace, a receiver that asks for a keyframe, a network that gets worse and better
//! again, and a look at the stage times.
//!
//! ```sh
//! cargo run --release --example live
//! ```
#![expect(clippy::print_stdout, reason = "an example speaks to the person who runs it")]

use std::time::{Duration, Instant};

use direct264::{
    BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, PixelFormat,
    Timestamp,
};

const HZ: u32 = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size = FrameSize::new(1280, 720)?;
    let config = EncoderConfig::new(size, FrameRate::hz(HZ)?, Bitrate::from_mbps(4)?);
    let mut opened = direct264::open(&config, &BackendOrder::auto())?;
    for why in &opened.passed_over {
        println!("{why}; {}", why.advice());
    }
    println!("encoding with {}", opened.encoder.backend());

    let mut pixels = vec![0; PixelFormat::Rgb(direct264::frame::RgbOrder::Bgra).frame_bytes(size)];
    let start = Instant::now();
    for number in 0..3 * HZ {
        draw(&mut pixels, size, number);
        // The changes that a receiver's feedback would call for.
        match number {
            60 => opened.encoder.set_bitrate(Bitrate::from_kbps(1_500)?)?,
            120 => opened.encoder.set_bitrate(Bitrate::from_mbps(4)?)?,
            _ => {}
        }
        let picture = if number == 90 { Picture::Idr } else { Picture::Auto };

        let timestamp = Timestamp(i64::from(number) * 90_000 / i64::from(HZ));
        let format = PixelFormat::Rgb(direct264::frame::RgbOrder::Bgra);
        let frame = Frame::contiguous(size, format, &pixels, timestamp)?;
        let unit = opened.encoder.encode(&frame, picture)?;
        // Here `unit.bytes` goes to the packetiser, with `unit.timestamp`.
        if unit.is_idr || number % HZ == 0 {
            println!("frame {number}: {} bytes, IDR {}, {:?}", unit.bytes.len(), unit.is_idr, unit.times);
        }

        let due = start + Duration::from_secs(1) * (number + 1) / HZ;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    for event in opened.encoder.take_events() {
        println!("{event:?}");
    }
    println!("{:?}", opened.encoder.latency());
    println!("{:?}", opened.encoder.counters());
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
