//! Events: marks in a stream's order that others can wait for.

use std::time::Instant;

use d264_double_common::bridge::Ticket;

use crate::error::{INVALID_HANDLE, NOT_READY};
use crate::order::Clock;
use crate::stream::Op;
use crate::world::World;

/// `CU_EVENT_DISABLE_TIMING`.
pub(crate) const DISABLE_TIMING: u32 = 2;

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) context: u64,
    pub(crate) flags: u32,
    pub(crate) recorded: Option<Recorded>,
}

/// Where it was last recorded.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) ticket: Ticket,
    /// The work that its stream had waited for at that point.
    pub(crate) clock: Clock,
    pub(crate) when: Instant,
}

impl World {
    pub(crate) fn event(&self, handle: u64) -> Result<&Event, u32> {
        self.ready()?;
        self.events.get(&handle).ok_or(INVALID_HANDLE)
    }

    pub(crate) fn record_event(&mut self, handle: u64, stream: u64) -> Result<(), u32> {
        self.event(handle)?;
        let place = self.enqueue(stream, Op::Marker);
        let ticket = Ticket { stream, place };
        let mut clock = self.streams.get(&stream).map(|found| found.clock.clone()).unwrap_or_default();
        clock.learn(ticket);
        if let Some(event) = self.events.get_mut(&handle) {
            event.recorded = Some(Recorded { ticket, clock, when: Instant::now() });
        }
        Ok(())
    }

    /// Has a stream wait for an event; one that was never recorded is no wait at all.
    pub(crate) fn wait_event(&mut self, stream: u64, handle: u64) -> Result<(), u32> {
        let Some(recorded) = self.event(handle)?.recorded.clone() else { return Ok(()) };
        self.enqueue(stream, Op::Wait(recorded.ticket));
        if let Some(found) = self.streams.get_mut(&stream) {
            found.clock.merge(&recorded.clock);
        }
        Ok(())
    }

    pub(crate) fn synchronise_event(&mut self, handle: u64) -> Result<(), u32> {
        if let Some(recorded) = self.event(handle)?.recorded.clone() {
            self.drain(recorded.ticket);
            self.host.merge(&recorded.clock);
        }
        Ok(())
    }

    /// Answers "not ready" once for work that is outstanding, which is done by the next time.
    pub(crate) fn query_event(&mut self, handle: u64) -> Result<(), u32> {
        let Some(recorded) = self.event(handle)?.recorded.clone() else { return Ok(()) };
        if self.is_done(recorded.ticket) {
            self.host.merge(&recorded.clock);
            return Ok(());
        }
        self.drain(recorded.ticket);
        Err(NOT_READY)
    }
}
