//! How long clients' calls spend in the double, so that a bench can tell their share from its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

thread_local! {
    static ENTERED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Counts from the way in to the way out of each call.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    is_on: AtomicBool,
    /// What looking at the clock takes by itself: on the way in some of it is before what it tells, and on the way out
    /// some behind it, once in all for each call.
    look_nanos: AtomicU64,
    pub(crate) nanos: AtomicU64,
}

impl Clock {
    pub(crate) fn set(&self, is_on: bool) {
        if is_on && !self.is_on.load(Ordering::Relaxed) {
            self.look_nanos.store(nanos_of_a_look(), Ordering::Relaxed);
        }
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self) {
        if self.is_on.load(Ordering::Relaxed) {
            ENTERED.set(Some(Instant::now()));
        }
    }

    pub(crate) fn leave(&self) {
        if let Some(entered) = ENTERED.take() {
            let inside = u64::try_from(entered.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.nanos.fetch_add(inside + self.look_nanos.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// The least of several rounds: what else the machine does can only add to it.
fn nanos_of_a_look() -> u64 {
    const LOOKS: u32 = 1000;
    let round = || {
        let start = Instant::now();
        for _ in 0..LOOKS {
            std::hint::black_box(Instant::now());
        }
        (start.elapsed() / LOOKS).as_nanos()
    };
    (0..20).map(|_| round()).min().and_then(|least| u64::try_from(least).ok()).unwrap_or(0)
}
