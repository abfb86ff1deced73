//! Contexts: made, retained, pushed, popped, and what must be gone before they are.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use d264_double_common::Function;
use d264_double_common::bridge::LOST;

use crate::error::{INVALID_CONTEXT, INVALID_VALUE};
use crate::ledger::violation;
use crate::world::World;

thread_local! {
    static STACK: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Pushes less pops over all threads: what is left at exit was left on somebody's thread.
pub(crate) static DEPTH: AtomicI64 = AtomicI64::new(0);

/// A context.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) device: i32,
    pub(crate) primary: bool,
    pub(crate) flags: u32,
    /// The default stream, and the one that stands for every thread's own default stream.
    pub(crate) legacy: u64,
    pub(crate) per_thread: u64,
    /// The sticky error that killed it, or 0.
    pub(crate) dead: u32,
    /// Encode sessions that live in it.
    pub(crate) sessions: i32,
    pub(crate) peers: Vec<u64>,
}

impl Context {
    /// The error of a dead context. A GPU that fell off the bus gives one of several to what was valid before.
    pub(crate) fn alive(&self) -> Result<(), u32> {
        const OF_LOST_GPU: [u32; 7] = [LOST, 46, 101, 201, 304, 400, 401];
        static ANSWERS: AtomicUsize = AtomicUsize::new(0);
        match self.dead {
            0 => Ok(()),
            LOST => Err(OF_LOST_GPU[ANSWERS.fetch_add(1, Ordering::Relaxed) % OF_LOST_GPU.len()]),
            sticky => Err(sticky),
        }
    }
}

/// A device's primary context.
#[derive(Debug, Default)]
pub(crate) struct Primary {
    pub(crate) context: Option<u64>,
    pub(crate) retained: u64,
    pub(crate) flags: u32,
}

pub(crate) fn current() -> Option<u64> {
    STACK.try_with(|stack| stack.borrow().last().copied()).ok().flatten().filter(|handle| *handle != 0)
}

pub(crate) fn push(handle: u64) {
    STACK.with(|stack| stack.borrow_mut().push(handle));
    DEPTH.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn pop() -> Option<u64> {
    let popped = STACK.with(|stack| stack.borrow_mut().pop())?;
    DEPTH.fetch_sub(1, Ordering::Relaxed);
    Some(popped)
}

/// Replaces the top of this thread's stack; 0 empties it.
pub(crate) fn set_current(handle: u64) {
    STACK.with(|stack| {
        let mut stack = stack.borrow_mut();
        match (stack.last_mut(), handle) {
            (Some(_), 0) => {
                stack.pop();
            }
            (Some(top), _) => *top = handle,
            (None, 0) => {}
            (None, _) => stack.push(handle),
        }
    });
}

impl World {
    pub(crate) fn context(&self, handle: u64) -> Result<&Context, u32> {
        self.ready()?;
        self.contexts.get(&handle).ok_or(INVALID_CONTEXT)
    }

    pub(crate) fn create_context(&mut self, device: i32, flags: u32, primary: bool) -> Result<u64, u32> {
        self.device(device)?;
        let handle = self.new_handle();
        let legacy = self.add_stream(handle, false, 0);
        let per_thread = self.add_stream(handle, false, 0);
        let context =
            Context { device, primary, flags, legacy, per_thread, dead: 0, sessions: 0, peers: Vec::new() };
        self.contexts.insert(handle, context);
        Ok(handle)
    }

    pub(crate) fn retain_primary(&mut self, device: i32) -> Result<u64, u32> {
        self.device(device)?;
        let flags = self.primaries.entry(device).or_default().flags;
        let existing = self.primaries.get(&device).and_then(|primary| primary.context);
        let handle = match existing {
            Some(handle) => handle,
            None => self.create_context(device, flags, true)?,
        };
        let primary = self.primaries.entry(device).or_default();
        primary.context = Some(handle);
        primary.retained += 1;
        Ok(handle)
    }

    pub(crate) fn release_primary(&mut self, device: i32) -> Result<(), u32> {
        self.device(device)?;
        let primary = self.primaries.entry(device).or_default();
        let Some(handle) = primary.context.filter(|_| primary.retained > 0) else {
            violation(
                Function::cuDevicePrimaryCtxRelease,
                "a primary context is released more often than retained",
            );
            return Err(INVALID_CONTEXT);
        };
        primary.retained -= 1;
        if primary.retained == 0 {
            primary.context = None;
            self.end_context(handle, Function::cuDevicePrimaryCtxRelease);
        }
        Ok(())
    }

    pub(crate) fn reset_primary(&mut self, device: i32) -> Result<(), u32> {
        self.device(device)?;
        if let Some(handle) = self.primaries.entry(device).or_default().context.take() {
            self.end_context(handle, Function::cuDevicePrimaryCtxReset);
        }
        Ok(())
    }

    pub(crate) fn destroy_context(&mut self, handle: u64) -> Result<(), u32> {
        if self.context(handle)?.primary {
            violation(Function::cuCtxDestroy, "a primary context is destroyed instead of released");
            return Err(INVALID_VALUE);
        }
        self.end_context(handle, Function::cuCtxDestroy);
        if current() == Some(handle) {
            let _ = pop();
        }
        Ok(())
    }

    /// Takes down a context and all that lives in it. A client that still had something there has lost it.
    fn end_context(&mut self, handle: u64, function: Function) {
        self.synchronise_context(handle);
        let Some(context) = self.contexts.remove(&handle) else { return };
        if context.sessions > 0 {
            violation(function, "a context ends while an encode session lives in it");
        }
        let lost_memory = self.memory.remove_context(handle);
        self.accesses.clear();
        let lost_pinned: Vec<usize> =
            self.pinned.iter().filter(|(_, range)| range.context == handle).map(|(base, _)| *base).collect();
        for base in &lost_pinned {
            self.pinned.remove(base);
        }
        let own = [context.legacy, context.per_thread];
        let lost_streams: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.context == handle)
            .map(|(id, _)| *id)
            .filter(|id| !own.contains(id))
            .collect();
        for id in own.iter().chain(&lost_streams) {
            self.streams.remove(id);
        }
        let events_before = self.events.len();
        self.events.retain(|_, event| event.context != handle);
        let lost_events = events_before - self.events.len();
        if lost_memory + lost_pinned.len() + lost_streams.len() + lost_events > 0 {
            violation(
                function,
                &format!(
                    "a context ends with {lost_memory} device allocations, {} page-locked ones, {} streams and \
                     {lost_events} events alive",
                    lost_pinned.len(),
                    lost_streams.len()
                ),
            );
        }
    }
}
