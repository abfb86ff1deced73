//! Whether a context is lost, asked after an error in it.

use std::sync::Arc;

use super::context::Context;
use super::stream::Stream;
use crate::error::{DriverError, Error, Unavailable};
use crate::reason::Reason;

impl Context {
    /// Whether CUDA has given the context up. Every call that makes an object then fails, so this makes a stream. The
    /// question follows another failure: NVENC has no status for a lost context, and CUDA answers a GPU that fell off
    /// the bus with whatever status comes up. Only a lack of memory leaves the context in doubt.
    fn is_lost(self: &Arc<Self>) -> bool {
        Stream::new(self).is_err_and(|error| error.reason != Reason::OutOfMemory)
    }

    /// Adds to the error of a failed call whether the context is lost.
    pub(crate) fn explain(self: &Arc<Self>, error: Error) -> Error {
        match error {
            Error::Driver(why) => {
                let is_context_lost = why.is_context_lost || self.is_lost();
                DriverError { is_context_lost, ..why }.into()
            }
            Error::Unavailable(why) => {
                let is_context_lost = why.is_context_lost || self.is_lost();
                Unavailable { is_context_lost, ..why }.into()
            }
            other => other,
        }
    }
}
