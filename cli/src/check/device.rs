//! Device memory of the check, made with the crate cudarc as a program of a user's makes it.
#![cfg_attr(
    feature = "nvenc",
    expect(unsafe_code, reason = "device memory has addresses, and a frame at one is the caller's promise")
)]

use std::sync::atomic::{AtomicBool, Ordering};

use super::outcome::Unproven;

#[cfg(feature = "nvenc")]
pub(super) use cuda::{Device, DeviceMemory, GpuEncoder, Place};

/// The memory that a copy loop copies in one step.
const STEP_BYTES: usize = 64 << 20;

/// Copies memory again and again: on the GPU where there is one, else on the CPU.
pub(super) enum CopyLoop {
    Host {
        from: Vec<u8>,
        to: std::sync::Mutex<Vec<u8>>,
    },
    #[cfg(feature = "nvenc")]
    Device {
        from: DeviceMemory,
        to: DeviceMemory,
        device: Device,
    },
}

impl CopyLoop {
    /// Allocates the memory: on the GPU with this index, or on the CPU.
    pub(super) fn new(gpu: Option<u32>) -> Result<Self, Unproven> {
        #[cfg(feature = "nvenc")]
        if let Some(index) = gpu {
            let device = Device::open(index)?;
            let (from, to) = (device.memory(STEP_BYTES)?, device.memory(STEP_BYTES)?);
            return Ok(Self::Device { from, to, device });
        }
        let _ = gpu;
        Ok(Self::Host { from: vec![1; STEP_BYTES], to: std::sync::Mutex::new(vec![0; STEP_BYTES]) })
    }

    /// The memory in words.
    pub(super) const fn what(&self) -> &'static str {
        match self {
            Self::Host { .. } => "host memory",
            #[cfg(feature = "nvenc")]
            Self::Device { .. } => "device memory",
        }
    }

    /// Copies until `stop` is set, and returns the GiB copied.
    pub(super) fn run(&self, stop: &AtomicBool) -> Result<f64, Unproven> {
        let mut steps = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            self.step()?;
            steps += 1;
        }
        Ok(steps as f64 * STEP_BYTES as f64 / f64::from(1 << 30))
    }

    fn step(&self) -> Result<(), Unproven> {
        match self {
            Self::Host { from, to } => {
                let mut to = to.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                to.copy_from_slice(std::hint::black_box(from));
                std::hint::black_box(&mut *to);
                Ok(())
            }
            #[cfg(feature = "nvenc")]
            Self::Device { from, to, device } => device.copy(from, to),
        }
    }
}

#[cfg(feature = "nvenc")]
mod cuda {
    use std::sync::Arc;

    use cudarc::driver::{CudaContext, CudaStream, DriverError, result};
    use direct264::frame::CudaImage;
    use direct264::{Encoder, FailoverEncoder, Frame, FrameSize, Picture, PixelFormat, Timestamp};

    use crate::check::outcome::{Unproven, failed, refused};
    use crate::check::stream::encode;
    use crate::check::subject::ours;

    /// A GPU's primary context and a stream of the check's own.
    #[derive(Clone)]
    pub(in crate::check) struct Device {
        context: Arc<CudaContext>,
        stream: Arc<CudaStream>,
    }

    /// Device memory from `cuMemAlloc`, which a session can register.
    pub(in crate::check) struct DeviceMemory {
        context: Arc<CudaContext>,
        address: u64,
        bytes: usize,
    }

    fn cuda<T>(what: &str, done: Result<T, DriverError>, call: &str) -> Result<T, Unproven> {
        done.map_err(|error| failed(what, error, call))
    }

    impl Device {
        pub(in crate::check) fn open(index: u32) -> Result<Self, Unproven> {
            let context = cuda("a context", CudaContext::new(index as usize), "cuDevicePrimaryCtxRetain")?;
            let stream = cuda("a stream", context.new_stream(), "cuStreamCreate")?;
            Ok(Self { context, stream })
        }

        pub(in crate::check) fn memory(&self, bytes: usize) -> Result<DeviceMemory, Unproven> {
            cuda("a current context", self.context.bind_to_thread(), "cuCtxSetCurrent")?;
            // SAFETY: the memory is written before it is read.
            let address = cuda("device memory", unsafe { result::malloc_sync(bytes) }, "cuMemAlloc")?;
            Ok(DeviceMemory { context: Arc::clone(&self.context), address, bytes })
        }

        /// Writes `pixels` to the start of `memory`, from `offset` on, and waits until they are there.
        fn write(&self, memory: &DeviceMemory, offset: usize, pixels: &[u8]) -> Result<(), Unproven> {
            let fits = offset.checked_add(pixels.len()).is_some_and(|end| end <= memory.bytes);
            if !fits {
                return Err(failed("pixels within the memory", "more", "the check itself"));
            }
            cuda("a current context", self.context.bind_to_thread(), "cuCtxSetCurrent")?;
            let to = memory.address + offset as u64;
            // SAFETY: the pixels fit, as was checked, and live until the stream has been waited for.
            let written = unsafe { result::memcpy_htod_async(to, pixels, self.stream.cu_stream()) };
            cuda("a copy to device memory", written, "cuMemcpyHtoDAsync")?;
            self.wait()
        }

        /// Copies the whole of one memory to another of the same size, and waits.
        pub(in crate::check) fn copy(&self, from: &DeviceMemory, to: &DeviceMemory) -> Result<(), Unproven> {
            cuda("a current context", self.context.bind_to_thread(), "cuCtxSetCurrent")?;
            let bytes = from.bytes.min(to.bytes);
            // SAFETY: both are alive and have so many bytes, and the stream is waited for.
            let copied = unsafe {
                result::memcpy_dtod_async(to.address, from.address, bytes, self.stream.cu_stream())
            };
            cuda("a copy in device memory", copied, "cuMemcpyDtoDAsync")?;
            self.wait()
        }

        /// Waits for the stream, which fails in a context that died.
        pub(in crate::check) fn wait(&self) -> Result<(), Unproven> {
            cuda("a context that is alive", self.stream.synchronize(), "cuStreamSynchronize")
        }
    }

    impl Drop for DeviceMemory {
        fn drop(&mut self) {
            // In a context that died nothing can be freed, and nothing has to be.
            if self.context.bind_to_thread().is_ok() {
                // SAFETY: made by `Device::memory` and freed once; every copy was waited for.
                let _ = unsafe { result::free_sync(self.address) };
            }
        }
    }

    /// An encoder and the one memory of its frames. The encoder forgets the memory before that is freed.
    pub(in crate::check) struct GpuEncoder {
        encoder: FailoverEncoder,
        /// `None` once the memory was left to an encoder that did not forget it.
        memory: Option<DeviceMemory>,
        device: Device,
    }

    /// The place of a picture in the memory: the offset of the first row, and from row to row, in bytes.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::check) struct Place {
        pub(in crate::check) offset: usize,
        pub(in crate::check) pitch: usize,
    }

    impl GpuEncoder {
        /// Allocates memory of so many bytes for the frames of an encoder.
        pub(in crate::check) fn new(
            device: &Device,
            encoder: FailoverEncoder,
            bytes: usize,
        ) -> Result<Self, Unproven> {
            let memory = Some(device.memory(bytes)?);
            Ok(Self { encoder, memory, device: device.clone() })
        }

        /// Writes a picture of NV12 or BGRA, whose rows are `place.pitch` bytes apart, to the memory, and returns its
        /// access unit.
        pub(in crate::check) fn encode(
            &mut self,
            (format, size): (PixelFormat, FrameSize),
            place: Place,
            pixels: &[u8],
            number: i64,
        ) -> Result<Vec<u8>, Unproven> {
            let no_memory = || failed("memory for the picture", "none", "the check itself");
            let memory = self.memory.as_ref().ok_or_else(no_memory)?;
            let height = size.height() as usize;
            let rows = if format == PixelFormat::Nv12 { height + height / 2 } else { height };
            if place.pitch.checked_mul(rows).is_none_or(|needed| pixels.len() < needed) {
                return Err(failed("a whole picture", "less", "the check itself"));
            }
            self.device.write(memory, place.offset, pixels)?;
            let address = memory.address + place.offset as u64;
            let image = match format {
                PixelFormat::Nv12 => CudaImage::nv12(address, place.pitch),
                _ => CudaImage::bgra(address, place.pitch),
            };
            let image = image.written_on(self.device.stream.cu_stream().addr());
            // SAFETY: all rows were just written, and so lie within the memory. The memory is written only here, where no
            // call reads it, on a stream that this value keeps, and freed after the encoder has forgotten it: see `Drop`.
            let frame = ours(unsafe { Frame::cuda(size, image, Timestamp(number)) })?;
            Ok(encode(&mut self.encoder, &frame, Picture::Auto)?.bytes.to_vec())
        }

        /// Has the encoder forget the memory, and frees it.
        ///
        /// # Errors
        /// The refusal of the encoder, to which the memory is left.
        pub(in crate::check) fn end(mut self) -> Result<(), Unproven> {
            self.forget()
        }

        fn forget(&mut self) -> Result<(), Unproven> {
            let Some(memory) = self.memory.take() else { return Ok(()) };
            self.encoder.forget_cuda(Some(memory.address)).map_err(|error| {
                std::mem::forget(memory);
                refused("memory that may be freed", &error, "Encoder::forget_cuda")
            })
        }
    }

    impl Drop for GpuEncoder {
        fn drop(&mut self) {
            let _ = self.forget();
        }
    }
}
