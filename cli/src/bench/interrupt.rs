//! Handles Ctrl-C between frames, so that `bench` still reports what it measured. A second one ends the process.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static CAME: AtomicBool = AtomicBool::new(false);

/// Installs the handler, once for a process.
pub(crate) fn listen() {
    // The one error is a second handler, which stops nothing.
    let _ = ctrlc::set_handler(|| {
        if CAME.swap(true, Ordering::Relaxed) {
            process::exit(Failure::INTERRUPTED.into());
        }
    });
}

/// Whether Ctrl-C was pressed.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Returns the silent failure after Ctrl-C, with exit code 130.
pub(crate) fn failure() -> Failure {
    Failure::interrupted()
}

/// Returns an error if Ctrl-C was pressed.
///
/// # Errors
/// [`failure`].
pub(crate) fn check() -> Result<(), Failure> {
    if came() { Err(failure()) } else { Ok(()) }
}
