//! Converts host frames of any format to planar 4:2:0 of even size, for a backend that does not read their format.

use std::ops::Range;

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::colour::{Colour, ColourMatrix, ColourRange};
use crate::format::RgbOrder;
use crate::frame::{Frame, Pixels, Plane};
use crate::units::FrameSize;

/// Planes of even size to write to, in whole rows. Both chroma planes have the same stride.
#[derive(Debug)]
pub(crate) struct PlanesMut<'a> {
    pub(crate) y: &'a mut [u8],
    pub(crate) u: &'a mut [u8],
    pub(crate) v: &'a mut [u8],
    pub(crate) y_stride: usize,
    pub(crate) chroma_stride: usize,
}

#[derive(Debug)]
pub(crate) struct Converter {
    colour: Colour,
    /// A copy of rows that the crate `yuv` cannot read where they are.
    rows: Vec<u8>,
}

/// The rows of memory that may change which are copied and converted at a time: they stay in the CPU's cache.
const ROWS_AT_A_TIME: usize = 8;

impl Converter {
    pub(crate) const fn new(colour: Colour) -> Self {
        Self { colour, rows: Vec::new() }
    }

    /// Writes a frame in host memory to planes of `frame.size().padded_to_even()`.
    pub(crate) fn write(&mut self, frame: &Frame<'_>, to: &mut PlanesMut<'_>) {
        write_luma(frame, to.y, to.y_stride);
        self.write_chroma(frame, to.u, to.v, to.chroma_stride);
        if let Pixels::Rgb { order, plane } = *frame.pixels() {
            self.convert_rgb(frame.size(), order, plane, to);
            pad_luma(frame.size(), to.y, to.y_stride);
        }
    }

    /// Copies the chroma of a 4:2:0 frame. Chroma of an odd size is rounded up already, so it needs no padding.
    pub(crate) fn write_chroma(&mut self, frame: &Frame<'_>, u: &mut [u8], v: &mut [u8], stride: usize) {
        let (columns, rows) = frame.size().chroma();
        match *frame.pixels() {
            Pixels::I420 { u: from_u, v: from_v, .. } => {
                copy_rows(from_u, u, stride, columns, rows);
                copy_rows(from_v, v, stride, columns, rows);
            }
            Pixels::Nv12 { uv, .. } => deinterleave(uv, u, v, stride, columns as usize, &mut self.rows),
            Pixels::Rgb { .. } | Pixels::Cuda(_) => {}
        }
    }

    fn convert_rgb(&mut self, size: FrameSize, order: RgbOrder, plane: Plane<'_>, to: &mut PlanesMut<'_>) {
        let (rows, stride) = (size.height() as usize, plane.stride_bytes());
        let Some(bytes) = plane.bytes() else {
            for first in (0..rows).step_by(ROWS_AT_A_TIME) {
                self.convert_copy(size, order, plane, to, first..rows.min(first + ROWS_AT_A_TIME));
            }
            return;
        };
        if let Some(whole) = bytes.get(..stride * rows) {
            self.convert_rows(size, order, whole, stride, to, 0);
            return;
        }
        // The crate `yuv` leaves out a last row that ends before its stride, and the row that pairs with it. So the
        // last rows go through a copy.
        let first = (rows - 1) / 2 * 2;
        if let Some(whole) = bytes.get(..stride * first) {
            self.convert_rows(size, order, whole, stride, to, 0);
        }
        self.convert_copy(size, order, plane, to, first..rows);
    }

    /// Converts a copy of some rows, from an even row on.
    fn convert_copy(
        &mut self,
        size: FrameSize,
        order: RgbOrder,
        plane: Plane<'_>,
        to: &mut PlanesMut<'_>,
        rows: Range<usize>,
    ) {
        let row_bytes = size.width() as usize * order.bytes_per_pixel();
        let (first, mut copy) = (rows.start, std::mem::take(&mut self.rows));
        copy.resize(rows.len() * row_bytes, 0);
        plane.copy_rows(first, &mut copy, row_bytes, row_bytes);
        self.convert_rows(size, order, &copy, row_bytes, to, first);
        self.rows = copy;
    }

    /// Converts whole rows. The first of them becomes luma row `first`, an even number.
    fn convert_rows(
        &self,
        size: FrameSize,
        order: RgbOrder,
        bytes: &[u8],
        stride: usize,
        to: &mut PlanesMut<'_>,
        first: usize,
    ) {
        let rows = bytes.len() / stride;
        if rows == 0 {
            return;
        }
        let matrix = match self.colour.matrix {
            ColourMatrix::Bt709 => YuvStandardMatrix::Bt709,
            ColourMatrix::Bt601 => YuvStandardMatrix::Bt601,
        };
        let range = match self.colour.range {
            ColourRange::Limited => YuvRange::Limited,
            ColourRange::Full => YuvRange::Full,
        };
        let convert = match order {
            RgbOrder::Rgb24 => yuv::rgb_to_yuv420,
            RgbOrder::Bgr24 => yuv::bgr_to_yuv420,
            RgbOrder::Rgba => yuv::rgba_to_yuv420,
            RgbOrder::Bgra => yuv::bgra_to_yuv420,
        };
        // The crate `yuv` finds a last odd row by the bytes left over: every slice must hold these rows and no more.
        let luma = to.y_stride * first..to.y_stride * (first + rows);
        let chroma = to.chroma_stride * (first / 2)..to.chroma_stride * (first + rows).div_ceil(2);
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut to.y[luma]),
            y_stride: to.y_stride as u32,
            u_plane: BufferStoreMut::Borrowed(&mut to.u[chroma.clone()]),
            u_stride: to.chroma_stride as u32,
            v_plane: BufferStoreMut::Borrowed(&mut to.v[chroma]),
            v_stride: to.chroma_stride as u32,
            width: size.width(),
            height: rows as u32,
        };
        let done = convert(&mut image, bytes, stride as u32, range, matrix, YuvConversionMode::Balanced);
        // `Frame` checked its size when it was made, and the planes have the same size.
        debug_assert!(done.is_ok(), "{done:?}");
    }
}

/// Copies the luma of a 4:2:0 frame, padded to even. RGB has no luma to copy.
fn write_luma(frame: &Frame<'_>, y: &mut [u8], stride: usize) {
    let size = frame.size();
    match *frame.pixels() {
        Pixels::I420 { y: from, .. } | Pixels::Nv12 { y: from, .. } => {
            copy_rows(from, y, stride, size.width(), size.height());
            pad_luma(size, y, stride);
        }
        Pixels::Rgb { .. } | Pixels::Cuda(_) => {}
    }
}

fn copy_rows(from: Plane<'_>, to: &mut [u8], stride: usize, columns: u32, rows: u32) {
    let end = to.len().min(stride * rows as usize);
    from.copy_rows(0, &mut to[..end], stride, columns as usize);
}

fn deinterleave(
    uv: Plane<'_>,
    u: &mut [u8],
    v: &mut [u8],
    stride: usize,
    columns: usize,
    scratch: &mut Vec<u8>,
) {
    let count = u.len().min(v.len()) / stride;
    let mut rows = u.chunks_exact_mut(stride).zip(v.chunks_exact_mut(stride));
    uv.each_row(count, 2 * columns, scratch, |row| {
        let Some((u, v)) = rows.next() else { return };
        deinterleave_row(row.as_chunks::<2>().0, u, v);
    });
}

// Not in line: as arguments the compiler knows that the three do not overlap.
#[inline(never)]
fn deinterleave_row(pairs: &[[u8; 2]], u: &mut [u8], v: &mut [u8]) {
    for ((u, v), &pair) in u.iter_mut().zip(v).zip(pairs) {
        // One load of 16 bits lets the compiler vectorise; two byte loads took 16 times as long.
        let pair = u16::from_le_bytes(pair);
        (*u, *v) = ((pair & 0xff) as u8, (pair >> 8) as u8);
    }
}

/// Repeats the last column and the last row of an odd picture in a plane of even size.
fn pad_luma(size: FrameSize, y: &mut [u8], stride: usize) {
    let (width, height) = (size.width() as usize, size.height() as usize);
    if width % 2 == 1 {
        for row in y.chunks_exact_mut(stride) {
            row[width] = row[width - 1];
        }
    }
    if height % 2 == 1 {
        y.copy_within(stride * (height - 1)..stride * height, stride * height);
    }
}
