//! Page-locked host memory, and device memory in rows.
#![expect(unsafe_code, reason = "memory is made, lent and freed by calls of the CUDA driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::cuda::CUdeviceptr;

use super::check;
use super::context::Context;
use crate::backend::Backend;
use crate::error::DriverError;

/// Page-locked host memory, which the GPU reads at full speed and without the CPU.
#[derive(Debug)]
pub(crate) struct PinnedMemory {
    context: Arc<Context>,
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to this value alone, and page-locked memory can be used from any thread.
unsafe impl Send for PinnedMemory {}
// SAFETY: through a shared reference it is only read.
unsafe impl Sync for PinnedMemory {}

impl PinnedMemory {
    /// Allocates `bytes` bytes, all zero.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Result<Self, DriverError> {
        let _entered = context.enter()?;
        let mut start = std::ptr::null_mut();
        // SAFETY: `start` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (context.functions().cuMemHostAlloc)(&raw mut start, bytes, 0) };
        check("cuMemHostAlloc", code)?;
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| nothing("cuMemHostAlloc"))?;
        // SAFETY: the driver has just made `bytes` bytes there, and nobody else has the address.
        unsafe { start.write_bytes(0, bytes) };
        Ok(Self { context: Arc::clone(context), start, bytes })
    }

    /// Returns at least `bytes` bytes: the memory in `kept` where it is large enough, else new memory.
    pub(crate) fn at_least(
        kept: Option<Self>,
        context: &Arc<Context>,
        bytes: usize,
    ) -> Result<Self, DriverError> {
        match kept {
            Some(kept) if kept.bytes >= bytes => Ok(kept),
            _ => Self::new(context, bytes),
        }
    }

    /// Whether it belongs to the process that this one was forked from.
    pub(crate) fn is_forked(&self) -> bool {
        self.context.is_forked()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// The bytes of this memory. The code that starts a copy promises that no copy writes to them meanwhile.
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: `bytes` bytes start there, initialised in `new`, and `self` is borrowed for as long.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `bytes` bytes start there, initialised in `new`, and `self` is borrowed for as long. That the
        // GPU does not read them meanwhile is the promise of whoever starts a copy: see `Stream::upload`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for PinnedMemory {
    /// Frees the memory. Memory that cannot be freed is leaked, because `drop` cannot return a status.
    fn drop(&mut self) {
        if self.context.is_forked() {
            return;
        }
        // A context that cannot be entered once more may still be the current one.
        let entered = self.context.enter();
        // SAFETY: made in `new` in this context, and freed only here.
        let _ = unsafe { (self.context.functions().cuMemFreeHost)(self.start.as_ptr().cast()) };
        drop(entered);
    }
}

/// Device memory in rows that start `pitch` bytes apart.
#[derive(Debug)]
pub(crate) struct PitchedMemory {
    context: Arc<Context>,
    address: CUdeviceptr,
    pitch: u32,
    rows: usize,
}

impl PitchedMemory {
    /// Allocates `rows` rows of at least `row_bytes` bytes; the driver chooses the pitch.
    pub(crate) fn new(context: &Arc<Context>, row_bytes: usize, rows: usize) -> Result<Self, DriverError> {
        const ELEMENT_BYTES: u32 = 16;
        let _entered = context.enter()?;
        let mut address: CUdeviceptr = 0;
        let mut pitch = 0;
        // SAFETY: `address` and `pitch` live through the call, which writes to them and keeps no pointer.
        let code = unsafe {
            (context.functions().cuMemAllocPitch_v2)(
                &raw mut address,
                &raw mut pitch,
                row_bytes,
                rows,
                ELEMENT_BYTES,
            )
        };
        check("cuMemAllocPitch", code)?;
        let mut made = Self { context: Arc::clone(context), address, pitch: 0, rows };
        made.pitch = u32::try_from(pitch)
            .ok()
            .filter(|&pitch| pitch as usize >= row_bytes && address != 0)
            .ok_or_else(|| nothing("cuMemAllocPitch"))?;
        Ok(made)
    }

    pub(crate) fn address(&self) -> CUdeviceptr {
        self.address
    }

    /// Bytes from one row to the next.
    pub(crate) fn pitch(&self) -> u32 {
        self.pitch
    }

    /// The number of bytes, padding of the rows included.
    pub(crate) fn len(&self) -> usize {
        self.pitch as usize * self.rows
    }
}

impl Drop for PitchedMemory {
    /// Frees the memory. Memory that cannot be freed is leaked, because `drop` cannot return a status.
    fn drop(&mut self) {
        if self.address == 0 {
            return;
        }
        // A context that cannot be entered once more may still be the current one.
        let entered = self.context.enter();
        // SAFETY: made in `new` in this context, and freed only here.
        let _ = unsafe { (self.context.functions().cuMemFree_v2)(self.address) };
        drop(entered);
    }
}

fn nothing(call: &'static str) -> DriverError {
    DriverError::unusable(Backend::Nvenc, call, "no usable memory")
}
