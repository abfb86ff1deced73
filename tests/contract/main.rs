//! The contract of every backend: access units, bitrate, colour, settings, sizes.
//!
//! These tests share one driver double, so no test here may set a fault or a limit of it.
#![allow(clippy::panic, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod access_units;
mod bitrate;
mod colour;
mod markers;
mod random_streams;
mod rtc;
mod settings;
mod shared_memory;
mod sizes;
mod surprises;
