//! The parts of the command `direct264`: `probe`, `check`, `encode` and `bench`.
//!
//! This library serves the command, its fuzz targets and its benches. Its items can change in any version: programs
//! that encode use the crate `direct264`.

mod args;
mod backend;
pub mod bench;
mod check;
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
use std::thread;
use std::time::{Duration, Instant};

use direct264::config::CallLimits;
use direct264::nvenc::sessions;

use args::Command;
use failure::Failure;

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    let done = dispatch();
    until_sessions_have_ended();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Waits for sessions whose end goes on after their encoder, so that the driver is left none of a process that is gone.
/// A driver that hangs keeps its session.
fn until_sessions_have_ended() {
    let deadline = Instant::now() + CallLimits::DEFAULT.first;
    while sessions() > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

fn dispatch() -> Result<(), Failure> {
    let Some(command) = args::parse()? else { return Ok(()) };
    library::load()?;
    match command {
        Command::Probe(args) => probe::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
