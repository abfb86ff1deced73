//! The choice of a backend, the failover to the next one, and the return to a better one.

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

/// An encoder, and the better backends that were passed over.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The encoder.
    pub encoder: FailoverEncoder,
    /// Every better backend in the order tried, with the reason why it was passed over.
    pub passed_over: Vec<Unavailable>,
}

/// Opens the first backend of `order` that this machine has.
///
/// [`Opened::passed_over`], events and `tracing` report the backends passed over: an absent one at info level, one
/// that is there and fails as a warning. A condition that may pass, such as a session limit, is retried while the next
/// backend encodes: see [`FailoverEncoder`].
///
/// # Errors
/// [`Error::Config`] when the settings cannot work on any backend. When no backend opens, the error of the last one
/// that is there and fails. Without such a one, [`Error::Config`] with the limit of a backend that refuses the
/// settings, or else [`Error::Unavailable`] of the last one.
pub fn open(config: &EncoderConfig, order: &BackendOrder) -> Result<Opened, Error> {
    let (encoder, passed_over) = FailoverEncoder::open(config, order)?;
    Ok(Opened { encoder, passed_over })
}
