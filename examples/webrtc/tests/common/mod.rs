//! A server, a browser, and what the page reports.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, and says where")]

mod browser;
mod http;
mod server;

pub(crate) use browser::{Browser, DRIVE, Report};
pub(crate) use http::{ask, ask_as, get, post};
pub(crate) use server::Server;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two browsers at once would wait for each other.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
