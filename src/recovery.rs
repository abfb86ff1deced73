//! Answer to a report of lost frames.

/// How a stream goes on after the receiver has lost frames: what [`Encoder::invalidate`](crate::Encoder::invalidate)
/// answers.
///
/// ```no_run
/// # fn lost(encoder: &mut direct264::FailoverEncoder) -> Result<(), direct264::Error> {
/// use direct264::{Encoder, FrameId, Recovery};
///
/// // The receiver reports that it lacks the frames 7 and 8.
/// match encoder.invalidate(FrameId(7)..=FrameId(8))? {
///     Recovery::Idr => println!("the next frame is an IDR"),
///     how => println!("{}", how.as_str()),
/// }
/// # Ok(())
/// # }
/// ```
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
