//! Encodes a y4m clip with openh264, writes the stream and tells what each `encode` call took.
//!
//!     timed_encode CLIP.y4m STREAM.h264 BITS_PER_SECOND SLICES      a line a frame: microseconds, CPU microseconds
//!     timed_encode CLIP.y4m                                         the first access unit on stdout, then the end
//!
//! The first form has every picture in memory before the first call, as the rivals in `compare.py` have it. The
//! second is for cold starts: whoever started it holds the watch.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU8;
use std::time::Instant;

use cpu_time::ProcessTime;
use direct264::{
    Backend, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Order, Picture, PixelFormat,
    Timestamp, open,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [clip] => first(clip),
        [clip, stream, bitrate, slices] => all(clip, stream, bitrate.parse()?, slices.parse()?),
        _ => Err("CLIP.y4m [STREAM.h264 BITS_PER_SECOND SLICES]".into()),
    }
}

fn first(clip: &str) -> Result<()> {
    let mut clip = Clip::open(clip)?;
    let config = EncoderConfig::new(clip.size, clip.frame_rate, Bitrate::from_mbps(2)?);
    let mut encoder = open(&config, &Order::only(Backend::OpenH264))?.encoder;
    let picture = clip.picture()?.ok_or("the clip is empty")?;
    let frame = Frame::contiguous(clip.size, PixelFormat::I420, &picture, Timestamp(0))?;
    let mut out = std::io::stdout().lock();
    out.write_all(encoder.encode(&frame, Picture::Auto)?.bytes)?;
    Ok(out.flush()?)
}

fn all(clip: &str, stream: &str, bits_per_second: u64, slices: NonZeroU8) -> Result<()> {
    let mut clip = Clip::open(clip)?;
    let mut pictures = Vec::new();
    while let Some(picture) = clip.picture()? {
        pictures.push(picture);
    }
    let config = EncoderConfig::new(clip.size, clip.frame_rate, Bitrate::from_bps(bits_per_second)?)
        .slices(Some(slices))
        .threads(Some(slices));
    let mut encoder = open(&config, &Order::only(Backend::OpenH264))?.encoder;
    let mut stream = File::create(stream)?;
    let mut lines = String::new();
    for (index, picture) in pictures.iter().enumerate() {
        let timestamp = Timestamp(i64::try_from(index)?);
        let frame = Frame::contiguous(clip.size, PixelFormat::I420, picture, timestamp)?;
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let unit = encoder.encode(&frame, Picture::Auto)?;
        let (took, cpu) = (start.elapsed(), cpu.elapsed());
        stream.write_all(unit.bytes)?;
        lines += &format!("{:.1} {:.1}\n", took.as_secs_f64() * 1e6, cpu.as_secs_f64() * 1e6);
    }
    Ok(std::io::stdout().write_all(lines.as_bytes())?)
}

/// A y4m clip as `compare.py` writes it: 8-bit 4:2:0, nothing in the frame lines.
struct Clip {
    reader: BufReader<File>,
    size: FrameSize,
    frame_rate: FrameRate,
}

impl Clip {
    fn open(path: &str) -> Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let value = |tag: char| {
            header
                .split_whitespace()
                .skip(1)
                .find_map(|word| word.strip_prefix(tag))
                .ok_or("not a y4m header")
        };
        let size = FrameSize::new(value('W')?.parse()?, value('H')?.parse()?)?;
        let (numerator, denominator) = value('F')?.split_once(':').ok_or("no frame rate")?;
        let frame_rate = FrameRate::new(numerator.parse()?, denominator.parse()?)?;
        Ok(Self { reader, size, frame_rate })
    }

    fn picture(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut picture = vec![0; PixelFormat::I420.frame_bytes(self.size)];
        self.reader.read_exact(&mut picture)?;
        Ok(Some(picture))
    }
}
