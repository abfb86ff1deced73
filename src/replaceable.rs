//! Encoders of one backend, which the failover encoder can put another one in the place of.

use std::any::Any;

use crate::encoder::Encoder;
use crate::error::Error;
use crate::frame::Frame;
use crate::remains::Remains;

/// An encoder of one backend. The failover encoder asks this of it beyond the contract.
pub(crate) trait Replaceable: Encoder + Any {
    /// The frame in flight, from the pixels that it is encoded from: also after an error.
    fn in_flight(&self) -> Option<Frame<'_>>;

    /// Makes the next picture an IDR that starts a stream, and forgets what pictures before it have taught.
    fn start_over(&mut self);

    /// As [`Encoder::forget_cuda`], by the session that is in use alone.
    fn let_go(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// One weak reference for each session that the encoder has had, the one in use last. It can be upgraded for as long
    /// as any part of the session lives, a driver's call that hangs included.
    fn remains(&self) -> Vec<Remains>;
}
