//! DLPack: tensors of torch and others, on the CPU and on CUDA devices.

#![expect(unsafe_code, reason = "DLPack is C structs in capsules")]

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{ffi, intern};

use super::device::{DeviceFrame, Owner};
use super::host::{HostFrame, Keeper};
use super::layout::contiguous;
use super::{Source, Told, exchange};
use crate::errors;

/// `DLDeviceType` of the devices that are read.
const CPU: i32 = 1;
pub(super) const CUDA: i32 = 2;
const CUDA_HOST: i32 = 3;
pub(super) const CUDA_MANAGED: i32 = 13;

/// `DLDataTypeCode` of unsigned integers.
const UNSIGNED: u8 = 1;

/// The version of DLPack that is asked for. Another major version has another layout.
pub(super) const VERSION: [u32; 2] = [1, 0];

/// `DLTensor` of dlpack.h 1.0.
#[repr(C)]
#[derive(Debug)]
struct DlTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *const i64,
    strides: *const i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
#[derive(Debug)]
struct Managed {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: DlTensor,
}

/// A tensor that was taken out of its capsule; its producer's deleter runs when it is dropped.
#[derive(Debug)]
pub(crate) struct Tensor(Handle);

#[derive(Debug)]
enum Handle {
    Old(NonNull<Managed>),
    New(NonNull<Versioned>),
}

// SAFETY: DLPack lets any thread call a deleter; those of Python producers take the GIL by themselves.
unsafe impl Send for Tensor {}
// SAFETY: a shared tensor is only read.
unsafe impl Sync for Tensor {}

impl Tensor {
    const fn get(&self) -> &DlTensor {
        match self.0 {
            // SAFETY: the producer keeps the struct until its deleter has run, in `drop`.
            Handle::Old(managed) => unsafe { &managed.as_ref().tensor },
            // SAFETY: as above.
            Handle::New(managed) => unsafe { &managed.as_ref().tensor },
        }
    }

    /// Owns a tensor that its producer handed out.
    pub(super) const fn of(exported: NonNull<Versioned>) -> Self {
        Self(Handle::New(exported))
    }

    /// The kind and the number of the device.
    pub(super) const fn device(&self) -> (i32, i32) {
        let tensor = self.get();
        (tensor.device_type, tensor.device_id)
    }

    /// Takes the tensor out of its capsule, which is renamed so that it does not free the tensor too.
    fn take(capsule: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(pointer) = taken(capsule, c"dltensor_versioned", c"used_dltensor_versioned")? {
            let versioned = pointer.cast::<Versioned>();
            // SAFETY: every version of the struct begins with its two version words.
            let major = unsafe { versioned.as_ref().major };
            if major != VERSION[0] {
                // Its deleter is behind words of another layout, so the tensor stays.
                return Err(errors::frame(format!(
                    "frame is DLPack {major}: version {} is taken",
                    VERSION[0]
                )));
            }
            return Ok(Self(Handle::New(versioned)));
        }
        match taken(capsule, c"dltensor", c"used_dltensor")? {
            Some(pointer) => Ok(Self(Handle::Old(pointer.cast()))),
            None => Err(errors::frame("frame: __dlpack__ gave no DLPack capsule")),
        }
    }

    /// Shape and strides in bytes, of bytes.
    fn layout(&self) -> PyResult<(Vec<usize>, Vec<isize>)> {
        let DlTensor { code, bits, lanes, ndim, shape, strides, .. } = *self.get();
        if (code, bits, lanes) != (UNSIGNED, 8, 1) {
            return Err(errors::frame("frame is a tensor of another type than uint8, which is taken"));
        }
        let ndim = usize::try_from(ndim).unwrap_or(0);
        if ndim == 0 || shape.is_null() {
            return Err(errors::frame("frame is a tensor without a shape"));
        }
        // SAFETY: DLPack has `ndim` numbers there.
        let shape = unsafe { std::slice::from_raw_parts(shape, ndim) };
        let shape: Vec<usize> = shape.iter().map(|&length| usize::try_from(length).unwrap_or(0)).collect();
        if strides.is_null() {
            let strides = contiguous(&shape, 1);
            return Ok((shape, strides));
        }
        // SAFETY: as above. Items are bytes, so strides in items are strides in bytes.
        let strides = unsafe { std::slice::from_raw_parts(strides, ndim) };
        Ok((shape, strides.iter().map(|&stride| stride as isize).collect()))
    }

    fn address(&self) -> u64 {
        let tensor = self.get();
        (tensor.data.expose_provenance() as u64).wrapping_add(tensor.byte_offset)
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        match self.0 {
            Handle::Old(managed) => {
                // SAFETY: the producer keeps the struct until its deleter has run.
                let deleter = unsafe { managed.as_ref().deleter };
                if let Some(delete) = deleter {
                    // SAFETY: called once, with the struct that it belongs to.
                    unsafe { delete(managed.as_ptr()) };
                }
            }
            Handle::New(managed) => {
                // SAFETY: the producer keeps the struct until its deleter has run.
                let deleter = unsafe { managed.as_ref().deleter };
                if let Some(delete) = deleter {
                    // SAFETY: called once, with the struct that it belongs to.
                    unsafe { delete(managed.as_ptr()) };
                }
            }
        }
    }
}

/// Takes the pointer out of a capsule of this name and renames the capsule; `None` for another name.
fn taken(
    capsule: &Bound<'_, PyAny>,
    name: &'static CStr,
    used: &'static CStr,
) -> PyResult<Option<NonNull<c_void>>> {
    // SAFETY: takes any object.
    if unsafe { ffi::PyCapsule_IsValid(capsule.as_ptr(), name.as_ptr()) } == 0 {
        return Ok(None);
    }
    // SAFETY: a capsule of this name, as was just seen.
    let pointer = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr()) };
    // SAFETY: as above; the new name is static.
    if unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), used.as_ptr()) } != 0 {
        return Err(PyErr::fetch(capsule.py()));
    }
    Ok(NonNull::new(pointer))
}

/// The picture of a tensor, wherever it lies.
pub(super) fn picture(object: &Bound<'_, PyAny>, told: &Told) -> PyResult<Source> {
    if let Some((tensor, stream)) = exchange::export(object)? {
        let told = Told { stream: told.stream.or(stream), ..*told };
        return match tensor.device().0 {
            CPU | CUDA_HOST => on_host(tensor, &told).map(Source::Host),
            CUDA | CUDA_MANAGED => on_device(tensor, &told).map(Source::Device),
            other => Err(elsewhere(other)),
        };
    }
    let py = object.py();
    let device = object.call_method0(intern!(py, "__dlpack_device__"))?;
    let (kind, _number): (i32, i32) = device.extract()?;
    match kind {
        CPU | CUDA_HOST => on_host(Tensor::take(&capsule(object, None)?)?, told).map(Source::Host),
        CUDA | CUDA_MANAGED => {
            // Without a stream of the caller's the producer makes the legacy default stream (1) wait for its work.
            // With one it does nothing (-1), since the caller names the stream of the work.
            let asked = if told.stream.is_some() { -1 } else { 1 };
            on_device(Tensor::take(&capsule(object, Some(asked))?)?, told).map(Source::Device)
        }
        other => Err(elsewhere(other)),
    }
}

fn elsewhere(kind: i32) -> PyErr {
    errors::frame(format!(
        "frame lies on a DLPack device of kind {kind}: the CPU (1), page-locked memory (3) and CUDA (2, 13) are read"
    ))
}

/// Asks for a capsule of the newest layout. A producer that knows no versions is asked again without one.
fn capsule<'py>(object: &Bound<'py, PyAny>, stream: Option<i32>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let name = intern!(py, "__dlpack__");
    let asked = PyDict::new(py);
    if let Some(stream) = stream {
        asked.set_item("stream", stream)?;
    }
    asked.set_item("max_version", PyTuple::new(py, VERSION)?)?;
    match object.call_method(name, (), Some(&asked)) {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            asked.del_item("max_version")?;
            object.call_method(name, (), Some(&asked))
        }
        done => done,
    }
}

fn on_host(tensor: Tensor, told: &Told) -> PyResult<HostFrame> {
    let (shape, strides) = tensor.layout()?;
    let start = std::ptr::with_exposed_provenance::<u8>(usize::try_from(tensor.address())?);
    // SAFETY: the tensor has an item at every index of its shape, and keeps the items alive.
    unsafe { HostFrame::of_array(start, &shape, &strides, told, Keeper::Tensor(tensor)) }
}

fn on_device(tensor: Tensor, told: &Told) -> PyResult<DeviceFrame> {
    let (shape, strides) = tensor.layout()?;
    let (address, stream) = (tensor.address(), told.stream.unwrap_or(0));
    // SAFETY: the tensor is the producer's promise of memory and stream, and is held.
    unsafe { DeviceFrame::of_array(address, &shape, &strides, stream, told, Owner::Tensor(tensor)) }
}
