//! What is needed of CUDA: devices, the primary context, page-locked and device memory, a stream.
//!
//! One C object has one owner here and one `Drop`. No context is ever left on a thread: whoever needs it enters
//! it, and the guard leaves it again.

mod context;
mod device;
mod memory;
mod stream;

pub(crate) use context::Context;
pub(crate) use device::choose;
pub(crate) use memory::{PinnedMemory, PitchedMemory};
pub(crate) use stream::Stream;

use direct264_sys::cuda::{CUDA_ERROR_NOT_INITIALIZED, CUDA_ERROR_OUT_OF_MEMORY, Status};

use crate::encoder::Backend;
use crate::error::DriverError;
use crate::reason::Reason;

/// `Ok` for success, else the error of this call.
pub(crate) fn check(call: &'static str, code: u32) -> Result<(), DriverError> {
    Status(code).ok().map_err(|status| refused(call, status))
}

/// The error of a call that CUDA refused.
pub(crate) fn refused(call: &'static str, status: Status) -> DriverError {
    let reason = match status {
        CUDA_ERROR_OUT_OF_MEMORY => Reason::OutOfMemory,
        // CUDA is initialised before all else, so what has lost it is a process forked after that.
        CUDA_ERROR_NOT_INITIALIZED => Reason::Forked,
        _ => Reason::DriverError,
    };
    DriverError::new(Backend::Nvenc, call, status.0, status.to_string()).because(reason)
}
