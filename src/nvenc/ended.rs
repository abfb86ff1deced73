//! Reports the end of a session, whose slot is then free for a waiting stream.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static LISTENER: OnceLock<fn()> = OnceLock::new();

static EXCHANGES: Mutex<Exchanges> = Mutex::new(Exchanges { under_way: 0, ended: 0 });

/// The encoders that exchange one session for another.
#[derive(Debug)]
struct Exchanges {
    under_way: usize,
    /// The sessions that ended meanwhile and were not reported.
    ended: usize,
}

/// Registers `tell`, to be called on any thread whenever a session that was in use has ended. The first listener
/// stays.
pub(crate) fn when_a_session_ends(tell: fn()) {
    let _ = LISTENER.set(tell);
}

/// The part of a session that is dropped last.
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

/// An exchange of one session for another by an encoder. Until this is dropped no slot is reported, so that no waiting
/// stream takes the slot that the encoder needs.
#[derive(Debug)]
pub(super) struct Exchange(());

impl Exchange {
    pub(super) fn begin() -> Self {
        exchanges().under_way += 1;
        Self(())
    }

    /// Records that the encoder has its new session, in place of one that has ended.
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

/// Ignores poison, since no code that holds the lock can panic.
fn exchanges() -> MutexGuard<'static, Exchanges> {
    EXCHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}
