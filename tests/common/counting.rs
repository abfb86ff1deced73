//! An allocator that counts allocations and held bytes. A test program installs it with `#[global_allocator]`.
#![expect(unsafe_code, reason = "a counting allocator is the only way to count allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

pub struct Counting;

/// The number of allocations on all threads but the one left out.
pub static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The thread that is left out; 0 for none.
static LEFT_OUT: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" {
    safe fn gettid() -> i32;
    safe fn getpid() -> i32;
}

/// Leaves out the main thread from now on, unless the test runs there. The main thread reports a test that runs longer
/// than a minute, and allocates for that.
pub fn leave_out_the_main_thread() {
    // The main thread has the number of the process.
    let main = getpid();
    LEFT_OUT.store(if gettid() == main { 0 } else { main }, Ordering::Relaxed);
}

fn count() {
    let left_out = LEFT_OUT.load(Ordering::Relaxed);
    if left_out == 0 || gettid() != left_out {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// The bytes that this program's own code holds, without the driver double's and openh264's.
pub static HELD: AtomicUsize = AtomicUsize::new(0);
/// The highest value of [`HELD`] since this was last set.
pub static PEAK: AtomicUsize = AtomicUsize::new(0);

pub fn held_bytes() -> u64 {
    HELD.load(Ordering::Relaxed) as u64
}

fn hold(bytes: usize) {
    let before = HELD.fetch_add(bytes, Ordering::Relaxed);
    PEAK.fetch_max(before.wrapping_add(bytes), Ordering::Relaxed);
}

// SAFETY: every call is handed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        hold(new_size);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
