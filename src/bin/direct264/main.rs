//! The command `direct264`: probe, encode and bench.

#[expect(dead_code, reason = "the subcommands that fail come next")]
mod failure;
#[expect(dead_code, reason = "the subcommands that read come next")]
mod raw;
#[expect(dead_code, reason = "the subcommands that read come next")]
mod y4m;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
