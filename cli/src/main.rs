//! The command `direct264`: probe, check, encode and bench.

use std::process::ExitCode;

fn main() -> ExitCode {
    direct264_cli::run()
}
