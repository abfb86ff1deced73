//! An output buffer of the driver.
#![expect(unsafe_code, reason = "the buffer is made and destroyed by calls of the driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::nvenc::{NV_ENC_CREATE_BITSTREAM_BUFFER, NvEncOutput};

use crate::backend::Backend;
use crate::error::DriverError;
use crate::nvenc::driver::OpenSession;

/// An output buffer of the driver.
#[derive(Debug)]
pub(in crate::nvenc) struct Bitstream {
    session: Arc<OpenSession>,
    handle: NonNull<NvEncOutput>,
    /// Whether the buffer was locked and the driver has not taken it back.
    pub(in crate::nvenc) is_locked: bool,
}

// SAFETY: NVENC ties its objects to a session and to no thread; this value is the only owner.
unsafe impl Send for Bitstream {}

impl Bitstream {
    /// Makes an output buffer. The session has to be initialised and its context current, as for every object here.
    pub(in crate::nvenc) fn new(session: &Arc<OpenSession>) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncCreateBitstreamBuffer";
        let mut params = NV_ENC_CREATE_BITSTREAM_BUFFER::versioned(session.api());
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call.
        let code =
            unsafe { (session.functions().nvEncCreateBitstreamBuffer)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.bitstreamBuffer)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, CALL, "no handle"))?;
        Ok(Self { session: Arc::clone(session), handle, is_locked: false })
    }

    /// The handle, valid while this value lives.
    pub(in crate::nvenc) fn handle(&self) -> *mut NvEncOutput {
        self.handle.as_ptr()
    }
}

impl Drop for Bitstream {
    /// Ignores the status, as every destructor here: it cannot be returned.
    fn drop(&mut self) {
        let entered = self.session.context().enter();
        // SAFETY: made in `new` by this session, and destroyed only here.
        let _ = unsafe {
            (self.session.functions().nvEncDestroyBitstreamBuffer)(self.session.handle(), self.handle())
        };
        drop(entered);
    }
}
