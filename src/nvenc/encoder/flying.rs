//! A frame in flight.

use std::time::Instant;

use crate::access_unit::StageTimes;
use crate::frame::Frame;
use crate::units::{FrameSize, Timestamp};

/// A frame that was submitted and has not come out.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) slot: usize,
    pub(super) origin: Origin,
    pub(super) timestamp: Timestamp,
    pub(super) times: StageTimes,
    pub(super) start: Instant,
}

/// The place that a frame is encoded from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// The page-locked memory of its slot, with a picture of this size.
    Host(FrameSize),
    Device(Frame<'static>),
}

impl Flying {
    /// The slot in whose page-locked memory it is.
    pub(super) fn host_slot(&self) -> Option<usize> {
        matches!(self.origin, Origin::Host(_)).then_some(self.slot)
    }
}
