//! The pipelined form: the next frame is uploaded while one is encoded.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod frames;
mod matrix;
