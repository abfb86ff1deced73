//! Invalidates reference pictures that a receiver has lost, to avoid an IDR.
#![expect(unsafe_code, reason = "references are given up by calls of the driver")]

use direct264_sys::nvenc::NVENCSTATUS;

use super::Session;
use crate::backend::Backend;
use crate::error::{DriverError, Error};
use crate::nvenc::progress::SessionStep;

impl Session {
    /// Excludes these pictures, by their numbers, as references of later ones.
    ///
    /// # Errors
    /// The refusal of the driver. The session is still good, but later pictures may use some of these references.
    pub(in crate::nvenc) fn invalidate(&mut self, pictures: &[u64]) -> Result<(), Error> {
        const CALL: &str = "nvEncInvalidateRefFrames";
        self.progress.at(SessionStep::Invalidate);
        let function = self
            .open
            .functions()
            .nvEncInvalidateRefFrames
            .ok_or_else(|| DriverError::missing(Backend::Nvenc, CALL))?;
        let _entered = self.open.context().enter()?;
        for &picture in pictures {
            let status = self.patiently(|open| {
                // SAFETY: the session is open and initialised; the number is the `inputTimeStamp` of one of its own
                // pictures.
                NVENCSTATUS(unsafe { function(open.handle(), picture) })
            });
            self.open.check(CALL, status.0)?;
        }
        Ok(())
    }
}
