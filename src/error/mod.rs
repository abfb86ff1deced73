//! Errors, sorted by what the caller can do next.

mod bracketed;
mod config;
mod driver;
mod ended;
mod frame;
mod internal;
mod no_thread;
mod reason;
mod unavailable;

pub use config::ConfigError;
pub use driver::{CallOutcome, DriverError};
pub use ended::{Ended, StillInUse};
pub use frame::{FrameError, Unreadable};
pub use internal::Internal;
pub use no_thread::NoThread;
pub use unavailable::Unavailable;

pub use crate::backend::UnknownBackend;
use crate::units::OutOfRange;

/// The error of a call. The variant says what to do next; [`reason`](Error::reason) and [`advice`](Error::advice) say
/// so for logs and for people.
///
/// ```
/// use direct264::{Backend, BackendOrder, Bitrate, EncoderConfig, FrameRate, FrameSize, open};
///
/// let config = EncoderConfig::new(FrameSize::new(8, 8)?, FrameRate::hz(30)?, Bitrate::from_mbps(1)?);
/// let error = open(&config, &BackendOrder::only(Backend::OpenH264)).unwrap_err();
/// println!("{error}: {}; {}", error.reason(), error.advice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot work. No device was touched: fix the call.
    #[error("the settings cannot work")]
    Config(#[from] ConfigError),
    /// This frame does not fit; the encoder is still good: fix the call.
    #[error("the frame does not fit the encoder")]
    Frame(#[from] FrameError),
    /// This machine has no encoder of this kind, as is ordinary on most machines: try another backend.
    #[error("no such encoder is available here")]
    Unavailable(#[from] Unavailable),
    /// A driver or library call failed. The session is spent: open another.
    #[error("a call of the encoder failed")]
    Driver(#[from] DriverError),
    /// The session has ended before this call: open another. A session of the parent process cannot be used after a
    /// fork: open one in this process.
    #[error("the encoder is at its end")]
    Ended(#[from] Ended),
    /// A thread could not be started. Nothing else was done: end some threads and try again.
    #[error("the encoder needs a thread")]
    NoThread(#[from] NoThread),
    /// The memory may still be read: keep it and ask again. The encoder is unchanged.
    #[error("the memory may still be read")]
    StillInUse(#[from] StillInUse),
    /// A mistake in this crate was found. The session is spent: report the mistake, and open another session.
    #[error("the encoder is at fault")]
    Internal(#[from] Internal),
}

impl Error {
    /// Whether the encoder is as good as before the call: true for [`Error::Config`], [`Error::Frame`] and
    /// [`Error::StillInUse`]. After any other error the session may be spent, and another backend or session can go
    /// on.
    #[must_use]
    pub const fn leaves_encoder_usable(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Frame(_) | Self::StillInUse(_))
    }

    /// Whether CUDA has given up the context of the call.
    pub(crate) const fn is_context_lost(&self) -> bool {
        match self {
            Self::Driver(why) | Self::Frame(FrameError::Unreadable(Unreadable::Driver(why))) => {
                why.is_context_lost
            }
            Self::Unavailable(why) => why.is_context_lost,
            _ => false,
        }
    }
}

impl From<OutOfRange> for Error {
    fn from(e: OutOfRange) -> Self {
        Self::Config(e.into())
    }
}

impl From<UnknownBackend> for Error {
    fn from(e: UnknownBackend) -> Self {
        Self::Config(e.into())
    }
}
