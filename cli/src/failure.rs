//! The error line and the exit code of a failed command.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// A failed command: one line for stderr, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line, which names the file, the value and the limit. Empty for a silent end.
    pub(crate) message: String,
    /// The exit code: 2 for an error before the first frame, 1 for one after it, 130 after Ctrl-C.
    pub code: u8,
}

impl Failure {
    /// Exit code after Ctrl-C, as in shells: 128 plus the number of SIGINT.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Creates a failure before the first frame: a wrong command line, header or path.
    pub(crate) fn before(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Creates a failure after the first frame.
    pub(crate) fn after(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// Creates the silent end after Ctrl-C.
    pub(crate) const fn interrupted() -> Self {
        Self { message: String::new(), code: Self::INTERRUPTED }
    }

    /// Creates a failed write to `name`. The failure is silent when the reader of a pipe has left, as `head` does.
    pub(crate) fn writing(name: impl std::fmt::Display, error: &io::Error) -> Self {
        if is_closed_pipe(error) {
            return Self::after("");
        }
        Self::after(format!("writing {name}: {error}"))
    }

    /// Writes the line to stderr and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // File names may hold line feeds; the message stays on one line.
            let line: String = self.message.chars().flat_map(printable).collect();
            // A failed write to stderr can be reported nowhere.
            let _ = writeln!(io::stderr().lock(), "direct264: {line}");
        }
        ExitCode::from(self.code)
    }
}

/// Whether the reader of a pipe has left. Windows has a status for that which the standard library does not know.
fn is_closed_pipe(error: &io::Error) -> bool {
    const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
    error.kind() == io::ErrorKind::BrokenPipe
        || cfg!(windows) && error.raw_os_error() == Some(ERROR_PIPE_NOT_CONNECTED)
}

/// Returns the character, or its escape where it is a control character.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// Returns an error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_break_the_line() {
        let line: String = "a\nb\u{1b}[1mc\u{e9}".chars().flat_map(printable).collect();
        assert_eq!(line, "a\\nb\\u{1b}[1mc\u{e9}");
    }

    #[test]
    fn a_closed_pipe_is_silent() {
        let gone = Failure::writing("stdout", &io::ErrorKind::BrokenPipe.into());
        assert_eq!(gone, Failure { message: String::new(), code: 1 });
        let not_connected = Failure::writing("stdout", &io::Error::from_raw_os_error(233));
        assert_eq!(not_connected.message.is_empty(), cfg!(windows));
    }
}
