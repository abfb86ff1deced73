//! Handles Ctrl-C: the first one ends the stream after the current frame, the second one ends the process.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::failure::Failure;

/// No stream is being written: a signal ends the process at once.
const IDLE: u8 = 0;
/// A stream is being written: a signal ends it after the current frame.
const WRITING: u8 = 1;
/// A signal came while a stream was being written.
const STOPPING: u8 = 2;

/// The state of the handler for Ctrl-C, SIGTERM and SIGHUP.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Installs the handler.
    ///
    /// # Errors
    /// When the system refuses the handler.
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

    /// Marks the start of the stream.
    pub(super) fn hold(&self) {
        self.0.store(WRITING, Ordering::SeqCst);
    }

    /// Whether a signal asked for the end of the stream.
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STOPPING
    }
}
