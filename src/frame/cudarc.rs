//! Frames and streams of the crate cudarc. A slice of cudarc knows its context and the stream that writes
//! it, so the caller has less to promise.
#![expect(unsafe_code, reason = "what the constructor of a CUDA frame asks for is shown here")]

use cudarc::driver::{CudaStream, DevicePtr};

use super::Frame;
use super::image::CudaImage;
use crate::error::FrameError;
use crate::format::{PixelFormat, RgbOrder};
use crate::units::{FrameSize, Timestamp};

impl CudaImage {
    /// Sets the stream on which the picture was written, as [`written_on`](CudaImage::written_on). [`Frame::cuda`]
    /// says how long the stream has to live.
    #[must_use]
    pub fn written_on_stream(self, stream: &CudaStream) -> Self {
        self.written_on(stream.cu_stream().addr())
    }
}

impl<'a> Frame<'a> {
    /// Makes a frame in a slice of cudarc: NV12, RGBA or BGRA in rows `pitch_bytes` apart, from the start of the
    /// slice on.
    ///
    /// The encoder's work on the GPU waits for the work that writes the slice. The picture is copied there once,
    /// because the slice may be freed as soon as this frame is gone; [`Frame::cuda`] saves that copy for callers that
    /// can promise more. A slice is borrowed until the frame is dropped, and `encode` returns when the picture has
    /// been read. `CudaStream::memcpy_dtod` moves a slice of the per-thread default stream to another stream.
    ///
    /// # Errors
    /// [`FrameError`] for another format, a pitch shorter than a row, a slice that ends before the last row, and the
    /// per-thread default stream.
    ///
    /// # Safety
    /// The slice is what its type says. And where a call timed out, as [`Frame::cuda`] has it, the slice is neither
    /// written nor dropped until [`forget_cuda`](crate::Encoder::forget_cuda) has succeeded.
    pub unsafe fn in_slice(
        size: FrameSize,
        format: PixelFormat,
        slice: &'a impl DevicePtr<u8>,
        pitch_bytes: usize,
        timestamp: Timestamp,
    ) -> Result<Self, FrameError> {
        let stream = slice.stream();
        // From here on that stream is behind every write to the slice, whichever stream made it.
        let (address, _read_until_dropped) = slice.device_ptr(stream);
        let image = match format {
            PixelFormat::Nv12 => CudaImage::nv12(address, pitch_bytes),
            PixelFormat::Rgb(RgbOrder::Rgba) => CudaImage::rgba(address, pitch_bytes),
            PixelFormat::Rgb(RgbOrder::Bgra) => CudaImage::bgra(address, pitch_bytes),
            other => return Err(FrameError::NotOnDevice { format: other }),
        };
        let image = image.written_on_stream(stream).freed_soon();
        // SAFETY: the slice is borrowed for as long as the frame lives: its memory is not freed, nothing that Rust
        // knows of writes to it, and its stream is alive; after that the caller's promise holds. Whether it has the
        // rows is checked below, before anybody reads them.
        let frame = unsafe { Self::cuda(size, image, timestamp)? };
        let (bytes, needed) = (slice.len(), image.span(size));
        if bytes < needed {
            return Err(FrameError::Allocation { bytes, needed });
        }
        Ok(frame)
    }
}
