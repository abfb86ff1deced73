//! Error of a backend that this machine does not have.

use std::error::Error as StdError;
use std::fmt;

#[cfg(nvenc)]
use super::driver::DriverError;
use crate::backend::Backend;
use crate::reason::Reason;

/// Why a backend cannot be had on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unavailable {
    /// The backend asked for; when every backend of a list failed, the one that tells most, as
    /// [`open`](crate::open) says.
    pub backend: Backend,
    /// The word for it, of a closed set.
    pub reason: Reason,
    /// What was seen: a library's name, two versions, a call and its status. May be empty.
    pub detail: String,
    /// What to do about the very status that the driver returned.
    pub(crate) closer_advice: Option<&'static str>,
    /// See [`DriverError::is_context_lost`](crate::error::DriverError::is_context_lost).
    pub is_context_lost: bool,
    /// Another size may mend it, whatever the reason says of the setting.
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

    /// Why a backend cannot be had where a call of it failed: all that is known of the failure, told as `detail`.
    #[cfg(nvenc)]
    pub(crate) fn after(error: &DriverError, detail: impl Into<String>) -> Self {
        Self {
            is_context_lost: error.is_context_lost,
            closer_advice: error.closer_advice,
            ..Self::new(error.backend, error.reason, detail)
        }
    }

    /// The same with advice that knows more than the reason does.
    pub(crate) fn advising(self, closer_advice: Option<&'static str>) -> Self {
        Self { closer_advice, ..self }
    }

    /// The reason that decides when the backend is tried again: a setting that goes with other sizes is one of the size.
    pub(crate) const fn until(&self) -> Reason {
        if self.hangs_on_size { Reason::UnsupportedSize } else { self.reason }
    }

    /// What a person can do about it: for the very status that the driver returned where it is a known one, else for
    /// the reason. Empty where nothing needs doing.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.closer_advice.unwrap_or(self.reason.advice())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.reason.sentence())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl StdError for Unavailable {}
