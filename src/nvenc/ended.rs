//! Tells when a session has ended, since its slot is then free for who waits for one.

use std::sync::OnceLock;

static LISTENER: OnceLock<fn()> = OnceLock::new();

/// Has `tell` called whenever a session that was in use has ended, on whatever thread that is. The first listener stays.
pub(crate) fn when_a_session_ends(tell: fn()) {
    let _ = LISTENER.set(tell);
}

/// The last part of a session to be dropped.
#[derive(Debug)]
pub(super) struct TellsItsEnd;

impl Drop for TellsItsEnd {
    fn drop(&mut self) {
        if let Some(tell) = LISTENER.get() {
            tell();
        }
    }
}
