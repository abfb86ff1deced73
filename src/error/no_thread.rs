//! The error of a thread that the system did not start.

/// A thread that could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the thread {name} was not started: {said}")]
#[non_exhaustive]
pub struct NoThread {
    /// The name of the thread.
    pub name: &'static str,
    /// The number of the system's error; `None` if the system gave none.
    pub code: Option<i32>,
    /// The system's error in words.
    pub said: String,
}

impl NoThread {
    pub(crate) const ADVICE: &'static str =
        "end other threads, or raise the limit of threads: ulimit -u, or pids.max of the container";

    #[cfg(any(nvenc, test))]
    pub(crate) fn new(name: &'static str, error: &std::io::Error) -> Self {
        Self { name, code: error.raw_os_error(), said: error.to_string() }
    }
}
