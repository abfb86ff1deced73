//! A picture in CUDA device memory, and what keeps the memory alive.

#![expect(unsafe_code, reason = "nothing can check what an address in device memory is worth")]

use direct264::error::FrameError;
use direct264::frame::CudaImage;
use direct264::frame::RgbOrder;
use direct264::{Frame, FrameSize, PixelFormat, Timestamp};
use pyo3::prelude::*;

use super::Told;
use super::dlpack::Tensor;
use super::layout::{Layout, of_array};
use crate::errors;

/// The owner of device memory, dropped by a thread that holds the GIL.
#[derive(Debug)]
#[expect(dead_code, reason = "kept alive, and never looked at")]
pub(crate) enum Owner {
    Object(Py<PyAny>),
    Tensor(Tensor),
}

/// A picture in device memory.
#[derive(Debug)]
pub(crate) struct DeviceFrame {
    size: FrameSize,
    pub(crate) image: CudaImage,
    pub(crate) owner: Owner,
}

impl DeviceFrame {
    /// # Safety
    /// The array lies in device memory that `owner` keeps, and is written on the stream that `stream` or `told` names.
    pub(super) unsafe fn of_array(
        address: u64,
        shape: &[usize],
        strides: &[isize],
        stream: usize,
        told: &Told,
        owner: Owner,
    ) -> PyResult<Self> {
        let told = Told { format: told.format.or((shape.len() == 2).then_some(PixelFormat::Nv12)), ..*told };
        let Layout { size, format, start, stride } = of_array(shape, strides, &told)?;
        let pitch = match stride {
            Some(stride) if start == 0 => stride,
            _ => {
                return Err(errors::frame(format!(
                    "device memory with strides {strides:?}: rows must be packed"
                )));
            }
        };
        let image = match format {
            PixelFormat::Nv12 => CudaImage::nv12(address, pitch),
            PixelFormat::Rgb(RgbOrder::Rgba) => CudaImage::rgba(address, pitch),
            PixelFormat::Rgb(RgbOrder::Bgra) => CudaImage::bgra(address, pitch),
            _ => {
                return Err(errors::frame(format!(
                    "device memory of shape {shape:?}: NV12 as height * 3 / 2 x width, and RGBA or BGRA as \
                     height x width x 4, are taken"
                )));
            }
        };
        Ok(Self { size, image: image.written_on(stream_of(stream)), owner })
    }

    pub(super) fn frame(&self, timestamp: Timestamp) -> Result<Frame<'_>, FrameError> {
        // SAFETY: whoever made `self` promised what the protocols say of memory and stream. The encoder holds the owner
        // until the call has returned, and longer if the memory is registered or the call timed out.
        unsafe { Frame::cuda(self.size, self.image, timestamp) }
    }
}

/// The library's handle of a stream: the protocols write 1 for the legacy default stream, which the library calls 0.
const fn stream_of(handle: usize) -> usize {
    if handle == 1 { 0 } else { handle }
}
