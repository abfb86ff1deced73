//! Access units: bytes that Python reads where they are.

#![expect(
    unsafe_code,
    reason = "the buffer protocol is functions that fill in a struct of the interpreter's"
)]

use std::ffi::{c_int, c_void};

use direct264::{OwnedAccessUnit, rtc};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::facts;

/// One coded picture in Annex B format, with 4-byte start codes. An IDR begins with SPS and PPS.
///
/// The object has the buffer protocol: ``bytes(unit)`` copies it, ``memoryview(unit)`` and ``av.Packet(unit)`` refer to
/// its bytes.
#[pyclass(frozen, module = "direct264")]
#[derive(Debug)]
pub(crate) struct AccessUnit {
    unit: OwnedAccessUnit,
    /// The timestamp that the caller gave; the number of the access unit stands in for it.
    pts: Option<i64>,
    /// The time base of `pts`.
    #[pyo3(get)]
    time_base: Py<PyAny>,
}

impl AccessUnit {
    pub(crate) const fn new(unit: OwnedAccessUnit, pts: Option<i64>, time_base: Py<PyAny>) -> Self {
        Self { unit, pts, time_base }
    }
}

#[pymethods]
impl AccessUnit {
    /// Whether decoding can start here.
    #[getter]
    fn is_idr(&self) -> bool {
        self.unit.is_idr
    }

    /// Whether no other picture refers to this one, so that it can be dropped without harm to any other.
    #[getter]
    fn is_droppable(&self) -> bool {
        self.unit.is_droppable
    }

    /// The frame's timestamp in units of `time_base`, as it came; `frame_id` for a frame without one.
    #[getter]
    fn pts(&self) -> i64 {
        self.pts.unwrap_or(i64::try_from(self.unit.frame_id.0).unwrap_or(i64::MAX))
    }

    /// The number of the access unit in its stream, from 0.
    #[getter]
    fn frame_id(&self) -> u64 {
        self.unit.frame_id.0
    }

    /// The quantiser (QP), 0 to 51, of the whole picture or the mean; ``None`` where the backend does not tell it.
    #[getter]
    fn qp(&self) -> Option<u8> {
        self.unit.qp
    }

    /// The backend that encoded the frame: ``"nvenc"`` or ``"openh264"``.
    #[getter]
    fn backend(&self) -> &'static str {
        self.unit.backend.as_str()
    }

    /// The place of the picture in an intra refresh; ``None`` for an IDR and outside a refresh.
    #[getter]
    fn refresh<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.unit.refresh.map(|place| facts::refresh_place(py, place)).transpose()
    }

    /// Seconds that each stage of the frame took.
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        facts::stage_times(py, &self.unit.times)
    }

    /// The number of slices.
    #[getter]
    fn slices(&self) -> usize {
        self.unit.slices()
    }

    /// Returns the NAL units without start codes.
    fn nals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.unit.nals().map(|nal| PyBytes::new(py, nal.bytes())).collect::<Vec<_>>())
    }

    /// Returns the RTP payloads (RFC 6184, packetization mode 1) of at most `max_bytes` each, 16 or more.
    ///
    /// NAL units that fit into one payload together share a STAP-A, a longer one is cut into FU-As. The sender sets
    /// the marker bit on the last one.
    #[pyo3(signature = (max_bytes = 1200))]
    fn rtp_payloads<'py>(&self, py: Python<'py>, max_bytes: usize) -> PyResult<Bound<'py, PyList>> {
        if max_bytes < rtc::MIN_PAYLOAD_BYTES {
            let min = rtc::MIN_PAYLOAD_BYTES;
            return Err(PyValueError::new_err(format!("max_bytes={max_bytes} is below {min}")));
        }
        let written = |payload: rtc::Payload<'_>| {
            PyBytes::new_with(py, payload.len(), |bytes| {
                payload.copy_to(bytes);
                Ok(())
            })
        };
        let payloads = rtc::payloads(&self.unit.as_unit(), max_bytes).map(written);
        PyList::new(py, payloads.collect::<PyResult<Vec<_>>>()?)
    }

    fn __len__(&self) -> usize {
        self.unit.bytes.len()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.unit.bytes)
    }

    fn __repr__(&self) -> String {
        let kind = if self.unit.is_idr { "IDR" } else { "P" };
        let (bytes, pts, backend) = (self.unit.bytes.len(), self.pts(), self.unit.backend);
        format!("<AccessUnit {kind} {bytes} bytes pts={pts} {backend}>")
    }

    /// Fills in a view of the bytes.
    ///
    /// # Safety
    /// `view` is null or a struct that the interpreter lets this function fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to fill in"));
        }
        let bytes = &slf.get().unit.bytes;
        let start = bytes.as_ptr().cast_mut().cast::<c_void>();
        let len = ffi::Py_ssize_t::try_from(bytes.len())?;
        // SAFETY: the view is the interpreter's to fill in. The bytes are never changed or moved while the object
        // lives, the view holds a reference to the object, and read-only (1) is what it says.
        let rc = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, len, 1, flags) };
        if rc == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
