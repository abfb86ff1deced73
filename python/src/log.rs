//! The library's log as records of Python's `logging`.
//!
//! The library logs on threads of its own too, and within `encode` without the GIL. So a record waits in a queue until
//! the next call of Python's that holds the GIL anyway: no frame waits for the GIL, and no foreign thread enters the
//! interpreter.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// The most records that wait; the oldest is dropped first.
const MOST: usize = 1024;

/// A record of the log.
struct Line {
    level: u8,
    target: &'static str,
    text: String,
}

static LINES: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());
/// Whether `LINES` holds records, so that a frame without any takes no lock.
static HAS_LINES: AtomicBool = AtomicBool::new(false);
/// The lowest level that Python's logger takes, in its numbers.
static LOWEST: AtomicU8 = AtomicU8::new(WARNING);

const DEBUG: u8 = 10;
const INFO: u8 = 20;
const WARNING: u8 = 30;
const ERROR: u8 = 40;

/// No code that holds the lock can panic, so a poisoned one is as good as any.
fn lines() -> MutexGuard<'static, VecDeque<Line>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the library's log from here on. Each process has one extension module, and each module a log of its own.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    // A second interpreter finds the log installed.
    let _ = tracing::subscriber::set_global_default(Queue);
    follow_level(py)
}

/// Asks Python's logger which records it takes.
pub(crate) fn follow_level(py: Python<'_>) -> PyResult<()> {
    let lowest: u32 = logger(py, "direct264")?.call_method0(intern!(py, "getEffectiveLevel"))?.extract()?;
    LOWEST.store(u8::try_from(lowest).unwrap_or(u8::MAX), Ordering::Relaxed);
    Ok(())
}

fn logger<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), (name,))
}

/// Gives Python the records that wait. A handler that raises is Python's to report.
pub(crate) fn flush(py: Python<'_>) {
    if !HAS_LINES.swap(false, Ordering::Relaxed) {
        return;
    }
    let waiting = std::mem::take(&mut *lines());
    for Line { level, target, text } in waiting {
        let name = target.replace("::", ".");
        let told = logger(py, &name).and_then(|logger| {
            // The text is an argument, so that a `%` in it means itself.
            logger.call_method1(intern!(py, "log"), (level, "%s", text))
        });
        if let Err(error) = told {
            error.write_unraisable(py, None);
        }
    }
}

/// Puts records into the queue.
struct Queue;

const fn level(level: &Level) -> u8 {
    match *level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => INFO,
        _ => DEBUG,
    }
}

impl Subscriber for Queue {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        // Python's level may change at any time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && level(metadata.level()) >= LOWEST.load(Ordering::Relaxed)
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let line = Line { level: level(metadata.level()), target: metadata.target(), text: text.whole() };
        let mut lines = lines();
        if lines.len() >= MOST {
            lines.pop_front();
        }
        lines.push_back(line);
        HAS_LINES.store(true, Ordering::Relaxed);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The message and the fields of a record.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
