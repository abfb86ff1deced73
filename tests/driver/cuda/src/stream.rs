//! Streams: queues of work that is done as late as possible.

use std::collections::VecDeque;

use d264_double_common::Function;
use d264_double_common::bridge::Ticket;

use crate::error::{INVALID_CONTEXT, INVALID_HANDLE, NOT_READY};
use crate::ledger::{LEDGER, lock, violation};
use crate::order::{Access, Clock, Touch};
use crate::transfer::Transfer;
use crate::world::World;

/// `CU_STREAM_LEGACY` and `CU_STREAM_PER_THREAD`.
const LEGACY: u64 = 1;
const PER_THREAD: u64 = 2;

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) context: u64,
    pub(crate) non_blocking: bool,
    pub(crate) priority: i32,
    /// The place of the newest work.
    pub(crate) place: u64,
    pub(crate) clock: Clock,
    /// Encode sessions that do their work on it.
    pub(crate) sessions: i32,
    pending: VecDeque<(u64, Op)>,
}

/// Work.
#[derive(Debug)]
pub(crate) enum Op {
    Transfer(Box<Transfer>),
    Wait(Ticket),
    Marker,
    Call(Callback),
    Free(u64),
}

/// A function of the client's, and what it is called with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callback {
    Host { function: extern "C" fn(usize), data: usize },
    Stream { function: extern "C" fn(u64, u32, usize), stream: u64, data: usize },
}

impl Callback {
    pub(crate) fn run(self) {
        match self {
            Self::Host { function, data } => function(data),
            Self::Stream { function, stream, data } => function(stream, 0, data),
        }
    }
}

impl World {
    pub(crate) fn add_stream(&mut self, context: u64, non_blocking: bool, priority: i32) -> u64 {
        let handle = self.new_handle();
        let stream = Stream {
            context,
            non_blocking,
            priority,
            place: 0,
            clock: Clock::default(),
            sessions: 0,
            pending: VecDeque::new(),
        };
        self.streams.insert(handle, stream);
        handle
    }

    /// The stream that a client's handle means in a context.
    pub(crate) fn stream_in(&self, context: u64, handle: u64) -> Result<u64, u32> {
        let found = self.contexts.get(&context).ok_or(INVALID_CONTEXT)?;
        match handle {
            0 | LEGACY => Ok(found.legacy),
            PER_THREAD => Ok(found.per_thread),
            _ if self.streams.contains_key(&handle) => Ok(handle),
            _ => Err(INVALID_HANDLE),
        }
    }

    /// The stream that a handle means on this thread, for work: it must belong to the current context.
    pub(crate) fn stream_here(&self, handle: u64, function: Function) -> Result<u64, u32> {
        let context = self.current()?;
        let stream = self.stream_in(context, handle).inspect_err(|_| {
            violation(function, "a stream is used that does not exist");
        })?;
        if self.streams.get(&stream).is_some_and(|found| found.context != context) {
            violation(function, "a stream is used while another context than its own is current");
            return Err(INVALID_HANDLE);
        }
        Ok(stream)
    }

    /// Adds work to a stream, after what the default-stream rules put before it; its place.
    pub(crate) fn enqueue(&mut self, stream: u64, op: Op) -> u64 {
        self.follow_default_stream(stream);
        self.append(stream, op)
    }

    fn append(&mut self, stream: u64, op: Op) -> u64 {
        let Some(found) = self.streams.get_mut(&stream) else { return 0 };
        found.place += 1;
        found.pending.push_back((found.place, op));
        found.place
    }

    /// The default stream waits for every blocking stream of its context, and they for it.
    fn follow_default_stream(&mut self, stream: u64) {
        let Some(found) = self.streams.get(&stream) else { return };
        let Some(legacy) = self.contexts.get(&found.context).map(|context| context.legacy) else { return };
        if found.non_blocking {
            return;
        }
        let (context, is_legacy) = (found.context, stream == legacy);
        let before: Vec<u64> = self
            .streams
            .iter()
            .filter(|(id, other)| {
                **id != stream
                    && other.context == context
                    && !other.non_blocking
                    && (is_legacy || **id == legacy)
            })
            .map(|(id, _)| *id)
            .collect();
        for other in before {
            self.wait_for_stream(stream, other);
        }
    }

    fn wait_for_stream(&mut self, stream: u64, other: u64) {
        let Some(found) = self.streams.get(&other) else { return };
        let (ticket, clock) = (Ticket { stream: other, place: found.place }, found.clock.clone());
        if ticket.place == 0 || self.streams.get(&stream).is_some_and(|waiting| waiting.clock.knows(ticket)) {
            return;
        }
        self.append(stream, Op::Wait(ticket));
        if let Some(waiting) = self.streams.get_mut(&stream) {
            waiting.clock.merge(&clock);
            waiting.clock.learn(ticket);
        }
    }

    /// Adds work that touches memory, and compares it with all that may run at the same time.
    pub(crate) fn submit(&mut self, stream: u64, op: Op, touches: &[Touch], function: Function) -> Ticket {
        let is_behind_picture = matches!(op, Op::Transfer(_)) && self.has_picture_in_flight(stream);
        if is_behind_picture {
            lock(&LEDGER.record).copies_behind_pictures += 1;
        }
        let place = self.enqueue(stream, op);
        let ticket = Ticket { stream, place };
        self.check_order(ticket, touches, function);
        self.accesses.extend(touches.iter().map(|touch| Access { touch: *touch, ticket, function }));
        ticket
    }

    pub(crate) fn check_order(&mut self, ticket: Ticket, touches: &[Touch], function: Function) {
        let host = &self.host;
        self.accesses.retain(|access| !host.knows(access.ticket));
        let Some(stream) = self.streams.get(&ticket.stream) else { return };
        for access in &self.accesses {
            let ordered = access.ticket.stream == ticket.stream || stream.clock.knows(access.ticket);
            if ordered {
                continue;
            }
            for touch in touches.iter().filter(|touch| touch.clashes(access.touch)) {
                violation(
                    function,
                    &format!(
                        "{} memory that {} {} on another stream, without waiting for it",
                        touch.verb(),
                        access.function.name(),
                        access.touch.verb()
                    ),
                );
            }
        }
    }

    /// Whether an encoder has yet to give out, on this stream, a picture that nobody has waited for.
    fn has_picture_in_flight(&self, stream: u64) -> bool {
        self.accesses.iter().any(|access| {
            access.function == Function::nvEncEncodePicture
                && access.ticket.stream == stream
                && !self.host.knows(access.ticket)
        })
    }

    pub(crate) fn is_done(&self, ticket: Ticket) -> bool {
        self.streams
            .get(&ticket.stream)
            .and_then(|stream| stream.pending.front())
            .is_none_or(|(place, _)| *place > ticket.place)
    }

    /// Does the work of a stream up to a place.
    pub(crate) fn drain(&mut self, upto: Ticket) {
        while !self.is_done(upto) {
            let Some((_, op)) =
                self.streams.get_mut(&upto.stream).and_then(|stream| stream.pending.pop_front())
            else {
                return;
            };
            match op {
                Op::Transfer(transfer) => transfer.run(),
                Op::Wait(ticket) => self.drain(ticket),
                Op::Marker => {}
                Op::Call(callback) => self.due_callbacks.push(callback),
                Op::Free(base) => {
                    if let Some(freed) = self.memory.remove(base) {
                        self.forget_accesses(freed.bytes.address(), freed.len);
                    }
                }
            }
        }
    }

    /// Waits for all work of a stream.
    pub(crate) fn synchronise_stream(&mut self, stream: u64) {
        let Some(found) = self.streams.get(&stream) else { return };
        let (ticket, clock) = (Ticket { stream, place: found.place }, found.clock.clone());
        self.drain(ticket);
        self.host.merge(&clock);
        self.host.learn(ticket);
    }

    pub(crate) fn synchronise_context(&mut self, context: u64) {
        let streams: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| stream.context == context).map(|(id, _)| *id).collect();
        for stream in streams {
            self.synchronise_stream(stream);
        }
    }

    /// Answers "not ready" once for work that is outstanding, which is done by the next time.
    pub(crate) fn query_stream(&mut self, stream: u64) -> Result<(), u32> {
        let place = self.streams.get(&stream).map_or(0, |found| found.place);
        let ready = self.is_done(Ticket { stream, place });
        self.synchronise_work_only(stream, place, ready);
        if ready { Ok(()) } else { Err(NOT_READY) }
    }

    fn synchronise_work_only(&mut self, stream: u64, place: u64, told: bool) {
        if told {
            self.synchronise_stream(stream);
        } else {
            self.drain(Ticket { stream, place });
        }
    }

    pub(crate) fn remove_stream(&mut self, stream: u64) {
        self.synchronise_stream(stream);
        self.streams.remove(&stream);
        self.accesses.retain(|access| access.ticket.stream != stream);
        self.host.forget_stream(stream);
    }

    /// Whether work that nobody waited for uses these bytes.
    pub(crate) fn has_unwaited_access(&self, start: usize, len: usize) -> bool {
        let all = Touch { start, len, write: true };
        self.accesses.iter().any(|access| access.touch.clashes(all) && !self.host.knows(access.ticket))
    }

    /// Does all work that uses these bytes, and forgets that it did.
    pub(crate) fn finish_work_on(&mut self, start: usize, len: usize) {
        let all = Touch { start, len, write: true };
        let tickets: Vec<Ticket> = self
            .accesses
            .iter()
            .filter(|access| access.touch.clashes(all))
            .map(|access| access.ticket)
            .collect();
        for ticket in tickets {
            self.drain(ticket);
        }
        self.forget_accesses(start, len);
    }

    pub(crate) fn forget_accesses(&mut self, start: usize, len: usize) {
        let all = Touch { start, len, write: true };
        self.accesses.retain(|access| !access.touch.clashes(all));
    }
}
