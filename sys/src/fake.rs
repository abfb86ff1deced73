//! The answers of the fake drivers in the tests.

use std::cell::Cell;
use std::ffi::c_char;

thread_local! {
    static CODE: Cell<u32> = const { Cell::new(0) };
}

/// Runs `body` while every fake function of this thread answers with `code`.
pub(crate) fn with_answer<T>(code: u32, body: impl FnOnce() -> T) -> T {
    CODE.set(code);
    let result = body();
    CODE.set(0);
    result
}

/// A type that a fake function can return.
pub(crate) trait FakeAnswer {
    /// The answer that is set for this thread.
    fn given() -> Self;
    /// The answer as a number.
    fn widened(self) -> u64;
}

impl FakeAnswer for u32 {
    fn given() -> Self {
        CODE.get()
    }

    fn widened(self) -> u64 {
        self.into()
    }
}

/// The answer of a function that returns text: none.
impl FakeAnswer for *const c_char {
    fn given() -> Self {
        std::ptr::null()
    }

    fn widened(self) -> u64 {
        self.addr() as u64
    }
}
