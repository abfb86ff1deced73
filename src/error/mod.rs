//! Errors, sorted by what the caller can do next.

mod config;
mod driver;
mod ended;
mod frame;
mod internal;
mod no_thread;
mod reason;
mod unavailable;

use std::error::Error as StdError;
use std::fmt;

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot work. No device was touched: fix the call.
    Config(ConfigError),
    /// This frame does not fit; the encoder is still good: fix the call.
    Frame(FrameError),
    /// This machine has no encoder of this kind, as is ordinary on most machines: try another backend.
    Unavailable(Unavailable),
    /// A driver or library call failed. The session is spent: open another.
    Driver(DriverError),
    /// The session has ended before this call: open another. A session of the parent process cannot be used after a
    /// fork: open one in this process.
    Ended(Ended),
    /// A thread could not be started. Nothing else was done: end some threads and try again.
    NoThread(NoThread),
    /// The memory may still be read: keep it and ask again. The encoder is unchanged.
    StillInUse(StillInUse),
    /// A mistake in this crate was found. The session is spent: report the mistake, and open another session.
    Internal(Internal),
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config(_) => "the settings cannot work",
            Self::Frame(_) => "the frame does not fit the encoder",
            Self::Unavailable(_) => "no such encoder is available here",
            Self::Driver(_) => "a call of the encoder failed",
            Self::Ended(_) => "the encoder is at its end",
            Self::NoThread(_) => "the encoder needs a thread",
            Self::StillInUse(_) => "the memory may still be read",
            Self::Internal(_) => "the encoder is at fault",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(match self {
            Self::Config(e) => e,
            Self::Frame(e) => e,
            Self::Unavailable(e) => e,
            Self::Driver(e) => e,
            Self::Ended(e) => e,
            Self::NoThread(e) => e,
            Self::StillInUse(e) => e,
            Self::Internal(e) => e,
        })
    }
}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
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

impl From<FrameError> for Error {
    fn from(e: FrameError) -> Self {
        Self::Frame(e)
    }
}

impl From<Unavailable> for Error {
    fn from(e: Unavailable) -> Self {
        Self::Unavailable(e)
    }
}

impl From<DriverError> for Error {
    fn from(e: DriverError) -> Self {
        Self::Driver(e)
    }
}

impl From<Ended> for Error {
    fn from(e: Ended) -> Self {
        Self::Ended(e)
    }
}

impl From<NoThread> for Error {
    fn from(e: NoThread) -> Self {
        Self::NoThread(e)
    }
}

impl From<StillInUse> for Error {
    fn from(e: StillInUse) -> Self {
        Self::StillInUse(e)
    }
}

impl From<Internal> for Error {
    fn from(e: Internal) -> Self {
        Self::Internal(e)
    }
}
