//! Encodes a y4m clip with openh264, writes the stream and tells what each `encode` call took.
//!
//!     timed_encode CLIP.y4m STREAM.h264 BITS_PER_SECOND SLICES    a line a frame: microseconds, CPU microseconds, bytes
//!     timed_encode CLIP.y4m STREAM.h264 BITS_PER_SECOND library   the same of openh264 through the crate of that name
//!     timed_encode CLIP.y4m                                       the first access unit on stdout, then the end
//!
//! The first forms have every picture in memory before the first call, as the rivals in `compare.py` have it. The
//! last is for cold starts: whoever started it holds the watch.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture,
    PixelFormat, Timestamp, open,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, encoder};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [clip] => first(clip),
        [clip, stream, bitrate, word] if word == "library" => library(clip, stream, bitrate.parse()?),
        [clip, stream, bitrate, slices] => all(clip, stream, bitrate.parse()?, slices.parse()?),
        _ => Err("CLIP.y4m [STREAM.h264 BITS_PER_SECOND SLICES|library]".into()),
    }
}

fn first(clip: &str) -> Result<()> {
    let mut clip = Clip::open(clip)?;
    let config = EncoderConfig::new(clip.size, clip.frame_rate, Bitrate::from_mbps(2)?);
    let mut encoder = open(&config, &BackendOrder::only(Backend::OpenH264))?.encoder;
    let picture = clip.picture()?.ok_or("the clip is empty")?;
    let frame = Frame::contiguous(clip.size, PixelFormat::I420, &picture, Timestamp(0))?;
    let mut out = std::io::stdout().lock();
    out.write_all(encoder.encode(&frame, Picture::Auto)?.bytes)?;
    Ok(out.flush()?)
}

fn all(clip: &str, stream: &str, bits_per_second: u64, slices: NonZeroU8) -> Result<()> {
    let (clip, pictures) = Clip::load(clip)?;
    let config = EncoderConfig::new(clip.size, clip.frame_rate, Bitrate::from_bps(bits_per_second)?)
        .slices(Some(slices))
        .threads(Some(slices));
    let mut encoder = open(&config, &BackendOrder::only(Backend::OpenH264))?.encoder;
    each(&pictures, stream, |picture| {
        let frame = Frame::contiguous(clip.size, PixelFormat::I420, picture, Timestamp(0))?;
        let start = Start::now();
        let unit = encoder.encode(&frame, Picture::Auto)?;
        Ok((start.took(), unit.bytes.to_vec()))
    })
}

/// The library with its own rate control, as near to our settings as its crate lets one come: one slice, one thread.
fn library(clip: &str, stream: &str, bits_per_second: u32) -> Result<()> {
    let (clip, pictures) = Clip::load(clip)?;
    let config = encoder::EncoderConfig::new()
        .bitrate(encoder::BitRate::from_bps(bits_per_second))
        .max_frame_rate(encoder::FrameRate::from_hz(clip.frame_rate.as_f64() as f32))
        .rate_control_mode(encoder::RateControlMode::Bitrate)
        .complexity(encoder::Complexity::Low)
        .skip_frames(false)
        .scene_change_detect(false)
        .adaptive_quantization(false)
        .background_detection(false)
        .num_threads(1);
    let mut library = encoder::Encoder::with_api_config(OpenH264API::from_source(), config)?;
    let (width, height) = (clip.size.width() as usize, clip.size.height() as usize);
    each(&pictures, stream, |picture| {
        let (y, chroma) = picture.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let slices = YUVSlices::new((y, u, v), (width, height), (width, width / 2, width / 2));
        let start = Start::now();
        let coded = library.encode(&slices)?;
        Ok((start.took(), coded.to_vec()))
    })
}

type Took = (Duration, Duration);

struct Start(Instant, ProcessTime);

impl Start {
    fn now() -> Self {
        Self(Instant::now(), ProcessTime::now())
    }

    fn took(&self) -> Took {
        (self.0.elapsed(), self.1.elapsed())
    }
}

/// Encodes each picture, writes the stream, and tells.
fn each(
    pictures: &[Vec<u8>],
    stream: &str,
    mut encode: impl FnMut(&[u8]) -> Result<(Took, Vec<u8>)>,
) -> Result<()> {
    let mut stream = File::create(stream)?;
    let mut lines = String::new();
    for picture in pictures {
        let ((took, cpu), bytes) = encode(picture)?;
        stream.write_all(&bytes)?;
        let [took, cpu] = [took, cpu].map(|time| time.as_secs_f64() * 1e6);
        lines += &format!("{took:.1} {cpu:.1} {}\n", bytes.len());
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
    /// The clip, read to its end, and its pictures.
    fn load(path: &str) -> Result<(Self, Vec<Vec<u8>>)> {
        let mut clip = Self::open(path)?;
        let mut pictures = Vec::new();
        while let Some(picture) = clip.picture()? {
            pictures.push(picture);
        }
        Ok((clip, pictures))
    }

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
