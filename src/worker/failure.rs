//! The errors of a worker.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::units::Timestamp;

/// The step in which a worker failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailedStep {
    /// Encoding the frame with this timestamp; `None` if it could not be shown as a frame at all.
    Frame(Option<Timestamp>),
    /// Changing settings other than the size.
    Settings,
    /// Changing the size.
    Size,
}

/// An error of the encoder, delivered in the place of the failed step.
#[derive(Debug, thiserror::Error)]
#[error("{}", Failed(*step))]
#[non_exhaustive]
pub struct WorkerError {
    /// The failed step.
    pub step: FailedStep,
    /// The error. An error of a frame that does not [leave the encoder usable](Error::leaves_encoder_usable) is the
    /// last item of a worker.
    #[source]
    pub error: Error,
}

impl WorkerError {
    pub(super) const fn new(step: FailedStep, error: Error) -> Self {
        Self { step, error }
    }
}

/// Displays as the failure of a step.
struct Failed(FailedStep);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FailedStep::Frame(Some(Timestamp(timestamp))) => {
                write!(f, "the frame of time {timestamp} was not encoded")
            }
            FailedStep::Frame(None) => f.write_str("the frame was not encoded"),
            FailedStep::Settings => f.write_str("the settings were not changed"),
            FailedStep::Size => f.write_str("the size was not changed"),
        }
    }
}

/// The thread of a worker did not end within the limit; it ends later by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encoder's worker has not ended within {limit:?}")]
pub struct StillRunning {
    /// The limit of the wait.
    pub limit: Duration,
}
