//! The errors of a session that has ended, and of one that has not ended yet.

use super::bracketed::Bracketed;
use crate::backend::Backend;
use crate::reason::Reason;

/// The session of an encoder is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend}: {}{}", self.sentence(), Bracketed(detail))]
#[non_exhaustive]
pub struct Ended {
    /// The backend of the session.
    pub backend: Backend,
    /// [`Reason::Forked`] for a session that belongs to the parent of this forked process; else the reason of the
    /// error that ended the session.
    pub reason: Reason,
    /// The cause of the end. May be empty.
    pub detail: String,
}

impl Ended {
    /// A session of the process that this one was forked from.
    pub(crate) const fn forked(backend: Backend) -> Self {
        Self { backend, reason: Reason::Forked, detail: String::new() }
    }

    /// A session that was given up for another one, which could not be opened.
    #[cfg(nvenc)]
    pub(crate) fn after(backend: Backend, reason: Reason, detail: impl Into<String>) -> Self {
        Self { backend, reason, detail: detail.into() }
    }

    const fn sentence(&self) -> &'static str {
        match self.reason {
            Reason::Forked => "the session belongs to the process that this one was forked from",
            _ => "the session has ended",
        }
    }

    /// An action for a person.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        self.reason.advice()
    }
}

/// Device memory that a session, or an abandoned call, may still read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend}: an earlier session or an abandoned call has not ended")]
#[non_exhaustive]
pub struct StillInUse {
    /// The backend that still holds the memory.
    pub backend: Backend,
}

impl StillInUse {
    pub(crate) const ADVICE: &'static str = "keep the memory, and ask again later";

    pub(crate) const fn new(backend: Backend) -> Self {
        Self { backend }
    }
}
