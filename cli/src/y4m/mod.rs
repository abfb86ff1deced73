//! Reads YUV4MPEG2 ("y4m") video of 8-bit 4:2:0, progressive. The reader refuses every other kind with an error.
//!
//! Memory grows with the bytes that arrive and not with the size that a header claims.

mod error;
mod header;

use std::io::{BufRead, Read};

use direct264::PixelFormat;

use crate::read_error::ReadError;
pub use error::HeaderError;
pub use header::Header;
pub(crate) use header::MAGIC;

/// The longest accepted stream header in bytes. FFmpeg writes some 80.
const MOST_HEADER_BYTES: u64 = 4096;
/// The longest accepted frame header in bytes. FFmpeg writes 6.
const MOST_FRAME_HEADER_BYTES: u64 = 1024;
/// The first word of each frame.
const FRAME: &[u8] = b"FRAME";
/// The shortest frame header in bytes: the word and a line feed.
const LEAST_FRAME_HEADER_BYTES: u64 = FRAME.len() as u64 + 1;
/// The largest buffer that is reserved before the pixels arrive.
const FIRST_RESERVE_BYTES: usize = 16 << 20;

/// A reader of y4m frames.
#[derive(Debug)]
pub struct Y4mReader<R> {
    input: R,
    header: Header,
    /// Bytes read from `input` so far.
    position: u64,
    /// The length of the stream header in bytes.
    header_bytes: u64,
    /// Frames read so far.
    frames: u64,
    /// Reused from frame to frame.
    line: Vec<u8>,
}

impl<R: BufRead> Y4mReader<R> {
    /// Reads the stream header.
    ///
    /// # Errors
    /// [`HeaderError`] when the header cannot be read, is not y4m, or has a value that is refused.
    pub fn new(mut input: R) -> Result<Self, HeaderError> {
        let mut line = Vec::new();
        let read = input.by_ref().take(MOST_HEADER_BYTES).read_until(b'\n', &mut line);
        let header_bytes = read.map_err(HeaderError::Io)? as u64;
        if !line.starts_with(MAGIC) {
            return Err(HeaderError::Magic { is_empty: line.is_empty() });
        }
        if line.pop() != Some(b'\n') {
            return Err(HeaderError::Unended { bytes: header_bytes, limit: MOST_HEADER_BYTES });
        }
        let header = Header::parse(&line)?;
        Ok(Self { input, header, position: header_bytes, header_bytes, frames: 0, line })
    }

    /// Returns the stream header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the most whole frames that a stream of `bytes` can hold. Parameters in frame headers make them fewer.
    #[must_use]
    pub fn most_frames_in(&self, bytes: u64) -> u64 {
        let frame = self.frame_bytes() as u64 + LEAST_FRAME_HEADER_BYTES;
        bytes.saturating_sub(self.header_bytes) / frame
    }

    /// Reads the next frame's pixels, without padding, into `pixels`, whose allocation is reused. Returns `false` and
    /// empties `pixels` at the end of the stream.
    ///
    /// # Errors
    /// [`ReadError`] when the stream ends within a frame, a frame header is malformed, or the input fails.
    pub fn read(&mut self, pixels: &mut Vec<u8>) -> Result<bool, ReadError> {
        pixels.clear();
        let start = self.position;
        if !self.read_frame_header(start)? {
            return Ok(false);
        }
        let needed = self.frame_bytes();
        pixels.reserve(needed.min(FIRST_RESERVE_BYTES));
        let read = self.input.by_ref().take(needed as u64).read_to_end(pixels);
        self.position += pixels.len() as u64;
        read.map_err(|source| self.failed(source))?;
        if pixels.len() < needed {
            return Err(ReadError::Truncated {
                frame: self.frames,
                byte: self.position,
                got: pixels.len(),
                needed,
            });
        }
        self.frames += 1;
        Ok(true)
    }

    /// Reads the frame header. Returns `false` at the end of the stream.
    fn read_frame_header(&mut self, start: u64) -> Result<bool, ReadError> {
        self.line.clear();
        let read = self.input.by_ref().take(MOST_FRAME_HEADER_BYTES).read_until(b'\n', &mut self.line);
        self.position += self.line.len() as u64;
        read.map_err(|source| self.failed(source))?;
        let frame = self.frames;
        let begins_well = match self.line.strip_prefix(FRAME) {
            Some(rest) => matches!(rest.first(), None | Some(b'\n' | b' ')),
            None => FRAME.starts_with(&self.line),
        };
        match self.line.last() {
            None => Ok(false),
            Some(_) if !begins_well => Err(ReadError::NoFrame { frame, byte: start }),
            Some(b'\n') => Ok(true),
            Some(_) if self.line.len() as u64 == MOST_FRAME_HEADER_BYTES => {
                Err(ReadError::LongFrameHeader { frame, byte: start, limit: MOST_FRAME_HEADER_BYTES })
            }
            Some(_) => Err(ReadError::TruncatedHeader { frame, byte: self.position }),
        }
    }

    fn frame_bytes(&self) -> usize {
        PixelFormat::I420.frame_bytes(self.header.size)
    }

    fn failed(&self, source: std::io::Error) -> ReadError {
        ReadError::Io { frame: self.frames, byte: self.position, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two frames of 4x2 after a header of 20 bytes; the second has a parameter.
    const CLIP: &[u8] = b"YUV4MPEG2 W4 H2 F5:1\nFRAME\nabcdefghijklFRAME Ip\nABCDEFGHIJKL";

    fn error_of(bytes: &[u8]) -> (u64, String) {
        let mut reader = Y4mReader::new(bytes).unwrap();
        let mut pixels = Vec::new();
        let mut frames = 0;
        loop {
            match reader.read(&mut pixels) {
                Ok(true) => frames += 1,
                Ok(false) => panic!("no error in {} bytes", bytes.len()),
                Err(error) => return (frames, error.to_string()),
            }
        }
    }

    #[test]
    fn whole_frames_come_out_and_then_the_end() {
        let mut reader = Y4mReader::new(CLIP).unwrap();
        let mut pixels = Vec::new();
        assert!(reader.read(&mut pixels).unwrap());
        assert_eq!(pixels, b"abcdefghijkl");
        assert!(reader.read(&mut pixels).unwrap());
        assert_eq!(pixels, b"ABCDEFGHIJKL");
        assert!(!reader.read(&mut pixels).unwrap());
        assert!(!reader.read(&mut pixels).unwrap(), "the end stays the end");
    }

    #[test]
    fn a_frame_cut_short_is_named_with_its_byte() {
        let (frames, text) = error_of(&CLIP[..CLIP.len() - 5]);
        assert_eq!(frames, 1);
        assert_eq!(text, "frame 1 ends after 7 of its 12 bytes, at byte 55");
    }

    #[test]
    fn a_frame_header_cut_short_is_named_with_its_byte() {
        assert_eq!(error_of(&CLIP[..42]), (1, "frame 1 ends within its header, at byte 42".into()));
        assert_eq!(error_of(&CLIP[..40]), (1, "frame 1 ends within its header, at byte 40".into()));
    }

    #[test]
    fn what_is_no_frame_is_refused_where_it_stands() {
        let mut clip = CLIP.to_vec();
        clip[39] = b'G';
        assert_eq!(error_of(&clip), (1, "no FRAME where frame 1 should begin, at byte 39".into()));
        clip.truncate(27);
        clip.splice(21..26, *b"FRAMES");
        assert_eq!(error_of(&clip).0, 0);
    }

    #[test]
    fn a_frame_header_without_end_is_refused_at_its_limit() {
        let mut clip = CLIP[..26].to_vec();
        clip.extend([b' '; 5000]);
        assert_eq!(
            error_of(&clip),
            (0, "the header of frame 0, at byte 21, is longer than 1024 bytes".into())
        );
    }

    #[test]
    fn a_header_that_lies_about_its_size_takes_no_memory() {
        let clip = b"YUV4MPEG2 W16384 H16384 F5:1\nFRAME\nabc";
        let mut reader = Y4mReader::new(&clip[..]).unwrap();
        let mut pixels = Vec::new();
        assert!(matches!(reader.read(&mut pixels), Err(ReadError::Truncated { got: 3, .. })));
        assert!(pixels.capacity() <= 2 * FIRST_RESERVE_BYTES);
    }

    #[test]
    fn the_most_frames_count_whole_ones_alone() {
        let reader = Y4mReader::new(CLIP).unwrap();
        assert_eq!(reader.most_frames_in(21 + 18 * 3), 3);
        assert_eq!(reader.most_frames_in(21 + 18 * 3 - 1), 2);
        assert_eq!(reader.most_frames_in(0), 0);
    }

    #[test]
    fn a_stream_header_without_end_is_refused() {
        let mut bytes = b"YUV4MPEG2 W4 H2".to_vec();
        assert!(matches!(Y4mReader::new(&bytes[..]), Err(HeaderError::Unended { bytes: 15, .. })));
        bytes.resize(100_000, b' ');
        assert!(matches!(Y4mReader::new(&bytes[..]), Err(HeaderError::Unended { bytes: 4096, .. })));
    }
}
