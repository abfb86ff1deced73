//! Opens the input and reads its properties before any output is written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use direct264::colour::ColourRange;
use direct264::units::SampleAspect;
use direct264::{FrameSize, PixelFormat};

use super::options::EncodeArgs;
use super::paths::FileOrStdio;
use crate::failure::Failure;
use crate::read_error::ReadError;
use crate::values::pixel_format_name;
use crate::{raw, y4m};

/// The buffer size for y4m headers in bytes. Whole frames are read past the buffer.
const BUFFER_BYTES: usize = 64 << 10;

type Bytes = BufReader<Box<dyn Read + Send>>;

/// The open input and its properties.
pub(super) struct VideoInput {
    /// The input's name in messages.
    pub(super) name: String,
    /// The size of the frames.
    pub(super) size: FrameSize,
    /// The pixel format of the frames.
    pub(super) format: PixelFormat,
    /// The frame rate in the header as a fraction.
    pub(super) frame_rate: Option<(u32, u32)>,
    /// The sample aspect ratio.
    pub(super) aspect: Option<SampleAspect>,
    /// The colour range.
    pub(super) range: Option<ColourRange>,
    /// The most frames that a regular file can hold. A truncated file holds fewer, and so does y4m with parameters in
    /// frame headers.
    pub(super) most_frames: Option<u64>,
    /// The reader of the frames.
    pub(super) frames: Frames,
}

/// A reader of y4m or of raw frames.
pub(super) enum Frames {
    Y4m(y4m::Y4mReader<Bytes>),
    Raw(raw::RawReader<Bytes>),
}

impl Frames {
    /// Reads the next frame into `pixels`. Returns `false` at the end.
    ///
    /// # Errors
    /// The [`ReadError`] of the reader.
    pub(super) fn read(&mut self, pixels: &mut Vec<u8>) -> Result<bool, ReadError> {
        match self {
            Self::Y4m(reader) => reader.read(pixels),
            Self::Raw(reader) => reader.read(pixels),
        }
    }
}

impl VideoInput {
    /// Opens `place` as raw video if the options give a size, else as y4m.
    ///
    /// # Errors
    /// When the input cannot be read or has another format.
    pub(super) fn open(place: &FileOrStdio, args: &EncodeArgs) -> Result<Self, Failure> {
        let name = place.to_string();
        let unreadable = |error: io::Error| Failure::before(format!("{name} cannot be read: {error}"));
        let (reader, file_bytes): (Box<dyn Read + Send>, Option<u64>) = match place {
            FileOrStdio::Standard(_) => (Box::new(io::stdin()), None),
            FileOrStdio::File(path) => {
                let file = File::open(path).map_err(unreadable)?;
                let metadata = file.metadata().map_err(unreadable)?;
                (Box::new(file), metadata.is_file().then_some(metadata.len()))
            }
        };
        let bytes = BufReader::with_capacity(BUFFER_BYTES, reader);
        match (args.size, args.pixel_format) {
            (Some(size), format) => {
                Self::raw(name, bytes, file_bytes, size, format.unwrap_or(PixelFormat::I420))
            }
            (None, Some(format)) => Err(Failure::before(format!(
                "--pixel-format {} is for raw input, which needs --size WxH as well",
                pixel_format_name(format)
            ))),
            (None, None) => Self::y4m(name, bytes, file_bytes),
        }
    }

    fn y4m(name: String, bytes: Bytes, file_bytes: Option<u64>) -> Result<Self, Failure> {
        let reader = y4m::Y4mReader::new(bytes).map_err(|error| Failure::before(refused(&name, &error)))?;
        let y4m::Header { size, frame_rate, aspect, range } = reader.header().clone();
        Ok(Self {
            name,
            size,
            format: PixelFormat::I420,
            frame_rate,
            aspect,
            range,
            most_frames: file_bytes.map(|bytes| reader.most_frames_in(bytes)),
            frames: Frames::Y4m(reader),
        })
    }

    fn raw(
        name: String,
        mut bytes: Bytes,
        file_bytes: Option<u64>,
        size: FrameSize,
        format: PixelFormat,
    ) -> Result<Self, Failure> {
        let start =
            bytes.fill_buf().map_err(|error| Failure::before(format!("{name} cannot be read: {error}")))?;
        if start.starts_with(y4m::MAGIC) {
            return Err(Failure::before(format!(
                "{name} is y4m, which says its own size: leave out --size {size} and --pixel-format"
            )));
        }
        let frame_bytes = format.frame_bytes(size);
        if let Some(bytes) = file_bytes.filter(|bytes| bytes % frame_bytes as u64 != 0) {
            return Err(Failure::before(format!(
                "{name} has {bytes} bytes, which is no multiple of a frame's {frame_bytes} ({} {size})",
                pixel_format_name(format)
            )));
        }
        Ok(Self {
            name,
            size,
            format,
            frame_rate: None,
            aspect: None,
            range: None,
            most_frames: file_bytes.map(|bytes| bytes / frame_bytes as u64),
            frames: Frames::Raw(raw::RawReader::new(bytes, frame_bytes)),
        })
    }
}

fn refused(name: &str, error: &y4m::HeaderError) -> String {
    let hint = match error {
        y4m::HeaderError::Magic { is_empty: false } => {
            ": for raw frames give --size WxH and --pixel-format; anything else ffmpeg turns into y4m with \
             -pix_fmt yuv420p -f yuv4mpegpipe"
        }
        _ => "",
    };
    format!("{name} {error}{hint}")
}
