//! Pictures in objects with the buffer protocol: numpy arrays, `bytes`, `memoryview` and the like.

#![expect(unsafe_code, reason = "the picture lies where the view says")]

use direct264::PixelFormat;
use pyo3::buffer::{ElementType, PyUntypedBuffer};
use pyo3::ffi;
use pyo3::prelude::*;

use super::Told;
use super::host::{HostFrame, Keeper, planes};
use crate::errors;

/// Whether the object has the buffer protocol.
pub(super) fn is_buffer(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: takes any object.
    unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) == 1 }
}

/// The picture of an array of bytes, in place where its rows lie one behind the other.
pub(super) fn picture(view: PyUntypedBuffer, told: &Told) -> PyResult<HostFrame> {
    let is_bytes =
        matches!(ElementType::from_format(view.format()), ElementType::UnsignedInteger { bytes: 1 });
    if !is_bytes || view.item_size() != 1 {
        let format = view.format().to_string_lossy();
        return Err(errors::frame(format!("frame has items of type {format:?}: uint8 is taken")));
    }
    if view.suboffsets().is_some() {
        return Err(errors::frame("frame has rows in separate places (suboffsets): copy the array first"));
    }
    let start = view.buf_ptr().cast_const().cast::<u8>();
    if view.dimensions() == 1 && view.strides() == [1] {
        return contiguous(view, start, told);
    }
    let (shape, strides) = (view.shape().to_vec(), view.strides().to_vec());
    // SAFETY: the view has an item at every index of its shape, and keeps the items alive.
    unsafe { HostFrame::of_array(start, &shape, &strides, told, Keeper::Views(vec![view])) }
}

/// A whole picture of the encoder's size without padding, as in raw files.
fn contiguous(view: PyUntypedBuffer, start: *const u8, told: &Told) -> PyResult<HostFrame> {
    let size = told.encoder_size;
    let Some(format) = told.format else {
        return Err(errors::frame(
            "frame of one dimension needs format: i420, nv12, rgb24, bgr24, rgba or bgra",
        ));
    };
    let (bytes, needed) = (view.len_bytes(), format.frame_bytes(size));
    if bytes != needed {
        return Err(errors::frame(format!("frame has {bytes} bytes: {needed} are needed for {size}")));
    }
    let stride = match format {
        PixelFormat::Rgb(order) => size.width() as usize * order.bytes_per_pixel(),
        _ => size.width() as usize,
    };
    let planes = planes(size, format, start, stride);
    // SAFETY: the planes are as long as the view (checked above), which keeps the bytes alive.
    Ok(unsafe { HostFrame::in_place(size, format, planes, Keeper::Views(vec![view])) })
}
