//! Whether a context is lost, asked after an error in it.

use std::sync::Arc;

use super::context::Context;
use super::stream::Stream;
use crate::error::{DriverError, Error, Unavailable};

impl Context {
    /// Whether CUDA has given the context up. Every call that makes an object then fails, so this makes a stream. The
    /// question follows a refusal by NVENC, which has no status for a lost context.
    pub(crate) fn is_lost(self: &Arc<Self>) -> bool {
        Stream::new(self).is_err_and(|error| error.is_context_lost)
    }

    /// Adds to the error of a refused call whether the context is lost.
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
