//! Frames of any numbers.

use super::numbers::Numbers;
use direct264::frame::{Pixels, Plane, RgbOrder};
use direct264::{Frame, FrameSize, PixelFormat, Timestamp};

/// Makes frames with sizes, strides and lengths that the bytes choose. None panics, and each row of an accepted frame
/// exists.
pub(crate) fn frames(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let Ok(size) = FrameSize::new(numbers.number32(), numbers.number32()) else { return };
    let memory = [0; 1 << 14];
    let mut plane = || {
        let (length, stride) = (numbers.number(), numbers.number());
        Plane::new(&memory[..length.min(memory.len())], stride)
    };
    let planes = [plane(), plane(), plane()];
    let [y, u, v] = planes;
    let made = [
        Frame::i420(size, y, u, v, Timestamp(0)),
        Frame::nv12(size, y, u, Timestamp(0)),
        Frame::rgb(size, RgbOrder::Bgr24, y, Timestamp(0)),
        Frame::rgb(size, RgbOrder::Rgba, y, Timestamp(0)),
    ];
    made.iter().flatten().for_each(every_row_is_there);
    for (_, format) in PixelFormat::NAMED {
        let needed = format.frame_bytes(size);
        let bytes = y.bytes().unwrap_or_default();
        assert_eq!(Frame::contiguous(size, format, bytes, Timestamp(0)).is_ok(), bytes.len() == needed);
    }
}

fn every_row_is_there(frame: &Frame<'_>) {
    let (columns, rows) = frame.size().chroma();
    let (width, height) = (frame.size().width(), frame.size().height());
    match frame.pixels() {
        Pixels::I420 { y, u, v } => {
            row_is_there(y, width, height);
            row_is_there(u, columns, rows);
            row_is_there(v, columns, rows);
        }
        Pixels::Nv12 { y, uv } => {
            row_is_there(y, width, height);
            row_is_there(uv, 2 * columns, rows);
        }
        Pixels::Rgb { order, plane } => row_is_there(plane, width * order.bytes_per_pixel() as u32, height),
        other => panic!("{other:?} was not asked for"),
    }
}

/// Reads the last row, which lies behind all others.
fn row_is_there(plane: &Plane<'_>, row_bytes: u32, rows: u32) {
    assert!(plane.stride_bytes() >= row_bytes as usize);
    let start = plane.stride_bytes() * (rows as usize - 1);
    assert!(plane.bytes().is_some_and(|bytes| bytes.get(start..start + row_bytes as usize).is_some()));
}
