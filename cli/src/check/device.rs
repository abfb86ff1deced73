//! Device memory of the check, made with the crate cudarc as a program of a user's makes it.
#![cfg_attr(
    feature = "nvenc",
    expect(unsafe_code, reason = "device memory has addresses, and a frame at one is the caller's promise")
)]

use std::sync::atomic::{AtomicBool, Ordering};

use super::outcome::Unproven;

#[cfg(feature = "nvenc")]
pub(super) use cuda::{Device, DeviceMemory, frame};

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
    use direct264::{Frame, FrameSize, Timestamp};

    use crate::check::outcome::{Unproven, failed};
    use crate::check::subject::ours;

    /// A GPU's primary context and a stream of the check's own.
    pub(in crate::check) struct Device {
        context: Arc<CudaContext>,
        stream: Arc<CudaStream>,
    }

    /// Device memory from `cuMemAlloc`, which a session can register.
    pub(in crate::check) struct DeviceMemory {
        context: Arc<CudaContext>,
        pub(in crate::check) address: u64,
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

        /// The handle of the stream on which [`write`](Device::write) writes.
        pub(in crate::check) fn stream(&self) -> usize {
            self.stream.cu_stream().addr()
        }

        pub(in crate::check) fn memory(&self, bytes: usize) -> Result<DeviceMemory, Unproven> {
            cuda("a current context", self.context.bind_to_thread(), "cuCtxSetCurrent")?;
            // SAFETY: the memory is written before it is read.
            let address = cuda("device memory", unsafe { result::malloc_sync(bytes) }, "cuMemAlloc")?;
            Ok(DeviceMemory { context: Arc::clone(&self.context), address, bytes })
        }

        /// Writes `pixels` to the start of `memory`, from `offset` on, and waits until they are there.
        pub(in crate::check) fn write(
            &self,
            memory: &DeviceMemory,
            offset: usize,
            pixels: &[u8],
        ) -> Result<(), Unproven> {
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

    /// Makes a frame of an image in `memory`, which has to outlive the encoder or its `forget_cuda`.
    ///
    /// # Errors
    /// An image beyond the memory, or one that [`Frame::cuda`] refuses.
    pub(in crate::check) fn frame<'a>(
        memory: &'a DeviceMemory,
        image: CudaImage,
        span: usize,
        size: FrameSize,
        number: i64,
    ) -> Result<Frame<'a>, Unproven> {
        let offset = image.address().checked_sub(memory.address);
        if offset.is_none_or(|offset| offset + span as u64 > memory.bytes as u64) {
            return Err(failed("an image within the memory", "more", "the check itself"));
        }
        // SAFETY: the image lies in memory that is borrowed here and was written before; the proofs forget it before
        // they free it, write it on a stream that outlives it, and write nothing while a call reads it.
        ours(unsafe { Frame::cuda(size, image, Timestamp(number)) })
    }
}
