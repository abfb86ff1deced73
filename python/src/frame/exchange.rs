//! The C table of DLPack 1.3, by which a tensor is exported without a call of Python's and without an event: the
//! producer tells its current stream, and the encoder's work waits for that.

#![expect(unsafe_code, reason = "the producer hands out a C table of functions")]

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use pyo3::prelude::*;
use pyo3::{ffi, intern};

use super::dlpack::{CUDA, CUDA_MANAGED, Tensor, VERSION, Versioned};

/// `DLPackExchangeAPI`, behind the header that every version has.
#[repr(C)]
struct Table {
    major: u32,
    minor: u32,
    /// The table of an older version, or null.
    older: *const Self,
    allocator: *const c_void,
    from_object: Option<unsafe extern "C" fn(*mut ffi::PyObject, *mut *mut Versioned) -> c_int>,
    to_object: *const c_void,
    borrowed_from_object: *const c_void,
    current_stream: Option<unsafe extern "C" fn(i32, i32, *mut *mut c_void) -> c_int>,
}

/// Exports a tensor by the table of its type, with the stream on which its producer works now. `None` for a type
/// without a table of this version.
pub(super) fn export(object: &Bound<'_, PyAny>) -> PyResult<Option<(Tensor, Option<usize>)>> {
    let py = object.py();
    let Some(capsule) = object.get_type().getattr_opt(intern!(py, "__dlpack_c_exchange_api__"))? else {
        return Ok(None);
    };
    let name = c"dlpack_exchange_api";
    // SAFETY: takes any object.
    if unsafe { ffi::PyCapsule_IsValid(capsule.as_ptr(), name.as_ptr()) } == 0 {
        return Ok(None);
    }
    // SAFETY: a capsule of this name, as was just seen.
    let mut table =
        unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr()) }.cast::<Table>().cast_const();
    // SAFETY: DLPack lets the table live as long as the process, and every version begins with this header.
    while !table.is_null() && unsafe { (*table).major } != VERSION[0] {
        // SAFETY: as above.
        table = unsafe { (*table).older };
    }
    // SAFETY: null, or a table of the version that `Table` describes.
    let Some(Table { from_object: Some(from_object), current_stream, .. }) = (unsafe { table.as_ref() })
    else {
        return Ok(None);
    };
    let mut exported = std::ptr::null_mut();
    // SAFETY: the object is of the type that the table belongs to, and the GIL is held.
    let status = unsafe { from_object(object.as_ptr(), &raw mut exported) };
    let (0, Some(exported)) = (status, NonNull::new(exported)) else { return Err(PyErr::fetch(py)) };
    let tensor = Tensor::of(exported);
    let (kind, number) = tensor.device();
    let (CUDA | CUDA_MANAGED, Some(current_stream)) = (kind, current_stream) else {
        return Ok(Some((tensor, None)));
    };
    let mut stream = std::ptr::null_mut();
    // SAFETY: the device is one of the producer's own, and the GIL is held.
    if unsafe { current_stream(kind, number, &raw mut stream) } != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(Some((tensor, Some(stream.addr()))))
}
