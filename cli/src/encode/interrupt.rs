//! Ctrl-C: the first one ends the stream after the frame at hand, the second one ends the process.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::failure::Failure;

/// There is nothing to lose: stop at once.
const IDLE: u8 = 0;
/// A stream is being written: let it end well.
const WRITING: u8 = 1;
/// It was told to end.
const STOPPING: u8 = 2;

/// What Ctrl-C, SIGTERM and SIGHUP have done so far.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn install() -> Result<Self, Failure> {
        let state = Arc::new(AtomicU8::new(IDLE));
        let seen = Arc::clone(&state);
        let installed = ctrlc::set_handler(move || {
            let told = seen.compare_exchange(WRITING, STOPPING, Ordering::SeqCst, Ordering::SeqCst);
            if told.is_err() {
                process::exit(Failure::INTERRUPTED.into());
            }
        });
        installed.map_err(|error| Failure::before(format!("Ctrl-C cannot be caught: {error}")))?;
        Ok(Self(state))
    }

    /// From here on there is a stream to end well.
    pub(super) fn hold(&self) {
        self.0.store(WRITING, Ordering::SeqCst);
    }

    /// Whether the stream should end.
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STOPPING
    }
}
