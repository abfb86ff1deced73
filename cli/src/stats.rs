//! Writes the lines of `--stats`: one JSON object for each frame and each event.

use std::io::{self, LineWriter, Write};
use std::path::Path;

use direct264::{AccessUnit, Backend, Event, EventKind, Reason};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::file::PendingFile;

/// The open file of `--stats`. Each line is flushed when it is complete, so that a reader can follow the file.
#[derive(Debug)]
pub(crate) struct Stats {
    name: String,
    out: LineWriter<PendingFile>,
}

impl Stats {
    /// Opens the file at `path` and keeps its content; `-` is stdout.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = if path.as_os_str() == "-" { "stdout".into() } else { path.display().to_string() };
        let target = PendingFile::open(path).map_err(|error| unwritable(&name, &error))?;
        Ok(Self { name, out: LineWriter::new(target) })
    }

    /// Empties the file.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.out.get_mut().begin().map_err(|error| unwritable(&self.name, &error))
    }

    /// Writes the line of frame `number`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn frame(&mut self, number: u64, unit: &AccessUnit<'_>) -> Result<(), Failure> {
        let written = write_frame(&mut self.out, number, unit);
        self.checked(written)
    }

    /// Writes the line of an event.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let (reason, detail) = match &event.kind {
            EventKind::PassedOver { reason, detail, advice }
            | EventKind::ChangeRefused { reason, detail, advice } => {
                (Some(*reason), found(*reason, detail, advice))
            }
            EventKind::FellBack { to, reason, detail, advice } => {
                let mut detail = found(*reason, detail, advice);
                detail["to"] = to.as_str().into();
                (Some(*reason), detail)
            }
            EventKind::Restored { from } => (None, json!({ "from": from.as_str() })),
            EventKind::Recreated { size, is_new_session } => (
                None,
                json!({ "width": size.width(), "height": size.height(), "new_session": is_new_session }),
            ),
            EventKind::BitrateChanged { from, to } => (None, json!({ "from": from.bps(), "to": to.bps() })),
            EventKind::RateUnmet { target, reached_bps } => {
                (None, json!({ "target": target.bps(), "reached": reached_bps }))
            }
            EventKind::Invalidated { first, last, recovery } => {
                (None, json!({ "first": first.0, "last": last.0, "recovery": recovery.as_str() }))
            }
            // Other kinds carry no values. A new kind is told by its word until a case here names its values.
            _ => (None, json!({})),
        };
        self.event_line(event.frame_id.0, event.kind.as_str(), event.backend, reason, &detail)
    }

    /// Writes the line of a backend that the options exclude.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn passed_over(
        &mut self,
        backend: Backend,
        reason: Reason,
        detail: &str,
    ) -> Result<(), Failure> {
        self.event_line(0, "passed_over", backend, Some(reason), &found(reason, detail, reason.advice()))
    }

    fn event_line(
        &mut self,
        frame: u64,
        word: &str,
        backend: Backend,
        reason: Option<Reason>,
        detail: &Value,
    ) -> Result<(), Failure> {
        let reason = reason.map_or(Value::Null, |reason| reason.as_str().into());
        let written = writeln!(
            self.out,
            r#"{{"type":"event","frame":{frame},"event":"{word}","backend":"{backend}","reason":{reason},"detail":{detail}}}"#
        );
        self.checked(written)
    }

    fn checked(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        written.map_err(|error| Failure::writing(format!("--stats {}", self.name), &error))
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failure {
    Failure::before(format!("--stats {name} cannot be written: {error}"))
}

/// Formats the fields in the order of the contract, without an allocation per frame.
fn write_frame(out: &mut dyn Write, number: u64, unit: &AccessUnit<'_>) -> io::Result<()> {
    write!(
        out,
        r#"{{"type":"frame","frame":{number},"backend":"{}","idr":{},"bytes":{},"qp":"#,
        unit.backend,
        unit.is_idr,
        unit.bytes.len(),
    )?;
    match unit.qp {
        Some(qp) => write!(out, "{qp}")?,
        None => write!(out, "null")?,
    }
    let times = &unit.times;
    writeln!(
        out,
        r#","us":{{"convert":{},"upload":{},"submit":{},"wait":{},"copy":{},"total":{}}}}}"#,
        times.convert.as_micros(),
        times.upload.as_micros(),
        times.submit.as_micros(),
        times.wait.as_micros(),
        times.copy.as_micros(),
        times.total.as_micros(),
    )
}

fn found(reason: Reason, detail: &str, advice: &str) -> Value {
    json!({ "found": detail, "sentence": reason.sentence(), "advice": advice })
}
