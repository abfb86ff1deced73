//! How the command ends when it cannot do what was asked.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// One line for stderr, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Names the file, the value and the limit. Empty for a silent end.
    pub(crate) message: String,
    /// 2 for what is found wrong before the first frame, 1 for what fails after it, 130 after Ctrl-C.
    pub code: u8,
}

impl Failure {
    /// Exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Found wrong before the first frame: command line, header, path.
    pub(crate) fn before(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Failed after the first frame.
    pub(crate) fn after(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// Stopped by the user, who knows it.
    pub(crate) const fn interrupted() -> Self {
        Self { message: String::new(), code: Self::INTERRUPTED }
    }

    /// What is written to is not taken: silent when it is a pipe whose reader left, as `head` does.
    pub(crate) fn writing(name: impl std::fmt::Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::after(""),
            _ => Self::after(format!("writing {name}: {error}")),
        }
    }

    /// Writes the line, if there is one.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // A file's name may hold anything; the line stays one.
            let line: String = self.message.chars().flat_map(printable).collect();
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(io::stderr().lock(), "direct264: {line}");
        }
        ExitCode::from(self.code)
    }
}

/// The character, or its escape where it would move the cursor.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// An error and its causes in one line.
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
    }
}
