//! The command `direct264`: probe, encode and bench.

mod args;
mod backend;
mod bench;
mod encode;
mod failure;
mod file;
mod library;
mod probe;
mod raw;
mod read_error;
mod stats;
mod values;
mod y4m;

use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    let Some(command) = args::parse()? else { return Ok(()) };
    library::load()?;
    match command {
        Command::Probe(args) => probe::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
