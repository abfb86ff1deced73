//! An event: a point in a stream that another stream waits for.
#![expect(unsafe_code, reason = "events are made, recorded and destroyed by calls of the CUDA driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::cuda::{CU_EVENT_DISABLE_TIMING, CUevent_st, CUstream};

use super::check;
use super::context::Context;
use super::stream::Stream;
use crate::backend::Backend;
use crate::error::DriverError;

/// A CUDA event, recorded anew for each picture.
#[derive(Debug)]
pub(crate) struct CudaEvent {
    context: Arc<Context>,
    handle: NonNull<CUevent_st>,
}

// SAFETY: CUDA ties an event to its context and to no thread; this value is the only owner.
unsafe impl Send for CudaEvent {}

impl CudaEvent {
    pub(crate) fn new(context: &Arc<Context>) -> Result<Self, DriverError> {
        let _entered = context.enter()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (context.functions().cuEventCreate)(&raw mut handle, CU_EVENT_DISABLE_TIMING) };
        check("cuEventCreate", code)?;
        let handle = NonNull::new(handle)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, "cuEventCreate", "no event"))?;
        Ok(Self { context: Arc::clone(context), handle })
    }

    /// Has `stream` wait for all work that is on `producer` now. No thread waits. The context has to be current.
    ///
    /// # Safety
    /// `producer` is a handle of the default stream, or of a stream of this context that is alive.
    pub(crate) unsafe fn order(&self, producer: usize, stream: &Stream) -> Result<(), DriverError> {
        // A handle in the shape of a pointer, which nobody follows here.
        let producer: CUstream = std::ptr::without_provenance_mut(producer);
        // SAFETY: the event lives; the caller promises that the stream does too, and the context is current.
        let code = unsafe { (self.context.functions().cuEventRecord)(self.handle.as_ptr(), producer) };
        check("cuEventRecord", code)?;
        // SAFETY: both live, and their context is current. What the stream waits for is the event as it was just
        // recorded, however often it is recorded again.
        let code =
            unsafe { (self.context.functions().cuStreamWaitEvent)(stream.handle(), self.handle.as_ptr(), 0) };
        check("cuStreamWaitEvent", code)
    }
}

impl Drop for CudaEvent {
    /// Destroys the event; `drop` cannot return a status.
    fn drop(&mut self) {
        if self.context.is_forked() {
            return;
        }
        // A context that cannot be entered once more may still be the current one.
        let entered = self.context.enter();
        // SAFETY: made in `new`, and destroyed only here; CUDA keeps what a stream still waits for.
        let _ = unsafe { (self.context.functions().cuEventDestroy_v2)(self.handle.as_ptr()) };
        drop(entered);
    }
}
