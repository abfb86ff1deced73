//! Parses the command line, and shortens clap's message about a wrong one to one line.

use std::env;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::Failure;
use crate::{bench, check, encode, probe};

/// Turns frames into low-latency H.264, on the GPU where there is an encoder and on the CPU everywhere else.
#[derive(Debug, Parser)]
#[command(name = "direct264", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands. A further one takes one line here and one in `lib.rs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reports the backends of this machine, and why each better one is not available
    Probe(probe::ProbeArgs),
    /// Proves every claim about the backends of this machine, or shows which one fails
    Check(check::CheckArgs),
    /// Encodes y4m or raw video to H.264
    Encode(encode::EncodeArgs),
    /// Measures the encode time of a frame on each backend, in one interleaved run
    Bench(bench::BenchArgs),
}

const EXAMPLES: &str = "\
Examples:
  direct264 probe               the backends of this machine
  direct264 check               whether the backends keep their promises here
  direct264 encode clip.y4m     writes clip.h264
  ffmpeg -i film.mp4 -pix_fmt yuv420p -f yuv4mpegpipe - |
    direct264 encode - -o film.h264
  direct264 bench               the encode time per frame on this machine

Environment:
  DIRECT264_BACKEND    default of --backend: auto, nvenc or openh264
  DIRECT264_OPENH264   path of Cisco's openh264 binary, for builds with the feature cisco

Exit codes:
  0    success
  2    an error before the first frame
  1    an error after the first frame
  130  interrupted; the output is playable

`direct264 COMMAND --help` describes each command.";

/// Parses the command line. Returns `None` after it printed help or the version to stdout.
///
/// # Errors
/// One line about a malformed command line.
pub(crate) fn parse() -> Result<Option<Command>, Failure> {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Ok(Some(cli.command)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            error.print().map_err(|error| Failure::writing("stdout", &error))?;
            Ok(None)
        }
        Err(error) => {
            let first = env::args_os().nth(1).unwrap_or_default();
            Err(Failure::before(one_line(&error, &first.to_string_lossy())))
        }
    }
}

/// Returns clap's message without the usage, on one line. `first` is the first argument, where a subcommand belongs.
fn one_line(error: &clap::Error, first: &str) -> String {
    let cli = Cli::command();
    let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return format!("say what to do: {} (see direct264 --help)", names.join(" or "));
    }
    let rendered = error.render().to_string();
    let is_usage = |line: &&str| line.starts_with("Usage:") || line.starts_with("For more information");
    let said = rendered.lines().take_while(|line| !is_usage(line)).map(str::trim);
    // Clap offers "to pass '--x' as a value" for every mistyped option, where it never helps.
    let said = said.filter(|line| !line.is_empty() && !line.starts_with("tip: to pass"));
    let said = said.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ");
    let command = if names.contains(&first) { format!("{first} ") } else { String::new() };
    format!("{} (see direct264 {command}--help)", said.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        let error = Cli::command().try_get_matches_from(args).unwrap_err();
        one_line(&error, args.get(1).copied().unwrap_or_default())
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_clap_says_is_one_line_with_the_way_to_help() {
        let line = refused(&["direct264", "encode", "a.y4m", "--bitrate", "6Q"]);
        assert!(line.contains("--bitrate") && line.contains("6Q"), "{line}");
        assert!(line.ends_with("(see direct264 encode --help)"), "{line}");
        assert!(refused(&["direct264", "encode"]).contains("<INPUT>"));
        assert!(refused(&["direct264"]).starts_with("say what to do: probe or check or encode or bench"));
        let line = refused(&["direct264", "encod"]);
        assert!(line.contains("'encode'") && line.ends_with("(see direct264 --help)"), "{line}");
    }

    #[test]
    fn a_slip_of_the_finger_is_answered_with_what_was_meant() {
        let line = refused(&["direct264", "encode", "a", "--bitrat", "3"]);
        assert!(line.contains("'--bitrat' found; a similar argument exists: '--bitrate'"), "{line}");
        assert!(!refused(&["direct264", "encode", "a", "--zzz"]).contains("as a value"));
    }
}
