//! A stream of one's own: work in order, without regard to anybody else's.
#![expect(unsafe_code, reason = "streams are made, used and destroyed by calls of the CUDA driver")]

use std::sync::Arc;

use direct264_sys::cuda::{CU_STREAM_NON_BLOCKING, CUstream};

use super::{Context, PinnedMemory, PitchedMemory, check};
use crate::encoder::Backend;
use crate::error::DriverError;

/// A stream that does not wait for the default stream, nor the default stream for it.
#[derive(Debug)]
pub(crate) struct Stream {
    context: Arc<Context>,
    /// In a place that does not move: NVENC is given a pointer to the handle.
    handle: Box<CUstream>,
}

// SAFETY: CUDA ties a stream to its context and to no thread.
unsafe impl Send for Stream {}

impl Stream {
    pub(crate) fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        let _entered = context.enter()?;
        let mut handle: CUstream = std::ptr::null_mut();
        // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (context.functions().cuStreamCreate)(&raw mut handle, CU_STREAM_NON_BLOCKING) };
        check("cuStreamCreate", code)?;
        if handle.is_null() {
            let what = "no stream came with the success";
            return Err(DriverError::new(Backend::Nvenc, "cuStreamCreate", 0, what));
        }
        Ok(Self { context: Arc::clone(context), handle: Box::new(handle) })
    }

    /// The handle, valid while this value lives.
    pub(crate) fn handle(&self) -> CUstream {
        *self.handle
    }

    /// Where the handle lies, for as long as this value lives, wherever it is moved.
    pub(crate) fn handle_place(&mut self) -> *mut CUstream {
        &raw mut *self.handle
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
    ) -> Result<(), DriverError> {
        if bytes > from.len() || bytes > to.len() {
            let what = format!("{bytes} bytes from {} to {}", from.len(), to.len());
            return Err(DriverError::new(Backend::Nvenc, "cuMemcpyHtoDAsync", 0, what));
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
        check("cuMemcpyHtoDAsync", code)
    }

    /// Waits until all of it has run.
    pub(crate) fn synchronise(&self) -> Result<(), DriverError> {
        let _entered = self.context.enter()?;
        // SAFETY: the stream lives, and its context is the current one.
        let code = unsafe { (self.context.functions().cuStreamSynchronize)(self.handle()) };
        check("cuStreamSynchronize", code)
    }
}

impl Drop for Stream {
    /// A status cannot be handed on from here.
    fn drop(&mut self) {
        // Where it cannot be entered once more it may still be the current one.
        let entered = self.context.enter();
        // SAFETY: made in `new`, and destroyed only here.
        let _ = unsafe { (self.context.functions().cuStreamDestroy_v2)(self.handle()) };
        drop(entered);
    }
}
