//! How the command ends when it cannot do what was asked.

/// One line for stderr, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Names the file, the value and the limit. Empty for a silent end.
    pub(crate) message: String,
    /// 2 for what is found wrong before the first frame, 1 for what fails after it, 130 after Ctrl-C.
    pub(crate) code: u8,
}

impl Failure {
    /// Found wrong before the first frame: command line, header, path.
    pub(crate) fn before(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Failed after the first frame.
    pub(crate) fn after(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}
