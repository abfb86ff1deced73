//! Tells when a session has ended, since its slot is then free for who waits for one.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static LISTENER: OnceLock<fn()> = OnceLock::new();

static EXCHANGES: Mutex<Exchanges> = Mutex::new(Exchanges { under_way: 0, ended: 0 });

/// Encoders that give up a session for another one.
#[derive(Debug)]
struct Exchanges {
    under_way: usize,
    /// Sessions that have ended meanwhile, and that nobody was told of.
    ended: usize,
}

/// Has `tell` called whenever a session that was in use has ended, on whatever thread that is. The first listener stays.
pub(crate) fn when_a_session_ends(tell: fn()) {
    let _ = LISTENER.set(tell);
}

/// The last part of a session to be dropped.
#[derive(Debug)]
pub(super) struct TellsItsEnd;

impl Drop for TellsItsEnd {
    fn drop(&mut self) {
        let mut exchanges = exchanges();
        if exchanges.under_way > 0 {
            exchanges.ended += 1;
        } else {
            drop(exchanges);
            tell();
        }
    }
}

/// An encoder gives up its session and opens another one. Until this is dropped nobody is told of a slot, so that those
/// who wait do not take the one that the encoder needs itself.
#[derive(Debug)]
pub(super) struct Exchange(());

impl Exchange {
    pub(super) fn begin() -> Self {
        exchanges().under_way += 1;
        Self(())
    }

    /// The encoder has its new session, in place of one that has ended.
    pub(super) fn done(self) {
        let mut exchanges = exchanges();
        exchanges.ended = exchanges.ended.saturating_sub(1);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut exchanges = exchanges();
        exchanges.under_way -= 1;
        if exchanges.under_way == 0 && std::mem::take(&mut exchanges.ended) > 0 {
            drop(exchanges);
            tell();
        }
    }
}

fn tell() {
    if let Some(tell) = LISTENER.get() {
        tell();
    }
}

/// No code that holds the lock can panic, so a poisoned one is as good as any.
fn exchanges() -> MutexGuard<'static, Exchanges> {
    EXCHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}
