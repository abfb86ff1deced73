//! Holds the pictures to encode, all in memory before the first frame is timed.

use direct264::{FrameSize, PixelFormat};

use super::interrupt;
use super::source::BuiltIn;
use crate::failure::Failure;

/// The most memory for pictures. A longer run plays them forwards and backwards in turn.
const MAX_BYTES: usize = 512 << 20;

/// A source of pictures, one after the other.
pub(crate) trait FrameSource {
    /// Returns the size of every picture.
    fn size(&self) -> FrameSize;

    /// Returns the next picture as I420 without padding; `None` after the last.
    fn next_picture(&mut self) -> Option<Result<Vec<u8>, Failure>>;
}

/// The built-in pictures, in order.
pub(crate) struct BuiltInSource {
    size: FrameSize,
    pictures: BuiltIn,
    left: std::ops::Range<u32>,
}

impl BuiltInSource {
    /// Creates a source of `frames` different pictures, or of as many as fit into memory.
    pub(crate) fn new(size: FrameSize, frames: u32) -> Self {
        let frames = frames.min(u32::try_from(room(size)).unwrap_or(u32::MAX));
        Self { size, pictures: BuiltIn::new(size, frames, 1), left: 0..frames }
    }
}

impl FrameSource for BuiltInSource {
    fn size(&self) -> FrameSize {
        self.size
    }

    fn next_picture(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        self.left.next().map(|index| Ok(self.pictures.picture(index)))
    }
}

/// Pictures of one size.
pub(crate) struct Clip {
    pub(crate) size: FrameSize,
    pictures: Vec<Vec<u8>>,
}

impl Clip {
    /// Takes up to `frames` pictures from `source`, or as many as fit into memory.
    ///
    /// # Errors
    /// The source's error; a source without a picture; Ctrl-C.
    pub(crate) fn load(source: &mut dyn FrameSource, frames: usize) -> Result<Self, Failure> {
        let size = source.size();
        let mut pictures = Vec::new();
        while pictures.len() < frames.min(room(size)) {
            interrupt::check()?;
            match source.next_picture() {
                Some(picture) => pictures.push(picture?),
                None => break,
            }
        }
        if pictures.is_empty() {
            return Err(Failure::before("the input has no picture"));
        }
        Ok(Self { size, pictures })
    }

    /// Returns the number of different pictures.
    pub(crate) fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Returns the picture of frame `frame`. After the last picture the clip runs backwards, then forwards again, so
    /// that a long run has no jump that the clip lacks.
    pub(crate) fn picture(&self, frame: usize) -> &[u8] {
        &self.pictures[forth_and_back(frame, self.pictures.len())]
    }
}

/// Returns how many pictures of `size` fit into memory, at least two so that something moves.
fn room(size: FrameSize) -> usize {
    (MAX_BYTES / PixelFormat::I420.frame_bytes(size)).max(2)
}

fn forth_and_back(frame: usize, length: usize) -> usize {
    let turn = (2 * length).saturating_sub(2).max(1);
    let at = frame % turn;
    at.min(turn - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_plays_forth_and_back_without_showing_its_ends_twice() {
        let shown: Vec<_> = (0..9).map(|frame| forth_and_back(frame, 4)).collect();
        assert_eq!(shown, [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert!((0..9).all(|frame| forth_and_back(frame, 1) == 0));
    }

    #[test]
    fn a_clip_holds_no_more_than_was_asked_for() {
        let size = FrameSize::new(64, 64).unwrap();
        let clip = Clip::load(&mut BuiltInSource::new(size, 5), 5).unwrap();
        assert_eq!(clip.len(), 5);
        assert_eq!(clip.picture(8), clip.picture(0));
        assert_ne!(clip.picture(3), clip.picture(4));
    }
}
