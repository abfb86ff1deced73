//! The error of a backend that this machine does not have.

use super::bracketed::Bracketed;
#[cfg(nvenc)]
use super::driver::DriverError;
use crate::backend::Backend;
use crate::reason::Reason;

/// The finding that a backend is unavailable on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend}: {}{}", reason.sentence(), Bracketed(detail))]
#[non_exhaustive]
pub struct Unavailable {
    /// The backend asked for. If every backend of an order failed, the backend whose error [`open`](crate::open)
    /// returns.
    pub backend: Backend,
    /// The reason, of a closed set.
    pub reason: Reason,
    /// The library, the two versions, or the call and status that was seen. May be empty.
    pub detail: String,
    /// Advice for the very status that the driver returned.
    pub(crate) closer_advice: Option<&'static str>,
    /// See [`DriverError::is_context_lost`](crate::error::DriverError::is_context_lost).
    pub is_context_lost: bool,
    /// Whether another size may remove the cause, even if the reason names a setting.
    pub(crate) hangs_on_size: bool,
}

impl Unavailable {
    pub(crate) const fn new_empty(backend: Backend, reason: Reason) -> Self {
        Self {
            backend,
            reason,
            detail: String::new(),
            closer_advice: None,
            is_context_lost: false,
            hangs_on_size: matches!(reason, Reason::UnsupportedSize),
        }
    }

    pub(crate) fn new(backend: Backend, reason: Reason, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::new_empty(backend, reason) }
    }

    /// The finding of a failed call, whose full text becomes `detail`.
    #[cfg(nvenc)]
    pub(crate) fn after(error: &DriverError, detail: impl Into<String>) -> Self {
        Self {
            is_context_lost: error.is_context_lost,
            closer_advice: error.closer_advice,
            ..Self::new(error.backend, error.reason, detail)
        }
    }

    /// The same finding with more precise advice than the reason's.
    pub(crate) fn advising(self, closer_advice: Option<&'static str>) -> Self {
        Self { closer_advice, ..self }
    }

    /// The reason that decides when the backend is tried again. A setting that fits other sizes counts as a size.
    pub(crate) const fn until(&self) -> Reason {
        if self.hangs_on_size { Reason::UnsupportedSize } else { self.reason }
    }

    /// An action for a person: for the very status that the driver returned where it is a known one, else for the
    /// reason. Empty when none is needed.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.closer_advice.unwrap_or(self.reason.advice())
    }
}
