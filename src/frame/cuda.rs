//! Frames in CUDA device memory, at an address that the caller vouches for.
#![expect(unsafe_code, reason = "nothing can check what an address in device memory is worth")]

use super::image::CudaImage;
use super::{Frame, Pixels};
use crate::error::FrameError;
use crate::format::PixelFormat;
use crate::units::{FrameSize, Timestamp};

/// CUDA's handle of the per-thread default stream, which means another stream on each thread.
const PER_THREAD_STREAM: usize = 2;

impl<'a> Frame<'a> {
    /// Makes a frame in CUDA device memory, for [`Encoder::encode`](crate::Encoder::encode) like any other.
    ///
    /// NVENC reads the picture where it lies. Its memory is registered with the session at the first frame and stays
    /// registered for the next frames, up to 32 places, until [`forget_cuda`](crate::Encoder::forget_cuda). NVENC
    /// does not take memory of a stream-ordered pool such as `cudaMallocAsync`, a pitch that is no multiple of 16, an
    /// address that is no multiple of 256, a chroma plane elsewhere, or an odd size: such a picture is copied once on
    /// the GPU. NVENC converts RGB to BT.601 at limited range, and to other colours with
    /// [`NvencConfig::converts_rgb`](crate::config::NvencConfig::converts_rgb). Otherwise, and for the software backend,
    /// the picture is downloaded.
    ///
    /// The memory has to belong to the primary context of the GPU that encodes. The CUDA runtime, PyTorch and cudarc
    /// use the primary context, and [`GpuChoice`](crate::config::GpuChoice) chooses the GPU. Nothing is copied from GPU to
    /// GPU. A frame on another GPU is refused with [`FrameError::OtherGpu`], memory of another context with
    /// [`FrameError::OtherContext`], and the encoder stays usable. The software backend reads the primary context of
    /// any GPU. The context that is current on the caller's thread is still current when a call returns. A kernel of
    /// the caller's converts pictures that are neither NV12 nor RGB of 4 bytes a pixel.
    ///
    /// # Errors
    /// [`FrameError`] when a pitch is shorter than its row or too large, an address is 0 or wraps around, or the
    /// stream is the per-thread default stream (handle 2), which means another stream on every thread.
    ///
    /// # Safety
    /// From the call of `encode` until it has returned,
    /// - the rows that `image` tells of lie in device memory that is not freed;
    /// - what writes them was put on the stream that `image` names before the call, and nothing writes them
    ///   afterwards;
    /// - that stream, if it is not the default stream, is alive and of the context of the memory.
    ///
    /// In a [`Pipeline`](crate::Pipeline) all of this holds from the call of `submit` until the access unit of the
    /// frame has come out, or the error in its place, also of an image that is freed soon; or until `forget_cuda` has
    /// succeeded for the memory, which is what is left where the pipeline ended with an error or is about to be
    /// dropped with the frame in flight.
    ///
    /// Where a call timed out ([`Reason::TimedOut`](crate::Reason::TimedOut) or [`FrameError::TimedOut`] as the
    /// error, or the former as what an [`Event`](crate::Event) tells of a stream that goes on), the GPU may still
    /// read the memory and wait for the stream: neither is written nor freed until
    /// [`forget_cuda`](crate::Encoder::forget_cuda) has succeeded for the memory. Unless the image is
    /// [`freed_soon`](CudaImage::freed_soon), `forget_cuda` succeeds before memory that was encoded from is freed in
    /// any case.
    pub unsafe fn cuda(
        size: FrameSize,
        image: CudaImage,
        timestamp: Timestamp,
    ) -> Result<Frame<'a>, FrameError> {
        if image.stream() == PER_THREAD_STREAM {
            return Err(FrameError::PerThreadStream);
        }
        let names = if matches!(image.format(), PixelFormat::Nv12) { ["y", "uv"] } else { ["rgb", ""] };
        for (plane, name) in image.planes(size).zip(names) {
            plane.check(name)?;
        }
        Ok(Self { size, timestamp, pixels: Pixels::Cuda(image) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> FrameSize {
        FrameSize::new(64, 32).unwrap()
    }

    fn made(image: CudaImage) -> Result<(), FrameError> {
        // SAFETY: the frame is never encoded.
        unsafe { Frame::cuda(size(), image, Timestamp(0)) }.map(|_| ())
    }

    #[test]
    fn what_cannot_be_device_memory_is_refused() {
        assert_eq!(made(CudaImage::nv12(0, 64)), Err(FrameError::NoDeviceMemory { address: 0 }));
        let end = u64::MAX - 100;
        assert_eq!(made(CudaImage::nv12(end, 64)), Err(FrameError::NoDeviceMemory { address: end }));
        assert_eq!(
            made(CudaImage::nv12(4096, 63)),
            Err(FrameError::Stride { plane: "y", stride_bytes: 63, row_bytes: 64 })
        );
        assert_eq!(
            made(CudaImage::nv12(4096, 64).chroma_at(1 << 20, 60)),
            Err(FrameError::Stride { plane: "uv", stride_bytes: 60, row_bytes: 64 })
        );
        assert!(matches!(
            made(CudaImage::bgra(4096, usize::MAX)),
            Err(FrameError::Overflow { plane: "rgb", .. })
        ));
        assert_eq!(made(CudaImage::nv12(4096, 64).written_on(2)), Err(FrameError::PerThreadStream));
        assert_eq!(made(CudaImage::rgba(4096, 256).written_on(1)), Ok(()));
    }
}
