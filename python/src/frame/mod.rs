//! Pictures of Python objects: PyAV frames, buffers, tensors and CUDA arrays.

mod av;
mod buffer;
mod cuda_array;
mod device;
mod dlpack;
mod exchange;
mod gather;
mod host;
mod layout;

use direct264::frame::RgbOrder;
use direct264::{Frame, FrameSize, PixelFormat, Timestamp};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::intern;
use pyo3::prelude::*;

use crate::errors;
pub(crate) use device::{DeviceFrame, Owner};
use host::HostFrame;

/// The caller's arguments about a frame.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) format: Option<PixelFormat>,
    /// The handle of the stream that writes device memory.
    pub(crate) stream: Option<usize>,
    /// The encoder's size, for objects without a shape of their own.
    pub(crate) encoder_size: FrameSize,
    pub(crate) is_full_range: bool,
}

/// A picture, and what keeps its memory alive.
pub(crate) enum Source {
    Host(HostFrame),
    Device(DeviceFrame),
}

impl Source {
    /// Finds the picture that an object shows.
    pub(crate) fn of(object: &Bound<'_, PyAny>, told: &Told) -> PyResult<Self> {
        let py = object.py();
        if object.hasattr(intern!(py, "planes"))? {
            return av::picture(object, told).map(Self::Host);
        }
        if buffer::is_buffer(object) {
            let view = PyUntypedBuffer::get(object)?;
            return buffer::picture(view, told).map(Self::Host);
        }
        let interface = object.getattr_opt(intern!(py, "__cuda_array_interface__"))?;
        // Version 3 of the interface names the stream that writes the array. Version 2 does not, so DLPack, whose
        // producer orders its work before a stream, comes before it.
        if let Some(interface) = &interface
            && (told.stream.is_some() || cuda_array::names_its_stream(interface)?)
        {
            return cuda_array::picture(object, interface, told).map(Self::Device);
        }
        if object.hasattr(intern!(py, "__dlpack_device__"))? {
            return dlpack::picture(object, told);
        }
        match interface {
            Some(interface) => cuda_array::picture(object, &interface, told).map(Self::Device),
            None => Err(no_frame(object)),
        }
    }

    pub(crate) fn frame(&self, timestamp: Timestamp) -> Result<Frame<'_>, direct264::error::FrameError> {
        match self {
            Self::Host(frame) => frame.frame(timestamp),
            Self::Device(frame) => frame.frame(timestamp),
        }
    }
}

fn no_frame(object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    errors::frame_type(format!(
        "frame is of type {name}: an av.VideoFrame, an object with the buffer protocol (numpy), DLPack (torch) or \
         __cuda_array_interface__ (cupy) is taken"
    ))
}

/// The formats by name. PyAV's names of 4-byte pixels with an unused byte mean the same memory.
const FORMATS: [(&str, PixelFormat); 9] = [
    ("i420", PixelFormat::I420),
    ("yuv420p", PixelFormat::I420),
    ("nv12", PixelFormat::Nv12),
    ("rgb24", PixelFormat::Rgb(RgbOrder::Rgb24)),
    ("bgr24", PixelFormat::Rgb(RgbOrder::Bgr24)),
    ("rgba", PixelFormat::Rgb(RgbOrder::Rgba)),
    ("rgb0", PixelFormat::Rgb(RgbOrder::Rgba)),
    ("bgra", PixelFormat::Rgb(RgbOrder::Bgra)),
    ("bgr0", PixelFormat::Rgb(RgbOrder::Bgra)),
];

/// Parses the argument `format`.
pub(crate) fn format(name: &str) -> PyResult<PixelFormat> {
    named(name).ok_or_else(|| {
        errors::frame(format!("format={name:?}: i420, nv12, rgb24, bgr24, rgba and bgra are taken"))
    })
}

fn named(name: &str) -> Option<PixelFormat> {
    FORMATS.iter().find(|(word, _)| *word == name).map(|&(_, format)| format)
}

fn size(width: usize, height: usize) -> PyResult<FrameSize> {
    let side = |pixels| u32::try_from(pixels).unwrap_or(u32::MAX);
    FrameSize::new(side(width), side(height)).map_err(|error| errors::frame(error.to_string()))
}
