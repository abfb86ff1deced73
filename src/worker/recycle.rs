//! A store of memory for reuse.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Returned values, up to the capacity, kept without an allocation.
pub(super) struct Recycler<T>(Mutex<Vec<T>>);

impl<T> Recycler<T> {
    pub(super) fn new(most: usize) -> Self {
        Self(Mutex::new(Vec::with_capacity(most)))
    }

    pub(super) fn take(&self) -> Option<T> {
        self.kept().pop()
    }

    pub(super) fn give_back(&self, used: T) {
        let mut kept = self.kept();
        if kept.len() < kept.capacity() {
            kept.push(used);
        } else {
            // The value may be large, and no thread should wait for the lock while it is freed.
            drop(kept);
            drop(used);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Recycler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recycler").field("kept", &self.kept().len()).finish_non_exhaustive()
    }
}
