//! What the encode half may ask of this one.

use std::sync::atomic::Ordering;

use d264_double_common::Function;
use d264_double_common::bridge::{Allocation, Bridge, Receive, Surface, Text, Ticket, VERSION, Verdict};
use d264_double_common::pointer::Bytes;

use crate::ledger::LEDGER;
use crate::order::{Access, Touch};
use crate::stream::Op;
use crate::world::{World, forked, world};
use crate::{context, report};

static BRIDGE: Bridge = Bridge {
    version: VERSION,
    enter,
    leave,
    violation,
    settings,
    settings_generation,
    resets,
    add_section,
    current_context,
    device_of,
    can_encode,
    dead,
    kill,
    hold_context,
    hold_memory,
    allocation,
    stream_is_known,
    hold_stream,
    read_surface,
    host_knows,
};

extern "C" fn resets() -> u64 {
    LEDGER.resets.load(Ordering::Acquire)
}

/// Hands the table to the encode half.
#[unsafe(no_mangle)]
extern "C" fn d264_double_bridge() -> *const Bridge {
    &raw const BRIDGE
}

/// Lines of settings that this process adds to its own.
#[unsafe(no_mangle)]
extern "C" fn d264_double_set(lines: Text) {
    LEDGER.tell(&lines.to_text());
}

/// Forgets counts, violations, the trace and what `d264_double_set` said.
#[unsafe(no_mangle)]
extern "C" fn d264_double_reset() {
    LEDGER.reset();
}

/// Nanoseconds that clients' calls have spent in the double while `CLOCK` was on.
#[unsafe(no_mangle)]
extern "C" fn d264_double_nanos_inside() -> u64 {
    LEDGER.nanos_inside()
}

/// The report as it would be written now.
#[unsafe(no_mangle)]
extern "C" fn d264_double_report(to: usize, receive: Receive) {
    receive(to, Text::new(&report::text()));
}

extern "C" fn enter(function: u32) -> Verdict {
    Function::from_index(function).map_or(Verdict::GO_ON, |function| LEDGER.enter(function))
}

extern "C" fn leave(function: u32, status: u32) {
    if let Some(function) = Function::from_index(function) {
        LEDGER.leave(function, status);
    }
}

extern "C" fn violation(function: u32, rule: Text) {
    if let Some(function) = Function::from_index(function) {
        LEDGER.violation(function.name(), &rule.to_text());
    }
}

extern "C" fn settings(to: usize, receive: Receive) -> u64 {
    let generation = LEDGER.generation();
    receive(to, Text::new(&LEDGER.settings_text()));
    generation
}

extern "C" fn settings_generation() -> u64 {
    LEDGER.generation()
}

extern "C" fn add_section(section: extern "C" fn(to: usize, receive: Receive)) {
    report::add_section(section);
}

extern "C" fn current_context() -> u64 {
    context::current().unwrap_or(0)
}

extern "C" fn device_of(handle: u64) -> i32 {
    world().contexts.get(&handle).map_or(-1, |context| context.device)
}

extern "C" fn can_encode(device: i32) -> bool {
    !forked() && world().device(device).is_ok_and(|gpu| gpu.has_encoder)
}

extern "C" fn dead(handle: u64) -> u32 {
    world().contexts.get(&handle).map_or(crate::error::CONTEXT_IS_DESTROYED, |context| context.dead)
}

extern "C" fn kill(handle: u64, code: u32) {
    if let Some(context) = world().contexts.get_mut(&handle) {
        context.dead = code;
    }
}

extern "C" fn hold_context(handle: u64, change: i32) {
    if let Some(context) = world().contexts.get_mut(&handle) {
        context.sessions += change;
    }
}

extern "C" fn hold_memory(address: u64, change: i32) {
    if let Some(allocation) = world().memory.containing_mut(address) {
        allocation.registrations += change;
    }
}

extern "C" fn allocation(address: u64) -> Allocation {
    let world = world();
    if let Some(found) = world.memory.containing(address).filter(|found| !found.released) {
        let kind = if found.stream_ordered { 2 } else { 1 };
        return Allocation { kind, context: found.context, base: found.base, len: found.len as u64 };
    }
    match usize::try_from(address).ok().and_then(|at| world.pinned_at(at)) {
        Some((base, range)) => {
            Allocation { kind: 3, context: range.context, base: base as u64, len: range.len as u64 }
        }
        None => Allocation::default(),
    }
}

extern "C" fn stream_is_known(handle: u64, stream: u64) -> bool {
    let world = world();
    world
        .stream_in(handle, stream)
        .is_ok_and(|found| world.streams.get(&found).is_some_and(|stream| stream.context == handle))
}

/// The default streams have no handle of their own, and cannot be destroyed.
extern "C" fn hold_stream(stream: u64, change: i32) {
    if let Some(found) = world().streams.get_mut(&stream) {
        found.sessions += change;
    }
}

extern "C" fn read_surface(surface: Surface, to: usize) -> Ticket {
    world().read_surface(surface, to).unwrap_or_default()
}

extern "C" fn host_knows(ticket: Ticket) {
    let mut world = world();
    let clock = world.streams.get(&ticket.stream).map(|stream| stream.clock.clone()).unwrap_or_default();
    world.drain(ticket);
    world.host.merge(&clock);
    world.host.learn(ticket);
}

impl World {
    /// The encoder waits for the input stream, reads, and lets the output stream go on. What other streams do to the
    /// surface before that point must be in order with one of the two.
    fn read_surface(&mut self, surface: Surface, to: usize) -> Option<Ticket> {
        let input = self.stream_in(surface.context, surface.input_stream).ok()?;
        let output = self.stream_in(surface.context, surface.output_stream).ok()?;
        let place = self.enqueue(input, Op::Marker);
        let asked = Ticket { stream: input, place };
        let (touch, source) = match self.memory.containing(surface.address) {
            Some(found) => {
                let offset = usize::try_from(surface.address - found.base).ok()?;
                let len = usize::try_from(surface.len).ok()?.min(found.len - offset);
                let start = found.bytes.address() + offset;
                (Some(Touch { start, len, write: false }), Bytes::new(start, len))
            }
            None => (None, Bytes::new(0, 0)),
        };
        if let Some(touch) = touch {
            self.check_order(asked, &[touch], Function::nvEncEncodePicture);
        }
        self.drain(asked);
        source.copy_to(to);
        let mut clock = self.streams.get(&input)?.clock.clone();
        clock.learn(asked);
        let done = if output == input {
            asked
        } else {
            let place = self.enqueue(output, Op::Wait(asked));
            self.streams.get_mut(&output)?.clock.merge(&clock);
            Ticket { stream: output, place }
        };
        if let Some(touch) = touch {
            self.accesses.push(Access { touch, ticket: done, function: Function::nvEncEncodePicture });
        }
        Some(done)
    }
}
