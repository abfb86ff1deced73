//! The parts of the command `direct264`: `probe`, `encode` and `bench`.
//!
//! This library serves the command, its fuzz targets and its benches. Its items can change in any version: programs
//! that encode use the crate `direct264`.

mod args;
mod backend;
pub mod bench;
pub mod encode;
pub mod failure;
mod file;
mod library;
mod probe;
pub mod raw;
pub mod read_error;
mod stats;
pub mod values;
pub mod y4m;

use std::process::ExitCode;

use args::Command;
use failure::Failure;

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch() -> Result<(), Failure> {
    let Some(command) = args::parse()? else { return Ok(()) };
    library::load()?;
    match command {
        Command::Probe(args) => probe::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
