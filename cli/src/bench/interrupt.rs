//! Ctrl-C: noticed between frames, so that what was measured until then is still told. A second one ends the process.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static CAME: AtomicBool = AtomicBool::new(false);

/// Begins to listen. A process that listens already goes on as it does.
pub(crate) fn listen() {
    // The one error is a second listener, which is no reason to stop.
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

/// How the command ends then: silently, with the exit code that shells know.
pub(crate) fn failure() -> Failure {
    Failure::interrupted()
}

/// Stops here if Ctrl-C was pressed.
///
/// # Errors
/// [`failure`].
pub(crate) fn check() -> Result<(), Failure> {
    if came() { Err(failure()) } else { Ok(()) }
}
