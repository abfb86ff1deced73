//! The failover encoder: when it changes the backend, what that costs, and what the caller is told.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod caller;
mod log;
mod many;
mod matrix;
mod settings;
mod soak;
mod stream;
