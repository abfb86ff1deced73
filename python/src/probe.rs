//! The probe of this machine.

use direct264::openh264::Library;
use direct264::{Backend, nvenc};
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

use crate::facts::{self, BackendState};
use crate::log;

/// Tells what this machine encodes with, and what keeps it from a better encoder. Opens a session on each GPU and
/// closes it again, without the GIL.
///
/// >>> import direct264
/// >>> print(direct264.probe().auto)
/// openh264
#[pyfunction]
pub(crate) fn probe(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = py.detach(nvenc::probe);
    log::flush(py);
    let gpus = found.gpus.iter().map(|gpu| facts::gpu(py, gpu)).collect::<PyResult<_>>()?;
    let nvenc = BackendState {
        name: Backend::Nvenc.as_str(),
        why_not: found.encoder().err().map(|why| facts::passed_over(py, why)).transpose()?,
        version: found.api.map(|api| api.to_string()),
        simd: None,
        gpus,
    };
    let library = Library::in_use();
    let openh264 = BackendState {
        name: Backend::OpenH264.as_str(),
        why_not: None,
        simd: library.as_ref().and_then(|library| library.simd),
        version: library.map(|library| library.version),
        gpus: Vec::new(),
    };
    let backends = [nvenc, openh264].iter().map(|state| state.to_python(py)).collect::<PyResult<_>>()?;
    facts::probe(py, backends)
}

/// Warns at import if the software encoder was built without its SIMD code: pip hides the warnings of a build.
pub(crate) fn warn_without_simd(py: Python<'_>) -> PyResult<()> {
    if Library::in_use().and_then(|library| library.simd) != Some(false) {
        return Ok(());
    }
    let text =
        c"direct264 was built without nasm: openh264 has no SIMD code and takes about three times as long. \
        Install nasm and build again: pip install --force-reinstall --no-cache-dir direct264";
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), text, 1)
}
