//! Stands in for the completion events of Windows where the driver has none: the lock waits for the picture.

use std::sync::Arc;

use direct264_sys::nvenc::{NV_ENC_INITIALIZE_PARAMS, NV_ENC_LOCK_BITSTREAM, NV_ENC_PIC_PARAMS};

use crate::config::CallForm;
use crate::error::DriverError;
use crate::nvenc::driver::OpenSession;

/// How a session waits for its pictures: by the lock.
#[derive(Debug, Clone, Copy)]
pub(in crate::nvenc) struct Completions;

impl Completions {
    /// The calls of a session with events: none.
    pub(in crate::nvenc) const CALLS: [&str; 0] = [];

    /// Returns whether the driver has the functions for events.
    pub(in crate::nvenc) const fn are_known(_session: &OpenSession) -> bool {
        false
    }

    pub(in crate::nvenc) const fn of(_init: &NV_ENC_INITIALIZE_PARAMS, _form: CallForm) -> Self {
        Self
    }

    /// The same for the end of stream.
    pub(in crate::nvenc) const fn of_end(self) -> Self {
        self
    }
}

/// The completion of one picture at a time, of which only the lock tells.
#[derive(Debug)]
pub(in crate::nvenc) struct Completion;

impl Completion {
    #[expect(clippy::unnecessary_wraps, reason = "on Windows an event may be refused")]
    pub(in crate::nvenc) const fn new(
        _session: &Arc<OpenSession>,
        _completions: Completions,
    ) -> Result<Self, DriverError> {
        Ok(Self)
    }

    #[inline]
    pub(in crate::nvenc) const fn name_in(&self, _params: &mut NV_ENC_PIC_PARAMS) {}

    #[inline]
    pub(in crate::nvenc) const fn submitted(&mut self) {}

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "on Windows an event may not come")]
    pub(in crate::nvenc) const fn wait(&mut self) -> Result<(), DriverError> {
        Ok(())
    }

    #[inline]
    pub(in crate::nvenc) const fn has_come(&mut self) -> bool {
        true
    }

    #[inline]
    pub(in crate::nvenc) const fn shape_lock(&self, _params: &mut NV_ENC_LOCK_BITSTREAM) {}
}
