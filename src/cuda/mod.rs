//! The CUDA that the encoder needs: devices, the primary context, page-locked and device memory, streams, events.
//!
//! Each C object has one owner here and one `Drop`. No context is ever left on a thread: code that needs the context
//! enters it, and the guard leaves it again.

mod context;
mod device;
mod download;
mod event;
mod lost;
mod memory;
mod place;
mod process;
#[cfg(openh264)]
mod reader;
mod stream;

pub(crate) use context::Context;
pub(crate) use device::choose;
pub(crate) use download::{bytes_of, download, frame_in};
pub(crate) use event::CudaEvent;
pub(crate) use memory::{PinnedMemory, PitchedMemory};
pub(crate) use place::DevicePlace;
pub(crate) use process::Process;
#[cfg(openh264)]
pub(crate) use reader::Reader;
pub(crate) use stream::Stream;

use direct264_sys::cuda::{CUDA_ERROR_NOT_INITIALIZED, CUDA_ERROR_OUT_OF_MEMORY, CUresult};
#[cfg(openh264)]
use direct264_sys::cuda::{Driver, InitError, load};

use crate::backend::Backend;
#[cfg(openh264)]
use crate::error::FrameError;
use crate::error::{DriverError, Unavailable, Unreadable};
use crate::reason::Reason;

/// Returns the CUDA driver of this process, initialised.
#[cfg(openh264)]
pub(crate) fn driver() -> Result<&'static Driver, FrameError> {
    // Where there is no driver, no address is one of CUDA's.
    let driver = load().map_err(|_| FrameError::NoDeviceMemory { address: 0 })?;
    driver.initialise().map_err(|error| match error {
        InitError::Refused(status) => Unreadable::Driver(refused("cuInit", status)),
        lost => forked(lost.to_string()),
    })?;
    Ok(driver)
}

/// The error of a process that was forked after CUDA was initialised.
pub(crate) fn forked(detail: impl Into<String>) -> Unreadable {
    Unreadable::Unavailable(Unavailable::new(Backend::Nvenc, Reason::Forked, detail))
}

/// `Ok` for success, else the error of this call.
pub(crate) fn check(call: &'static str, code: u32) -> Result<(), DriverError> {
    CUresult(code).ok().map_err(|status| refused(call, status))
}

/// The error of a call that CUDA refused.
pub(crate) fn refused(call: &'static str, status: CUresult) -> DriverError {
    let reason = match status {
        CUDA_ERROR_OUT_OF_MEMORY => Reason::OutOfMemory,
        // CUDA is initialised before all else, so this process was forked after that.
        CUDA_ERROR_NOT_INITIALIZED => Reason::Forked,
        _ => Reason::DriverError,
    };
    DriverError::refused(Backend::Nvenc, call, status.0, status.to_string())
        .because(reason)
        .advising(status.advice())
}
