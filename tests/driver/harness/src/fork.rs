//! A fork of this process.
#![allow(unsafe_code, reason = "forks, and waits for the child")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a child may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(120);

/// Does something in a fork of this process. To be used in a process of the test's own: see [`as_child`](crate::as_child).
///
/// # Panics
/// If the child panics, dies of a signal or does not come to an end.
pub fn in_a_fork(inside: impl FnOnce()) {
    // SAFETY: the child does what the caller is here to try, and leaves without coming back to the caller's code.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = catch_unwind(AssertUnwindSafe(inside));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    assert!(child > 0, "no fork: {}", std::io::Error::last_os_error());
    let deadline = Instant::now() + LIMIT;
    let mut status = 0;
    // SAFETY: asks after the child that was just made.
    while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            // SAFETY: ends that child.
            unsafe { libc::kill(child, libc::SIGKILL) };
            panic!("the forked process hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status, 0, "the forked process ends with wait status {status:#x}");
}
