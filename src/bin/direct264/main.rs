//! The command `direct264`: probe, encode and bench.

mod args;
mod backend;
mod bench;
mod encode;
mod failure;
mod file;
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
    match args::parse()? {
        None => Ok(()),
        Some(Command::Probe(args)) => probe::run(&args),
        Some(Command::Encode(args)) => encode::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
    }
}
