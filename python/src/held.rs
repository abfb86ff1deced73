//! Device memory that must not be freed yet, by what keeps it alive.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use direct264::{Encoder as _, FailoverEncoder};
use pyo3::prelude::*;

use crate::frame::Owner;

/// The longest that the end of an encoder waits for sessions that still read device memory. After that the memory is
/// never freed.
const LONGEST_END: Duration = Duration::from_secs(60);

/// The owners of device memory that an encoder may still read.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    address: u64,
    /// Whether the caller keeps the memory registered, rather than that a call with it timed out.
    is_registered: bool,
    #[expect(dead_code, reason = "kept alive, and never looked at")]
    owner: Owner,
}

impl Held {
    /// No code that holds the lock can panic, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds memory that is registered until it is forgotten.
    pub(crate) fn register(&self, address: u64, owner: Owner) {
        self.hold(Entry { address, is_registered: true, owner });
    }

    /// Holds memory that a call which timed out may still read.
    pub(crate) fn after_time_out(&self, address: u64, owner: Owner) {
        self.hold(Entry { address, is_registered: false, owner });
    }

    fn hold(&self, entry: Entry) {
        let mut entries = self.lock();
        let key = |entry: &Entry| (entry.address, entry.is_registered);
        if !entries.iter().any(|other| key(other) == key(&entry)) {
            entries.push(entry);
        }
    }

    /// Lets go of memory that was forgotten: at `address`, or all of it. The GIL is held.
    pub(crate) fn forgotten(&self, address: Option<u64>) {
        self.release(|entry| address.is_none_or(|address| entry.address == address));
    }

    /// Lets go of memory of calls that timed out, once their sessions are gone. The GIL is held.
    pub(crate) fn sessions_are_gone(&self) {
        self.release(|entry| !entry.is_registered);
    }

    fn release(&self, which: impl Fn(&Entry) -> bool) {
        let mut entries = self.lock();
        let gone: Vec<Entry> = entries.extract_if(.., |entry| which(entry)).collect();
        drop(entries);
        drop(gone);
    }

    /// Moves everything out.
    pub(crate) fn take(&self) -> Self {
        Self(Mutex::new(std::mem::take(&mut *self.lock())))
    }

    /// Whether memory of a call that timed out is held.
    pub(crate) fn awaits_sessions(&self) -> bool {
        self.lock().iter().any(|entry| !entry.is_registered)
    }

    /// Asks the encoder to let go of all memory. Returns whether nothing reads it any more.
    pub(crate) fn is_let_go_of(&self, encoder: &mut FailoverEncoder) -> bool {
        self.lock().is_empty() || encoder.forget_cuda(None).is_ok()
    }

    /// Lets go of everything. The GIL is not held; an interpreter that is shutting down cannot be entered, and then the
    /// memory is left to the end of the process.
    pub(crate) fn release_all(self) {
        let mut entries = Some(std::mem::take(&mut *self.lock())).filter(|entries| !entries.is_empty());
        if entries.is_none() {
            return;
        }
        Python::try_attach(|_| drop(entries.take()));
        std::mem::forget(entries);
    }

    /// Ends the encoder and then lets go of the memory. Memory that a hanging driver never lets go of is leaked. The
    /// GIL is not held.
    pub(crate) fn end(self, mut encoder: FailoverEncoder) {
        let start = Instant::now();
        while !self.is_let_go_of(&mut encoder) {
            if start.elapsed() > LONGEST_END {
                std::mem::forget(self);
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(encoder);
        self.release_all();
    }
}
