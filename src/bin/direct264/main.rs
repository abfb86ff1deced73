//! The command `direct264`: probe, encode and bench.

#[expect(dead_code, reason = "the subcommands that fail come next")]
mod failure;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
