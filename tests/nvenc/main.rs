//! The NVENC backend by itself, beyond the contract of every backend.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod beside_ffmpeg;
mod calls;
mod capabilities;
mod faults;
mod gives_back;
mod gpu_choice;
mod gpus;
mod level;
mod observed;
mod refused;
mod session;
mod teardown;
