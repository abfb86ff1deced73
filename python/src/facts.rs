//! Facts of the library as the classes of `direct264._facts`.

use std::collections::BTreeMap;
use std::time::Duration;

use direct264::access_unit::{RefreshPlace, StageTimes};
use direct264::error::Unavailable;
use direct264::failover::{Counters, Latency};
use direct264::{Backend, Event, EventKind, FrameRate, Reason};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// A class of a Python module, imported once.
struct Class {
    module: &'static str,
    name: &'static str,
    class: PyOnceLock<Py<PyType>>,
}

impl Class {
    const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, class: PyOnceLock::new() }
    }

    const fn of_facts(name: &'static str) -> Self {
        Self::new("direct264._facts", name)
    }

    fn make<'py>(
        &self,
        py: Python<'py>,
        fields: impl pyo3::call::PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.class.import(py, self.module, self.name)?.call1(fields)
    }
}

pub(crate) fn stage_times<'py>(py: Python<'py>, times: &StageTimes) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("StageTimes");
    let StageTimes { convert, upload, submit, wait, copy, total, .. } = *times;
    let [convert, upload, submit, wait, copy, total] =
        [convert, upload, submit, wait, copy, total].map(|time| time.as_secs_f64());
    CLASS.make(py, (convert, upload, submit, wait, copy, total))
}

pub(crate) fn refresh_place(py: Python<'_>, place: RefreshPlace) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: Class = Class::of_facts("RefreshPlace");
    CLASS.make(py, (place.number.get(), place.frames.get()))
}

pub(crate) fn passed_over<'py>(py: Python<'py>, why: &Unavailable) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("PassedOver");
    let (reason, sentence) = (why.reason.as_str(), why.reason.sentence());
    CLASS.make(py, (why.backend.as_str(), reason, sentence, &why.detail, why.advice()))
}

pub(crate) fn counters<'py>(py: Python<'py>, counters: &Counters) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("Counters");
    let frames = each_backend(|backend| counters.frames(backend));
    let seconds = each_backend(|backend| counters.time(backend).as_secs_f64());
    CLASS.make(py, (counters.fallbacks, counters.restorations, frames, seconds))
}

fn each_backend<T>(value: impl Fn(Backend) -> T) -> BTreeMap<&'static str, T> {
    Backend::ALL.iter().map(|&backend| (backend.as_str(), value(backend))).collect()
}

pub(crate) fn latency(py: Python<'_>, latency: Latency) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: Class = Class::of_facts("Latency");
    let Latency { frames, p50, p90, p99, max, .. } = latency;
    let [p50, p90, p99, max] = [p50, p90, p99, max].map(|time: Duration| time.as_secs_f64());
    CLASS.make(py, (frames, p50, p90, p99, max))
}

/// A frame rate, or another fraction, as `fractions.Fraction`.
pub(crate) fn fraction(py: Python<'_>, numerator: u32, denominator: u32) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: Class = Class::new("fractions", "Fraction");
    CLASS.make(py, (numerator, denominator))
}

/// The duration of a frame as `fractions.Fraction`.
pub(crate) fn frame_time(py: Python<'_>, rate: FrameRate) -> PyResult<Bound<'_, PyAny>> {
    fraction(py, rate.denominator(), rate.numerator())
}

pub(crate) fn event<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("Event");
    let detail = PyDict::new(py);
    let (reason, advice) = fill(&detail, &event.kind)?;
    let reason = reason.map(Reason::as_str);
    CLASS.make(py, (event.frame_id.0, event.backend.as_str(), event.kind.as_str(), reason, detail, advice))
}

/// Puts the values of an event into `detail`. Returns its reason and its advice.
fn fill(detail: &Bound<'_, PyDict>, kind: &EventKind) -> PyResult<(Option<Reason>, &'static str)> {
    match kind {
        EventKind::PassedOver { reason, detail: found, advice }
        | EventKind::ChangeRefused { reason, detail: found, advice } => {
            detail.set_item("found", found)?;
            return Ok((Some(*reason), advice));
        }
        EventKind::FellBack { to, reason, detail: found, advice } => {
            detail.set_item("to", to.as_str())?;
            detail.set_item("found", found)?;
            return Ok((Some(*reason), advice));
        }
        EventKind::Restored { from } => detail.set_item("from", from.as_str())?,
        EventKind::Recreated { size, is_new_session } => {
            detail.set_item("new_session", is_new_session)?;
            detail.set_item("width", size.width())?;
            detail.set_item("height", size.height())?;
        }
        EventKind::BitrateChanged { from, to } => {
            detail.set_item("from", from.bps())?;
            detail.set_item("to", to.bps())?;
        }
        EventKind::RateUnmet { target, reached_bps } => {
            detail.set_item("target", target.bps())?;
            detail.set_item("reached", reached_bps)?;
        }
        EventKind::Invalidated { first, last, recovery } => {
            detail.set_item("first", first.0)?;
            detail.set_item("last", last.0)?;
            detail.set_item("recovery", recovery.as_str())?;
        }
        // Other kinds carry no values. A new kind is told by its word until a case here names its values.
        _ => {}
    }
    Ok((None, ""))
}

/// The state of one backend, for a probe.
pub(crate) struct BackendState<'py> {
    pub(crate) name: &'static str,
    pub(crate) why_not: Option<Bound<'py, PyAny>>,
    pub(crate) version: Option<String>,
    pub(crate) simd: Option<bool>,
    pub(crate) gpus: Vec<Bound<'py, PyAny>>,
}

impl<'py> BackendState<'py> {
    pub(crate) fn to_python(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: Class = Class::of_facts("Backend");
        let gpus = pyo3::types::PyTuple::new(py, &self.gpus)?;
        CLASS.make(py, (self.name, self.why_not.as_ref(), self.version.as_ref(), self.simd, gpus))
    }
}

pub(crate) fn gpu<'py>(py: Python<'py>, gpu: &direct264::nvenc::Gpu) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("Gpu");
    let why_not = gpu.encoder.as_ref().err().map(|why| passed_over(py, why)).transpose()?;
    let uuid = gpu.uuid.map(|uuid| uuid.to_string());
    CLASS.make(py, (gpu.index, uuid, &gpu.name, why_not))
}

pub(crate) fn probe<'py>(py: Python<'py>, backends: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Class = Class::of_facts("Probe");
    CLASS.make(py, (pyo3::types::PyTuple::new(py, backends)?,))
}
