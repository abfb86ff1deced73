//! A CUDA stream of the encoder's own: its work runs in order and waits for no other stream.
#![expect(unsafe_code, reason = "streams are made, used and destroyed by calls of the CUDA driver")]

use std::ptr::NonNull;
use std::sync::Arc;
#[cfg(openh264)]
use std::time::Duration;

#[cfg(openh264)]
use direct264_sys::cuda::CUDA_ERROR_NOT_READY;

use direct264_sys::cuda::{
    CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, CU_STREAM_NON_BLOCKING, CUDA_MEMCPY2D, CUstream, Functions,
};

use super::check;
use super::context::Context;
use super::memory::{PinnedMemory, PitchedMemory};
use crate::backend::Backend;
use crate::error::{DriverError, Error, Internal};
use crate::frame::DevicePlane;

/// A stream of the greatest priority, which does not wait for the default stream, nor the default stream for it.
#[derive(Debug)]
pub(crate) struct Stream {
    context: Arc<Context>,
    handle: CUstream,
    /// A copy of the handle at an address of its own, for NVENC, which keeps the address. A `Box` would not do: moving
    /// one invalidates the pointers into it.
    place: NonNull<CUstream>,
}

// SAFETY: CUDA ties a stream to its context and to no thread. This value alone owns the place.
unsafe impl Send for Stream {}

impl Stream {
    pub(crate) fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        let _entered = context.enter()?;
        let mut handle: CUstream = std::ptr::null_mut();
        let code = match create_urgent(context.functions(), &mut handle) {
            Some(0) => 0,
            // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
            _ => unsafe { (context.functions().cuStreamCreate)(&raw mut handle, CU_STREAM_NON_BLOCKING) },
        };
        check("cuStreamCreate", code)?;
        if handle.is_null() {
            return Err(DriverError::unusable(Backend::Nvenc, "cuStreamCreate", "no stream"));
        }
        let place = NonNull::from(Box::leak(Box::new(handle)));
        Ok(Self { context: Arc::clone(context), handle, place })
    }

    /// The handle, valid while this value lives.
    pub(crate) fn handle(&self) -> CUstream {
        self.handle
    }

    /// The address of the handle, valid while this value lives, wherever the value is moved.
    pub(crate) fn handle_place(&mut self) -> *mut CUstream {
        self.place.as_ptr()
    }

    /// Starts to copy the first `bytes` bytes of `from` to `to`. The context has to be current.
    ///
    /// # Safety
    /// Until the stream has passed this copy, `from` is neither written to nor freed, and `to` is not freed.
    pub(crate) unsafe fn upload(
        &self,
        from: &PinnedMemory,
        to: &PitchedMemory,
        bytes: usize,
    ) -> Result<(), Error> {
        if bytes > from.len() || bytes > to.len() {
            let found = format!("{bytes} bytes to copy from {} to {}", from.len(), to.len());
            return Err(Internal::new(found).into());
        }
        // SAFETY: both ranges hold `bytes` bytes, as was just checked, and the caller keeps them alive; the stream
        // lives, and its context is the current one.
        let code = unsafe {
            (self.context.functions().cuMemcpyHtoDAsync_v2)(
                to.address(),
                from.as_ptr().cast(),
                bytes,
                self.handle(),
            )
        };
        Ok(check("cuMemcpyHtoDAsync", code)?)
    }

    /// Starts to copy the rows of a plane to those of another that begin at `to`, `pitch` bytes apart. The context has
    /// to be current.
    ///
    /// # Safety
    /// Both are device memory of this context, or of a pool of its device, with room for the rows, and neither is
    /// freed until the stream has passed this copy.
    pub(crate) unsafe fn copy_rows(
        &self,
        from: &DevicePlane,
        to: u64,
        pitch: usize,
    ) -> Result<(), DriverError> {
        let mut copy = CUDA_MEMCPY2D::zeroed();
        copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
        (copy.srcDevice, copy.srcPitch) = (from.address, from.pitch);
        copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
        (copy.dstDevice, copy.dstPitch) = (to, pitch);
        (copy.WidthInBytes, copy.Height) = (from.row_bytes, from.rows);
        // SAFETY: the caller's promise.
        unsafe { self.copy(&copy) }
    }

    /// Starts to copy the rows of a plane to `to`, from its byte `start` on, one behind the other. The context has to
    /// be current.
    ///
    /// # Safety
    /// As for [`copy_rows`](Stream::copy_rows); and until the stream has passed this copy, `to` is neither read nor
    /// written nor freed.
    pub(crate) unsafe fn download_rows(
        &self,
        from: &DevicePlane,
        to: &mut PinnedMemory,
        start: usize,
    ) -> Result<(), Error> {
        let Some(to) = to.as_mut_slice().get_mut(start..start + from.row_bytes * from.rows) else {
            let found = format!("no room for {} rows of {} bytes", from.rows, from.row_bytes);
            return Err(Internal::new(found).into());
        };
        let mut copy = CUDA_MEMCPY2D::zeroed();
        copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
        (copy.srcDevice, copy.srcPitch) = (from.address, from.pitch);
        copy.dstMemoryType = CU_MEMORYTYPE_HOST;
        (copy.dstHost, copy.dstPitch) = (to.as_mut_ptr().cast(), from.row_bytes);
        (copy.WidthInBytes, copy.Height) = (from.row_bytes, from.rows);
        // SAFETY: the caller's promise; the room was just checked.
        let copied = unsafe { self.copy(&copy) };
        Ok(copied?)
    }

    /// # Safety
    /// That of the functions above.
    unsafe fn copy(&self, copy: &CUDA_MEMCPY2D) -> Result<(), DriverError> {
        // SAFETY: `copy` is whole and lives through the call; what it points to is the caller's promise; the stream
        // lives, and its context is the current one.
        let code = unsafe { (self.context.functions().cuMemcpy2DAsync_v2)(&raw const *copy, self.handle()) };
        check("cuMemcpy2DAsync", code)
    }

    /// Waits asleep until all work of the stream has run. A wait in the driver keeps a core busy, unless the context
    /// says otherwise, and an encoder on the CPU needs that core.
    #[cfg(openh264)]
    pub(crate) fn wait_asleep(&self) -> Result<(), DriverError> {
        const PAUSE: Duration = Duration::from_micros(50);
        let _entered = self.context.enter()?;
        loop {
            // SAFETY: the stream lives, and its context is the current one.
            let code = unsafe { (self.context.functions().cuStreamQuery)(self.handle()) };
            if code != CUDA_ERROR_NOT_READY.0 {
                return check("cuStreamQuery", code);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until all work of the stream has run.
    pub(crate) fn synchronise(&self) -> Result<(), DriverError> {
        let _entered = self.context.enter()?;
        // SAFETY: the stream lives, and its context is the current one.
        let code = unsafe { (self.context.functions().cuStreamSynchronize)(self.handle()) };
        check("cuStreamSynchronize", code)
    }
}

/// Makes a stream with the greatest priority, since the encoder's kernels would else queue behind the caller's. Returns
/// the status, or `None` where the driver has no priorities. The context has to be current.
fn create_urgent(functions: &Functions, handle: &mut CUstream) -> Option<u32> {
    let (mut least, mut greatest) = (0, 0);
    // SAFETY: both numbers live through the call, which writes to them and keeps no pointer.
    let code = unsafe { functions.cuCtxGetStreamPriorityRange?(&raw mut least, &raw mut greatest) };
    if code != 0 {
        return None;
    }
    // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
    Some(unsafe { functions.cuStreamCreateWithPriority?(&raw mut *handle, CU_STREAM_NON_BLOCKING, greatest) })
}

impl Drop for Stream {
    /// Destroys the stream; `drop` cannot return a status.
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, and freed only here. NVENC reads it while its session lives, which ends before.
        drop(unsafe { Box::from_raw(self.place.as_ptr()) });
        if self.context.is_forked() {
            return;
        }
        // A context that cannot be entered once more may still be the current one.
        let entered = self.context.enter();
        // SAFETY: made in `new`, and destroyed only here.
        let _ = unsafe { (self.context.functions().cuStreamDestroy_v2)(self.handle()) };
        drop(entered);
    }
}
