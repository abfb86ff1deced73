//! The order of work on the GPU: one clock per stream and one for the host tell which work a reader has waited for.
//!
//! Work on a stream has a place in that stream's order. A clock says, for each stream, up to which place its owner
//! can rely on the work being done. A stream learns by waiting for events and by CUDA's rules for the default stream;
//! the host learns by waiting. An access is in order after another if its stream or the host, which submits it, knows
//! of the other.

use std::collections::BTreeMap;

use d264_double_common::Function;
use d264_double_common::bridge::Ticket;

/// The work that the owner of the clock has waited for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(BTreeMap<u64, u64>);

impl Clock {
    pub(crate) fn knows(&self, ticket: Ticket) -> bool {
        self.0.get(&ticket.stream).is_some_and(|place| *place >= ticket.place)
    }

    pub(crate) fn learn(&mut self, ticket: Ticket) {
        let place = self.0.entry(ticket.stream).or_default();
        *place = (*place).max(ticket.place);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (stream, place) in &other.0 {
            self.learn(Ticket { stream: *stream, place: *place });
        }
    }

    pub(crate) fn forget_stream(&mut self, stream: u64) {
        self.0.remove(&stream);
    }
}

/// A stretch of memory that work reads or writes. Addresses are those of the bytes themselves, not device addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) write: bool,
}

/// A touch by work that nobody may have waited for yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) touch: Touch,
    pub(crate) ticket: Ticket,
    pub(crate) function: Function,
}

impl Touch {
    pub(crate) fn clashes(self, other: Self) -> bool {
        (self.write || other.write)
            && self.start < other.start + other.len
            && other.start < self.start + self.len
    }

    pub(crate) fn verb(self) -> &'static str {
        if self.write { "writes" } else { "reads" }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Touch};
    use d264_double_common::bridge::Ticket;

    #[test]
    fn a_clock_knows_what_it_learned_and_what_came_before() {
        let mut clock = Clock::default();
        clock.learn(Ticket { stream: 1, place: 5 });
        assert!(clock.knows(Ticket { stream: 1, place: 4 }));
        assert!(!clock.knows(Ticket { stream: 1, place: 6 }));
        assert!(!clock.knows(Ticket { stream: 2, place: 1 }));
    }

    #[test]
    fn two_reads_never_clash() {
        let read = Touch { start: 0, len: 10, write: false };
        let write = Touch { start: 9, len: 1, write: true };
        assert!(!read.clashes(read));
        assert!(read.clashes(write));
        assert!(!read.clashes(Touch { start: 10, len: 1, write: true }));
    }
}
