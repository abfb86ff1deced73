//! Keeps what the library logs.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event: `message name=value ...`.
#[derive(Debug)]
pub struct Line {
    pub level: Level,
    pub text: String,
    /// The fields beside the message, with their values as `Debug` shows them.
    pub fields: BTreeMap<&'static str, String>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => {
                self.fields.insert(name, format!("{value:?}"));
                write!(self.text, " {name}={value:?}")
            }
        };
    }
}

/// Keeps every event of the library. A clone keeps to the same lines.
#[derive(Debug, Clone, Default)]
pub struct LogKeeper(Arc<Mutex<Vec<Line>>>);

impl LogKeeper {
    /// What was logged since the last call.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for LogKeeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("direct264")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut line = Line { level, text: String::new(), fields: BTreeMap::new() };
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
