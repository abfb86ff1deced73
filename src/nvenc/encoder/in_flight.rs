//! A frame in flight.

use std::time::Instant;

use crate::access_unit::StageTimes;
use crate::frame::Frame;
use crate::units::{FrameSize, Timestamp};

/// A frame that was submitted and whose access unit has not come out.
#[derive(Debug)]
pub(super) struct FrameInFlight {
    pub(super) slot: usize,
    pub(super) origin: Origin,
    pub(super) timestamp: Timestamp,
    pub(super) times: StageTimes,
    pub(super) start: Instant,
}

/// The place that a frame is encoded from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// The page-locked memory of the frame's slot, with a picture of this size.
    Host(FrameSize),
    Device(Frame<'static>),
}

impl FrameInFlight {
    /// The slot whose page-locked memory holds the frame.
    pub(super) fn host_slot(&self) -> Option<usize> {
        matches!(self.origin, Origin::Host(_)).then_some(self.slot)
    }
}
