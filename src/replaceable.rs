//! The interface by which the failover encoder replaces one backend's encoder with another's.

use std::any::Any;

use crate::encoder::Encoder;
use crate::error::Error;
use crate::frame::Frame;
use crate::remains::Remains;

/// An encoder of one backend, with the calls that the failover encoder needs beyond the contract.
pub(crate) trait Replaceable: Encoder + Any {
    /// The frame in flight, read from the memory that it is encoded from; also available after an error.
    fn in_flight(&self) -> Option<Frame<'_>>;

    /// Makes the next picture an IDR that starts a stream, and resets what rate control has learned.
    fn start_over(&mut self);

    /// Releases memory as [`Encoder::forget_cuda`] does, in the current session alone.
    fn let_go(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// Returns one weak reference for each session of the encoder, the current one last. It can be upgraded while any
    /// part of the session lives, a hanging driver call included.
    fn remains(&self) -> Vec<Remains>;
}
