//! Everything that exists on the pretended machine, behind one lock.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use d264_double_common::settings::Gpu;

use crate::context::{Context, Primary};
use crate::error::{CONTEXT_IS_DESTROYED, INVALID_CONTEXT, INVALID_DEVICE, NO_DEVICE, NOT_INITIALIZED};
use crate::event::Event;
use crate::host::HostRange;
use crate::ledger::{LEDGER, lock};
use crate::memory::Memory;
use crate::order::{Access, Clock};
use crate::stream::{Callback, Stream};

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(Mutex::default);
static FORKED: AtomicBool = AtomicBool::new(false);
#[cfg(unix)]
static WATCH_FORKS: Once = Once::new();

/// The machine.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) gpus: Vec<Gpu>,
    initialised: bool,
    next_handle: u64,
    pub(crate) contexts: BTreeMap<u64, Context>,
    pub(crate) primaries: BTreeMap<i32, Primary>,
    pub(crate) streams: BTreeMap<u64, Stream>,
    pub(crate) events: BTreeMap<u64, Event>,
    pub(crate) memory: Memory,
    pub(crate) pinned: BTreeMap<usize, HostRange>,
    /// The work that the host has waited for.
    pub(crate) host: Clock,
    /// Accesses that the host has not waited for.
    pub(crate) accesses: Vec<Access>,
    pub(crate) due_callbacks: Vec<Callback>,
}

pub(crate) fn world() -> MutexGuard<'static, World> {
    lock(&WORLD)
}

/// Whether this process is a child that was forked after CUDA was initialised.
pub(crate) fn forked() -> bool {
    FORKED.load(Ordering::Acquire)
}

/// Runs what streams asked to have called, outside the lock.
pub(crate) fn run_callbacks() {
    let due = std::mem::take(&mut world().due_callbacks);
    for callback in due {
        callback.run();
    }
}

#[cfg(unix)]
extern "C" fn after_fork_in_child() {
    FORKED.store(true, Ordering::Release);
}

impl World {
    pub(crate) fn initialise(&mut self) -> Result<(), u32> {
        if forked() {
            return Err(NOT_INITIALIZED);
        }
        let gpus = &LEDGER.settings().gpus;
        if gpus.is_empty() {
            return Err(NO_DEVICE);
        }
        if !self.initialised {
            self.gpus.clone_from(gpus);
            self.initialised = true;
            #[cfg(unix)]
            WATCH_FORKS.call_once(|| {
                // SAFETY: the handler only stores to an atomic.
                unsafe { libc::pthread_atfork(None, None, Some(after_fork_in_child)) };
            });
        }
        Ok(())
    }

    pub(crate) fn ready(&self) -> Result<(), u32> {
        if self.initialised && !forked() { Ok(()) } else { Err(NOT_INITIALIZED) }
    }

    /// A handle that is no address: it faults when it is dereferenced, and no two kinds share one.
    pub(crate) fn new_handle(&mut self) -> u64 {
        self.next_handle += 1;
        0x0d26_4000_0000_0000 + self.next_handle * 16
    }

    pub(crate) fn device(&self, device: i32) -> Result<&Gpu, u32> {
        self.ready()?;
        usize::try_from(device).ok().and_then(|index| self.gpus.get(index)).ok_or(INVALID_DEVICE)
    }

    /// The context that is current on this thread, if it is alive and healthy.
    pub(crate) fn current(&self) -> Result<u64, u32> {
        self.ready()?;
        let handle = crate::context::current().ok_or(INVALID_CONTEXT)?;
        let context = self.contexts.get(&handle).ok_or(CONTEXT_IS_DESTROYED)?;
        context.alive().map(|()| handle)
    }

    /// A sticky error: the context that is current on this thread is of no more use.
    pub(crate) fn kill_current(&mut self, code: u32) {
        if let Some(context) = crate::context::current().and_then(|handle| self.contexts.get_mut(&handle)) {
            context.dead = code;
        }
    }
}
