//! Frames as planar 4:2:0 of even size, which the library reads: passed through where they fit, else written to reused
//! buffers.

use crate::colour::Colour;
use crate::convert::{Converter, PlanesMut};
use crate::frame::{Frame, Pixels, PlaneBytes};
use crate::units::FrameSize;

/// Planes of even size. Both chroma planes have one stride.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) y: PlaneBytes<'a>,
    pub(super) u: PlaneBytes<'a>,
    pub(super) v: PlaneBytes<'a>,
    pub(super) y_stride: usize,
    pub(super) chroma_stride: usize,
}

impl Planes<'_> {
    /// Whether every row of a picture of `size` lies within the planes.
    pub(super) fn hold(&self, size: FrameSize) -> bool {
        let holds = |plane: PlaneBytes<'_>, stride: usize, row_bytes: u32, rows: u32| {
            let row_bytes = row_bytes as usize;
            let needed = (rows as usize - 1).checked_mul(stride).and_then(|up| up.checked_add(row_bytes));
            stride >= row_bytes && needed.is_some_and(|needed| plane.len() >= needed)
        };
        let (columns, rows) = size.chroma();
        holds(self.y, self.y_stride, size.width(), size.height())
            && holds(self.u, self.chroma_stride, columns, rows)
            && holds(self.v, self.chroma_stride, columns, rows)
    }
}

/// Buffers for frames that do not fit; each plane is allocated at its first use.
#[derive(Debug)]
pub(super) struct Planar {
    colour: Colour,
    converter: Converter,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Planar {
    pub(super) const fn new(colour: Colour) -> Self {
        Self { colour, converter: Converter::new(colour), y: Vec::new(), u: Vec::new(), v: Vec::new() }
    }

    /// Frees the buffers, for a change of size.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.colour);
    }

    /// Returns the frame as planes of `frame.size().padded_to_even()`, and whether it was written to the buffers.
    pub(super) fn planes<'a>(&'a mut self, frame: &Frame<'a>) -> (Planes<'a>, bool) {
        let size = frame.size();
        let padded = size.padded_to_even();
        let (columns, rows) = padded.chroma();
        let (width, chroma_stride) = (padded.width() as usize, columns as usize);
        let luma_bytes = width * padded.height() as usize;
        let chroma_bytes = chroma_stride * rows as usize;
        let luma = match *frame.pixels() {
            Pixels::I420 { y, .. } | Pixels::Nv12 { y, .. } if size == padded => Some(y),
            _ => None,
        };
        if let (Some(y), Pixels::I420 { u, v, .. }) = (luma, *frame.pixels())
            && u.stride_bytes() == v.stride_bytes()
        {
            let planes = Planes {
                y: y.memory(),
                u: u.memory(),
                v: v.memory(),
                y_stride: y.stride_bytes(),
                chroma_stride: u.stride_bytes(),
            };
            return (planes, false);
        }
        self.u.resize(chroma_bytes, 0);
        self.v.resize(chroma_bytes, 0);
        let (y, y_stride) = match luma {
            Some(y) => {
                self.converter.write_chroma(frame, &mut self.u, &mut self.v, chroma_stride);
                (y.memory(), y.stride_bytes())
            }
            None => {
                self.y.resize(luma_bytes, 0);
                let Self { converter, y, u, v, .. } = self;
                converter.write(frame, &mut PlanesMut { y, u, v, y_stride: width, chroma_stride });
                (PlaneBytes::Borrowed(&self.y), width)
            }
        };
        let [u, v] = [&self.u, &self.v].map(|plane| PlaneBytes::Borrowed(plane));
        (Planes { y, u, v, y_stride, chroma_stride }, true)
    }
}
