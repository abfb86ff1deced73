//! The choice of a backend, the failover from one to the next, and the return to a better one.

mod backoff;
mod change;
mod encoder;
mod flight;
mod histogram;
mod ids;
#[cfg(nvenc)]
mod lending;
mod line;
mod order;
mod record;
mod restore;
mod spare;
mod switch;
#[cfg(test)]
mod tests;
mod waiting;

pub use encoder::FailoverEncoder;
pub use histogram::Latency;
pub use order::BackendOrder;
pub use record::Counters;

use crate::config::EncoderConfig;
use crate::error::{Error, Unavailable};

/// An encoder, and what was passed over on the way to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The encoder.
    pub encoder: FailoverEncoder,
    /// Every better backend, in the order tried, with the reason why it is not the one.
    pub passed_over: Vec<Unavailable>,
}

/// Opens the first backend of `order` that this machine has.
///
/// Those passed over are told in [`Opened::passed_over`], as events, and through `tracing`: at info level what is
/// absent, as a warning what is there and fails. What may pass, such as a session limit, is tried again while the next
/// backend encodes: see [`FailoverEncoder`].
///
/// # Errors
/// [`Error::Config`] when the settings cannot work, whatever the backend. When none opens, the error of the last one that
/// is there and fails; else [`Error::Config`] with the limit of a backend that does not take the settings; else
/// [`Error::Unavailable`] of the last one.
pub fn open(config: &EncoderConfig, order: &BackendOrder) -> Result<Opened, Error> {
    let (encoder, passed_over) = FailoverEncoder::open(config, order)?;
    Ok(Opened { encoder, passed_over })
}
