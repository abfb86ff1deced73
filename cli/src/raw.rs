//! Reads raw video: frames of one length in bytes, back to back, without headers.

use std::io::Read;

use crate::read_error::ReadError;

/// A reader of raw frames.
#[derive(Debug)]
pub struct RawReader<R> {
    input: R,
    frame_bytes: usize,
    frames: u64,
}

impl<R: Read> RawReader<R> {
    /// Creates a reader of frames of `frame_bytes` from `input`.
    pub const fn new(input: R, frame_bytes: usize) -> Self {
        Self { input, frame_bytes, frames: 0 }
    }

    /// Reads the next frame into `pixels`, whose allocation is reused. Returns `false` and empties `pixels` at the end
    /// of the input.
    ///
    /// # Errors
    /// [`ReadError`] when the input ends within a frame or fails.
    pub fn read(&mut self, pixels: &mut Vec<u8>) -> Result<bool, ReadError> {
        pixels.clear();
        let (frame, needed) = (self.frames, self.frame_bytes);
        let byte = |got: usize| frame.saturating_mul(needed as u64).saturating_add(got as u64);
        let read = self.input.by_ref().take(needed as u64).read_to_end(pixels);
        read.map_err(|source| ReadError::Io { frame, byte: byte(pixels.len()), source })?;
        match pixels.len() {
            0 => Ok(false),
            got if got < needed => Err(ReadError::Truncated { frame, byte: byte(got), got, needed }),
            _ => {
                self.frames += 1;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_come_out_and_a_rest_is_named() {
        let mut reader = RawReader::new(&b"abcdefgh"[..], 3);
        let mut pixels = Vec::new();
        assert!(reader.read(&mut pixels).unwrap());
        assert_eq!(pixels, b"abc");
        assert!(reader.read(&mut pixels).unwrap());
        assert_eq!(pixels, b"def");
        let error = reader.read(&mut pixels).unwrap_err();
        assert_eq!(error.to_string(), "frame 2 ends after 2 of its 3 bytes, at byte 8");
    }

    #[test]
    fn the_end_is_between_two_frames() {
        let mut reader = RawReader::new(&b"abc"[..], 3);
        let mut pixels = Vec::new();
        assert!(reader.read(&mut pixels).unwrap());
        assert!(!reader.read(&mut pixels).unwrap());
        assert!(pixels.is_empty());
    }
}
