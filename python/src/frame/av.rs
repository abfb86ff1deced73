//! PyAV frames, by their attributes: this module does not link to PyAV.

#![expect(unsafe_code, reason = "the planes lie where their views say")]

use direct264::PixelFormat;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::intern;
use pyo3::prelude::*;

use super::host::{HostFrame, Keeper, RawPlane};
use super::{Told, named, size};
use crate::errors;

/// The picture of an `av.VideoFrame`, read in place.
pub(super) fn picture(frame: &Bound<'_, PyAny>, told: &Told) -> PyResult<HostFrame> {
    let py = frame.py();
    let name = frame.getattr(intern!(py, "format"))?.getattr(intern!(py, "name"))?;
    let name: String = name.extract()?;
    let format = match name.as_str() {
        "yuvj420p" if told.is_full_range => PixelFormat::I420,
        "yuvj420p" => {
            return Err(errors::frame(
                "frame is yuvj420p, of full range: open the encoder with full_range=True, or \
                 frame.reformat(format='yuv420p')",
            ));
        }
        name => named(name).ok_or_else(|| {
            errors::frame(format!(
                "frame is {name}: yuv420p, nv12, rgb24, bgr24, rgba and bgra are taken; \
                 frame.reformat(format='yuv420p') makes one"
            ))
        })?,
    };
    let width: usize = frame.getattr(intern!(py, "width"))?.extract()?;
    let height: usize = frame.getattr(intern!(py, "height"))?.extract()?;
    let size = size(width, height)?;
    let objects = frame.getattr(intern!(py, "planes"))?;
    let count = match format {
        PixelFormat::I420 => 3,
        PixelFormat::Nv12 => 2,
        _ => 1,
    };
    let (mut planes, mut views) = ([RawPlane::NONE; 3], Vec::with_capacity(count));
    for (object, plane) in objects.try_iter()?.zip(planes.iter_mut()) {
        let object = object?;
        let stride: isize = object.getattr(intern!(py, "line_size"))?.extract()?;
        let stride = usize::try_from(stride)
            .map_err(|_| errors::frame("frame has rows from bottom to top: frame.reformat() turns them"))?;
        let view = PyUntypedBuffer::get(&object)?;
        *plane = RawPlane { start: view.buf_ptr().cast_const().cast(), len: view.len_bytes(), stride };
        views.push(view);
    }
    if views.len() < count {
        return Err(errors::frame(format!("frame has {} planes: {count} are needed", views.len())));
    }
    // SAFETY: the views tell address and length of each plane, and keep them alive.
    Ok(unsafe { HostFrame::in_place(size, format, planes, Keeper::Views(views)) })
}
