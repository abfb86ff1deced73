//! What a stream shows: a landscape that is drawn, or a clip; with clock and frame number burnt in.

mod clip;
mod landscape;
mod marks;

use direct264::error::FrameError;
use direct264::frame::Plane;
use direct264::{Frame, FrameSize, Timestamp};

pub(crate) use clip::Clip;
use landscape::Landscape;
pub(crate) use marks::{Marks, unix_ms};

/// Planar 4:2:0, limited range, BT.709.
#[derive(Debug)]
pub(crate) struct Picture {
    size: FrameSize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Picture {
    fn new(size: FrameSize) -> Self {
        let (columns, rows) = size.chroma();
        let (luma, chroma) =
            (size.width() as usize * size.height() as usize, columns as usize * rows as usize);
        Self { size, y: vec![16; luma], u: vec![128; chroma], v: vec![128; chroma] }
    }

    fn width(&self) -> usize {
        self.size.width() as usize
    }

    fn height(&self) -> usize {
        self.size.height() as usize
    }

    fn chroma_width(&self) -> usize {
        self.size.chroma().0 as usize
    }

    /// For the encoder.
    pub(crate) fn frame(&self, timestamp: Timestamp) -> Result<Frame<'_>, FrameError> {
        let (luma, chroma) = (self.width(), self.chroma_width());
        let [y, u, v] = [(&self.y, luma), (&self.u, chroma), (&self.v, chroma)]
            .map(|(bytes, stride)| Plane::new(bytes, stride));
        Frame::i420(self.size, y, u, v, timestamp)
    }
}

/// Where pictures come from.
#[derive(Debug)]
pub(crate) enum Source {
    Drawn(Box<Landscape>),
    Played(Box<Clip>),
}

impl Source {
    /// A landscape at dusk.
    pub(crate) fn drawn() -> Self {
        Self::Drawn(Box::default())
    }

    /// The picture of this time, at 90 kHz, in this size, with its marks.
    pub(crate) fn picture(&mut self, size: FrameSize, time: Timestamp, marks: Marks) -> &Picture {
        let picture = match self {
            Self::Drawn(landscape) => landscape.draw(size, time),
            Self::Played(clip) => clip.next(size),
        };
        marks.burn_into(picture);
        picture
    }
}
