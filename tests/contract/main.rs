//! What every backend keeps to, whichever encodes: access units, bitrate, colour, settings, sizes.
//!
//! These tests share the driver double as it was first set up, and so no other test may set a fault or a limit of it here.
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
mod sizes;
mod surprises;
