//! Runs clients on the driver double and reads what it saw of them. The settings are in `../README.md`.
//!
//! Two ways in. [`Double::command`] starts another program that finds the double where it looks for the driver.
//! [`Double::load`] puts the double into this process, so that code which opens `libcuda.so.1` and
//! `libnvidia-encode.so.1` by name finds it; what is set and what is reported is then the process's, so tests that
//! do this hold the [`Stage`] one at a time.
#![expect(clippy::panic, reason = "a test helper that cannot help fails its test, and says why")]

mod build;
mod clip;
#[cfg(unix)]
mod fork;
mod report;
mod stage;

pub use build::{Double, Part};
pub use clip::{Clip, decode, ffmpeg_or_say_so, psnr_y};
#[cfg(unix)]
pub use fork::in_a_fork;
pub use report::{Report, Violation};
pub use stage::{
    Library, Stage, as_child, as_child_with, passed_as_child, passed_as_child_with, threads,
    with_each_fault_as_child,
};
