//! The answer to a report of a loss.

/// The number of pictures remembered. The loss of an older picture is answered with an IDR.
pub(super) const REMEMBERED: u64 = 128;

/// The answer to a report of a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing: no later picture depends on the loss.
    Nothing,
    /// Invalidate these pictures: no later picture may be predicted from them.
    Invalidate(Vec<u64>),
    /// Send an IDR: no reference is left.
    Idr,
}
