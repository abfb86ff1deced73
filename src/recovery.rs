//! Answer to a report of lost frames.

/// How a stream goes on after the receiver has lost frames: what [`Encoder::invalidate`](crate::Encoder::invalidate)
/// answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recovery {
    /// As before: nothing that is still to come depends on what was lost.
    NotNeeded,
    /// With a P picture that is predicted from a frame that the receiver has.
    OlderReference,
    /// With an IDR.
    Idr,
}

impl Recovery {
    /// The word for it: `not_needed`, `older_reference` or `idr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::OlderReference => "older_reference",
            Self::Idr => "idr",
        }
    }
}
