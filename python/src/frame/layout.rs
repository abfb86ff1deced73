//! Pictures as arrays: what a shape and strides in bytes mean.

use direct264::frame::RgbOrder;
use direct264::{FrameSize, PixelFormat};
use pyo3::PyResult;

use super::{Told, size};
use crate::errors;

/// An array of bytes as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size: FrameSize,
    pub(super) format: PixelFormat,
    /// Bytes from the array's first item to the first byte of the picture: not 0 if a pixel's bytes are in reverse.
    pub(super) start: isize,
    /// Bytes from the start of a row to the start of the next; `None` if the rows cannot be read in place.
    pub(super) stride: Option<usize>,
}

/// Finds the layout of an array of height x width x 3 or 4 (packed RGB), or of height * 3 / 2 x width (4:2:0).
pub(super) fn of_array(shape: &[usize], strides: &[isize], told: &Told) -> PyResult<Layout> {
    match (shape, strides) {
        (&[height, width, channels @ (3 | 4)], &[row, pixel, channel]) => {
            let shown = rgb_order(channels, told.format)?;
            let size = size(width, height)?;
            let is_packed = pixel == channels as isize;
            // `array[..., ::-1]` of three channels is the other order of the same memory.
            let (in_memory, start) = match (channel, shown) {
                (1, shown) => (Some(shown), 0),
                (-1, RgbOrder::Rgb24) => (Some(RgbOrder::Bgr24), -2),
                (-1, RgbOrder::Bgr24) => (Some(RgbOrder::Rgb24), -2),
                _ => (None, 0),
            };
            match (usize::try_from(row), in_memory) {
                (Ok(stride), Some(order)) if is_packed => {
                    Ok(Layout { size, format: PixelFormat::Rgb(order), start, stride: Some(stride) })
                }
                _ => Ok(Layout { size, format: PixelFormat::Rgb(shown), start: 0, stride: None }),
            }
        }
        (&[rows, width], &[row, column]) => {
            let format = match told.format {
                Some(format @ (PixelFormat::I420 | PixelFormat::Nv12)) => format,
                Some(_) => return Err(refused(shape, "is 4:2:0: format='nv12' or 'i420' is taken")),
                None => return Err(refused(shape, "needs format='nv12' or 'i420'")),
            };
            if !rows.is_multiple_of(3) || !width.is_multiple_of(2) || rows == 0 {
                return Err(refused(
                    shape,
                    "is 4:2:0 only as height * 3 / 2 rows of an even height and width",
                ));
            }
            let size = size(width, rows / 3 * 2)?;
            let stride = usize::try_from(row).ok().filter(|&row| {
                // A row of I420's array holds two rows of chroma, which lie in place only without padding.
                column == 1 && (format == PixelFormat::Nv12 || row == width)
            });
            Ok(Layout { size, format, start: 0, stride })
        }
        _ => Err(refused(
            shape,
            "is no picture: height x width x 3 or 4 (RGB) and height * 3 / 2 x width (NV12, I420) are taken",
        )),
    }
}

/// The order in which an array of so many channels shows its pixels.
fn rgb_order(channels: usize, wanted: Option<PixelFormat>) -> PyResult<RgbOrder> {
    match (channels, wanted) {
        (3, None) => Ok(RgbOrder::Rgb24),
        (4, None) => Ok(RgbOrder::Rgba),
        (_, Some(PixelFormat::Rgb(order))) if order.bytes_per_pixel() == channels => Ok(order),
        _ => {
            let names = if channels == 3 { "'rgb24' and 'bgr24'" } else { "'rgba' and 'bgra'" };
            Err(errors::frame(format!("format: {channels} channels are taken as {names}")))
        }
    }
}

fn refused(shape: &[usize], why: &str) -> pyo3::PyErr {
    errors::frame(format!("frame of shape {shape:?} {why}"))
}

/// The strides of an array without padding.
pub(super) fn contiguous(shape: &[usize], item_bytes: usize) -> Vec<isize> {
    let mut strides = vec![item_bytes as isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis] as isize);
    }
    strides
}
