//! The error of a mistake in this crate.

/// A state that only a mistake in this crate can produce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a mistake in direct264, please report it: {found}")]
#[non_exhaustive]
pub struct Internal {
    /// The state that was found.
    pub found: String,
}

impl Internal {
    pub(crate) const ADVICE: &'static str =
        "report it to the authors of direct264, with this text and the log";

    pub(crate) fn new(found: impl Into<String>) -> Self {
        Self { found: found.into() }
    }
}
