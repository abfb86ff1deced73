//! Brings frames of any host format to the planar 4:2:0 of even size that the software backend reads, and
//! the hardware backend what it does not take as it comes.
//!
//! Planes that already fit are lent through; only what does not is written to a buffer, which is kept.

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::colour::{Colour, Matrix, Range};
use crate::error::FrameError;
use crate::frame::{Frame, Pixels, Plane, RgbOrder};
use crate::units::FrameSize;

/// Planes of an even size. Both chroma planes have one stride.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) y: &'a [u8],
    pub(crate) u: &'a [u8],
    pub(crate) v: &'a [u8],
    pub(crate) y_stride: usize,
    pub(crate) chroma_stride: usize,
}

#[cfg(openh264)]
impl Planes<'_> {
    /// Whether every row of a picture of `size` lies within the planes.
    pub(crate) fn hold(&self, size: FrameSize) -> bool {
        let holds = |plane: &[u8], stride: usize, row_bytes: u32, rows: u32| {
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

/// Room for what does not fit as it comes; each plane is allocated at its first use.
#[derive(Debug)]
pub(crate) struct Converter {
    colour: Colour,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    /// The last rows of packed pixels, where they do not reach their stride.
    tail: Vec<u8>,
}

impl Converter {
    pub(crate) const fn new(colour: Colour) -> Self {
        Self { colour, y: Vec::new(), u: Vec::new(), v: Vec::new(), tail: Vec::new() }
    }

    /// Gives the room back, for when the size changes.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.colour);
    }

    /// The frame as planes of `frame.size().padded_to_even()`, and whether anything had to be written for it.
    ///
    /// # Errors
    /// [`FrameError::NotInHostMemory`] for a frame that was not fetched from device memory.
    pub(crate) fn planes<'a>(&'a mut self, frame: &Frame<'a>) -> Result<(Planes<'a>, bool), FrameError> {
        let size = frame.size();
        let padded = size.padded_to_even();
        let is_even = size == padded;
        let width = padded.width() as usize;
        let (chroma_width, chroma_height) = padded.chroma();
        let (chroma_width, chroma_height) = (chroma_width as usize, chroma_height as usize);
        let luma_bytes = width * padded.height() as usize;
        let chroma_bytes = chroma_width * chroma_height;
        match *frame.pixels() {
            Pixels::I420 { y, u, v } if is_even && u.stride_bytes() == v.stride_bytes() => {
                let planes = Planes {
                    y: y.bytes(),
                    u: u.bytes(),
                    v: v.bytes(),
                    y_stride: y.stride_bytes(),
                    chroma_stride: u.stride_bytes(),
                };
                return Ok((planes, false));
            }
            Pixels::I420 { u, v, .. } => {
                self.u.resize(chroma_bytes, 0);
                self.v.resize(chroma_bytes, 0);
                copy_rows(u, &mut self.u, chroma_width);
                copy_rows(v, &mut self.v, chroma_width);
            }
            Pixels::Nv12 { uv, .. } => {
                self.u.resize(chroma_bytes, 0);
                self.v.resize(chroma_bytes, 0);
                deinterleave(uv, &mut self.u, &mut self.v, chroma_width);
            }
            Pixels::Rgb { order, plane } => {
                self.y.resize(luma_bytes, 0);
                self.u.resize(chroma_bytes, 0);
                self.v.resize(chroma_bytes, 0);
                self.convert_rgb(size, order, plane, padded);
                pad_luma(&mut self.y, size, width);
            }
            Pixels::Cuda(_) => return Err(FrameError::NotInHostMemory),
        }
        let (y, y_stride) = match *frame.pixels() {
            Pixels::I420 { y, .. } | Pixels::Nv12 { y, .. } if is_even => (y.bytes(), y.stride_bytes()),
            Pixels::I420 { y, .. } | Pixels::Nv12 { y, .. } => {
                self.y.resize(luma_bytes, 0);
                for (row, to) in self.y.chunks_exact_mut(width).take(size.height() as usize).enumerate() {
                    let from = y.row(row, size.width() as usize);
                    to[..from.len()].copy_from_slice(from);
                }
                pad_luma(&mut self.y, size, width);
                (&self.y[..], width)
            }
            Pixels::Rgb { .. } | Pixels::Cuda(_) => (&self.y[..], width),
        };
        Ok((Planes { y, u: &self.u, v: &self.v, y_stride, chroma_stride: chroma_width }, true))
    }

    /// Converts `size` pixels of `plane` into the luma and chroma buffers, whose strides are the coded widths.
    fn convert_rgb(&mut self, size: FrameSize, order: RgbOrder, plane: Plane<'_>, coded: FrameSize) {
        let (rows, stride) = (size.height() as usize, plane.stride_bytes());
        if let Some(whole) = plane.bytes().get(..stride * rows) {
            self.convert_rows(size, order, whole, stride, coded, 0);
            return;
        }
        // The last row does not reach the stride, which the crate would leave out together with its pair: the last
        // rows go through a copy.
        let row_bytes = size.width() as usize * order.bytes_per_pixel();
        let first = (rows - 1) / 2 * 2;
        if let Some(whole) = plane.bytes().get(..stride * first) {
            self.convert_rows(size, order, whole, stride, coded, 0);
        }
        let mut tail = std::mem::take(&mut self.tail);
        tail.clear();
        (first..rows).for_each(|row| tail.extend_from_slice(plane.row(row, row_bytes)));
        self.convert_rows(size, order, &tail, row_bytes, coded, first);
        self.tail = tail;
    }

    /// Converts whole rows, the first of which becomes luma row `first`, an even number.
    fn convert_rows(
        &mut self,
        size: FrameSize,
        order: RgbOrder,
        bytes: &[u8],
        stride: usize,
        coded: FrameSize,
        first: usize,
    ) {
        let rows = bytes.len() / stride;
        if rows == 0 {
            return;
        }
        let matrix = match self.colour.matrix {
            Matrix::Bt709 => YuvStandardMatrix::Bt709,
            Matrix::Bt601 => YuvStandardMatrix::Bt601,
        };
        let range = match self.colour.range {
            Range::Limited => YuvRange::Limited,
            Range::Full => YuvRange::Full,
        };
        let convert = match order {
            RgbOrder::Rgb24 => yuv::rgb_to_yuv420,
            RgbOrder::Bgr24 => yuv::bgr_to_yuv420,
            RgbOrder::Rgba => yuv::rgba_to_yuv420,
            RgbOrder::Bgra => yuv::bgra_to_yuv420,
        };
        // The crate finds a last odd row by what is left over: every slice must hold these rows and no more.
        let y_stride = coded.width() as usize;
        let chroma_stride = coded.chroma().0 as usize;
        let luma = y_stride * first..y_stride * (first + rows);
        let chroma = chroma_stride * (first / 2)..chroma_stride * (first + rows).div_ceil(2);
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut self.y[luma]),
            y_stride: y_stride as u32,
            u_plane: BufferStoreMut::Borrowed(&mut self.u[chroma.clone()]),
            u_stride: chroma_stride as u32,
            v_plane: BufferStoreMut::Borrowed(&mut self.v[chroma]),
            v_stride: chroma_stride as u32,
            width: size.width(),
            height: rows as u32,
        };
        let done = convert(&mut image, bytes, stride as u32, range, matrix, YuvConversionMode::Balanced);
        // `Frame` was checked when it was made and the planes above have its size, which is all that can fail.
        debug_assert!(done.is_ok(), "{done:?}");
    }
}

fn copy_rows(from: Plane<'_>, to: &mut [u8], row_bytes: usize) {
    for (row, to) in to.chunks_exact_mut(row_bytes).enumerate() {
        let from = from.row(row, row_bytes);
        to[..from.len()].copy_from_slice(from);
    }
}

fn deinterleave(uv: Plane<'_>, u: &mut [u8], v: &mut [u8], columns: usize) {
    let rows = u.chunks_exact_mut(columns).zip(v.chunks_exact_mut(columns));
    for (row, (u, v)) in rows.enumerate() {
        let (pairs, _) = uv.row(row, 2 * columns).as_chunks::<2>();
        for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs) {
            (*u, *v) = (pair[0], pair[1]);
        }
    }
}

/// Repeats the last column and the last row of an odd picture that lies in a buffer of even size.
fn pad_luma(y: &mut [u8], size: FrameSize, stride: usize) {
    let (width, height) = (size.width() as usize, size.height() as usize);
    if width < stride {
        for row in y.chunks_exact_mut(stride) {
            row[width] = row[width - 1];
        }
    }
    if y.len() > stride * height {
        y.copy_within(stride * (height - 1)..stride * height, stride * height);
    }
}
