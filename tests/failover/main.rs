//! The failover encoder: its changes of backend, their cost, and their events.
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
