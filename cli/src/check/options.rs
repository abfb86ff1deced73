//! The options of `direct264 check` and their help.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use direct264::Backend;

use super::claims;
use crate::values::{self, GpuName};

/// Proves every claim about the backends of this machine, or shows which claim fails.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct CheckArgs {
    /// Check this backend; may be repeated [default: every one that this machine has]
    #[arg(long, value_name = "NAME", value_parser = backend())]
    pub(super) backend: Vec<Backend>,

    /// Check this GPU, by its index or UUID as `nvidia-smi -L` lists them [default: every GPU with an encoder]
    #[arg(long, value_name = "INDEX|UUID", value_parser = values::gpu)]
    pub(super) gpu: Option<GpuName>,

    /// Check this claim alone, such as idr; may be repeated
    #[arg(long, value_name = "CLAIM", value_parser = PossibleValuesParser::new(words()), hide_possible_values = true)]
    pub(super) only: Vec<String>,

    /// Write the outcomes as JSON; with - they go to stdout and the lines to stderr
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write one self-contained HTML page to attach to an issue
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,

    /// Prove the one claim of --only in this process, and print its outcome as JSON. The check starts itself so for a
    /// claim whose failure could end the process.
    #[arg(long, hide = true, requires = "only", requires = "backend")]
    pub(super) in_child: bool,
}

fn backend() -> impl TypedValueParser<Value = Backend> {
    PossibleValuesParser::new(Backend::ALL.map(Backend::as_str)).try_map(|word| word.parse::<Backend>())
}

fn words() -> impl Iterator<Item = &'static str> {
    claims::ALL.iter().map(|claim| claim.word)
}

fn after_help() -> String {
    let mut claims = String::new();
    for claim in claims::ALL {
        claims.push_str(&format!("  {:<13} {}\n", claim.word, claim.sentence));
    }
    format!("{EXAMPLES}\n\nClaims:\n{claims}\n{NOTES}")
}

const EXAMPLES: &str = "\
Examples:
  direct264 check                        every claim, on every GPU and on the CPU
  direct264 check --report check.html    the page to attach to an issue
  direct264 check --gpu 1 --only idr     one claim again, on one GPU";

const NOTES: &str = "\
The check takes less than a minute for each GPU. It encodes built-in pictures and decodes them with openh264's \
decoder. The report has the versions of driver, library and API, the names of GPU and CPU, and the figures. It has no \
path, host name, user name or UUID.

Exit codes:
  0    every claim passed or is not applicable
  1    a claim failed
  2    an error of the command line
  130  interrupted; the outcomes until then are reported";

impl CheckArgs {
    /// Whether the claim is asked for.
    pub(super) fn includes(&self, word: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == word)
    }
}
