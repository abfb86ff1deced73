//! The command `direct264`: probe, encode and bench.

mod bench;
mod failure;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Low-latency H.264.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Measure the encode time of a frame on each backend, in one interleaved run
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let Command::Bench(args) = Command::parse();
    match bench::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                let _ = writeln!(std::io::stderr(), "direct264: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
