//! Encoders in a forked process, which neither CUDA nor threads survive.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod nvenc;
mod openh264;
