//! Whether a context is lost, asked after an error in it.

use std::sync::Arc;

use super::context::Context;
use super::stream::Stream;
use crate::error::{DriverError, Error, Unavailable};

impl Context {
    /// Whether CUDA has given it up, in which case every call that makes something says so. Asked where NVENC has refused
    /// something, which has no word for that.
    pub(crate) fn is_lost(self: &Arc<Self>) -> bool {
        Stream::new(self).is_err_and(|error| error.is_context_lost)
    }

    /// The error of a call in it that was refused, with whether it is lost.
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
