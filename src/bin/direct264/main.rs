//! The command `direct264`: probe, encode and bench.

mod args;
#[expect(dead_code, reason = "the subcommand that has the option comes next")]
mod backend;
mod failure;
mod probe;
#[expect(dead_code, reason = "the subcommands that read come next")]
mod raw;
#[expect(dead_code, reason = "the subcommands that read come next")]
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
    }
}
