//! Frames in CUDA device memory.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod failover;
mod frames;
mod pitch;
