//! The errors of driver and library calls.

use std::fmt;
use std::time::Duration;

use super::bracketed::Bracketed;
use crate::backend::Backend;
use crate::reason::Reason;

/// A driver or library call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend}: {}", self.clause())]
#[non_exhaustive]
pub struct DriverError {
    /// The backend whose call failed.
    pub backend: Backend,
    /// The kind of failure: [`Reason::DriverError`] unless the call or its status says more.
    pub reason: Reason,
    /// The function, by its C name.
    pub call: &'static str,
    /// The outcome of the call.
    pub outcome: CallOutcome,
    /// The driver's or library's own words, or the fault in its answer. May be empty.
    pub detail: String,
    /// Advice for this very status.
    pub(crate) closer_advice: Option<&'static str>,
    /// Whether CUDA has given up the context for good: after bad memory or bad code on the GPU, by any caller, or
    /// after a GPU fell off the bus. Every later call in the context fails, and frames in its memory are lost.
    pub is_context_lost: bool,
}

/// The outcome of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallOutcome {
    /// The call returned this status.
    Status(i64),
    /// The call returned success, but its result cannot be used.
    Unusable,
    /// This call, or a shorter one just before it, did not return within the limit.
    TimedOut(Duration),
    /// The call was not made: the driver or library has no such function.
    Missing,
}

impl DriverError {
    fn new(backend: Backend, call: &'static str, outcome: CallOutcome, detail: String) -> Self {
        Self {
            backend,
            reason: Reason::DriverError,
            call,
            outcome,
            detail,
            closer_advice: None,
            is_context_lost: false,
        }
    }

    /// A call that returned an error status.
    pub(crate) fn refused(
        backend: Backend,
        call: &'static str,
        status: impl Into<i64>,
        detail: impl Into<String>,
    ) -> Self {
        let status = status.into();
        let is_context_lost = call.starts_with("cu") && is_sticky(status);
        Self { is_context_lost, ..Self::new(backend, call, CallOutcome::Status(status), detail.into()) }
    }

    /// A call that returned success with an unusable result; `detail` describes the result.
    pub(crate) fn unusable(backend: Backend, call: &'static str, detail: impl Into<String>) -> Self {
        Self::new(backend, call, CallOutcome::Unusable, detail.into())
    }

    /// A call that did not return within `limit`, or that follows one which did not.
    #[cfg(nvenc)]
    pub(crate) fn timed_out(backend: Backend, call: &'static str, limit: Duration) -> Self {
        let late = Self::new(backend, call, CallOutcome::TimedOut(limit), String::new());
        late.because(Reason::TimedOut)
    }

    /// A call of a function that the driver or library lacks.
    pub(crate) fn missing(backend: Backend, call: &'static str) -> Self {
        Self::new(backend, call, CallOutcome::Missing, String::new()).because(Reason::MissingSymbol)
    }

    /// The same error with a more precise reason.
    pub(crate) fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// The same error with more precise advice than the reason's.
    #[cfg(nvenc)]
    pub(crate) fn advising(self, closer_advice: Option<&'static str>) -> Self {
        Self { closer_advice, ..self }
    }

    /// The status that the call returned; `None` where it returned none, or success.
    #[must_use]
    pub const fn status(&self) -> Option<i64> {
        match self.outcome {
            CallOutcome::Status(status) => Some(status),
            _ => None,
        }
    }

    /// An action for a person: for this very status where it is a known one, else for the reason.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.closer_advice.unwrap_or(self.reason.advice())
    }

    /// The error in one clause, without the name of the backend.
    pub(crate) fn clause(&self) -> impl fmt::Display {
        Clause(self)
    }
}

struct Clause<'a>(&'a DriverError);

impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(DriverError { call, outcome, detail, .. }) = self;
        match outcome {
            CallOutcome::Status(status) => write!(f, "{call} returned {status}")?,
            CallOutcome::Unusable => return write!(f, "{call} gave {detail}"),
            CallOutcome::TimedOut(limit) => {
                let limit_ms = limit.as_millis();
                write!(f, "{call}, or a call on the way to it, did not return within {limit_ms} ms")?;
            }
            CallOutcome::Missing => write!(f, "there is no function {call}")?,
        }
        Bracketed(detail).fmt(f)
    }
}

/// Whether a CUDA status stays with the context for good.
fn is_sticky(status: i64) -> bool {
    const STICKY: [i64; 12] = [214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721];
    STICKY.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_the_call_is_told_in_one_clause() {
        let refused =
            DriverError::refused(Backend::Nvenc, "nvEncLockBitstream", 8, "NV_ENC_ERR_INVALID_PARAM");
        assert_eq!(refused.to_string(), "nvenc: nvEncLockBitstream returned 8 (NV_ENC_ERR_INVALID_PARAM)");
        assert_eq!((refused.status(), refused.is_context_lost), (Some(8), false));
        let unusable = DriverError::unusable(Backend::OpenH264, "EncodeFrame", "an empty access unit");
        assert_eq!(unusable.to_string(), "openh264: EncodeFrame gave an empty access unit");
        assert_eq!(unusable.status(), None);
        let missing = DriverError::missing(Backend::Nvenc, "nvEncGetSequenceParams");
        assert_eq!(missing.to_string(), "nvenc: there is no function nvEncGetSequenceParams");
        assert_eq!((missing.status(), missing.reason), (None, Reason::MissingSymbol));
    }

    #[cfg(nvenc)]
    #[test]
    fn a_call_that_is_late_is_told_with_its_limit() {
        let late = DriverError::timed_out(Backend::Nvenc, "nvEncLockBitstream", Duration::from_millis(100));
        assert_eq!(
            late.to_string(),
            "nvenc: nvEncLockBitstream, or a call on the way to it, did not return within 100 ms"
        );
        assert_eq!((late.status(), late.reason), (None, Reason::TimedOut));
    }

    #[test]
    fn a_status_that_ends_a_context_counts_from_cuda_alone() {
        let of = |call| DriverError::refused(Backend::Nvenc, call, 700, "").is_context_lost;
        assert!(of("cuStreamSynchronize") && !of("nvEncEncodePicture"));
    }
}
