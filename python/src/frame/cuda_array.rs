//! `__cuda_array_interface__`, versions 2 and 3: cupy, numba, torch.

#![expect(unsafe_code, reason = "the array lies where its interface says")]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Told;
use super::device::{DeviceFrame, Owner};
use super::layout::contiguous;
use crate::errors;

/// Whether the interface names the stream that writes the array.
pub(super) fn names_its_stream(interface: &Bound<'_, PyAny>) -> PyResult<bool> {
    let stream = interface.cast::<PyDict>()?.get_item("stream")?;
    Ok(stream.is_some_and(|stream| !stream.is_none()))
}

/// The picture of an array in device memory. Its stream is the caller's, else the interface's, else the default stream.
pub(super) fn picture(
    owner: &Bound<'_, PyAny>,
    interface: &Bound<'_, PyAny>,
    told: &Told,
) -> PyResult<DeviceFrame> {
    let interface = interface.cast::<PyDict>()?;
    let get = |key: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(interface.get_item(key)?.filter(|value| !value.is_none()))
    };
    let need = |key: &str| {
        get(key)?.ok_or_else(|| errors::frame(format!("frame: __cuda_array_interface__ has no {key:?}")))
    };
    let items: String = need("typestr")?.extract()?;
    if !matches!(items.as_str(), "|u1" | "<u1" | ">u1") {
        return Err(errors::frame(format!("frame has items of type {items:?}: uint8 (\"|u1\") is taken")));
    }
    if get("mask")?.is_some() {
        return Err(errors::frame("frame is a masked array: an array without a mask is taken"));
    }
    let shape: Vec<usize> = need("shape")?.extract()?;
    let (address, _is_read_only): (u64, bool) = need("data")?.extract()?;
    let strides = match get("strides")? {
        Some(strides) => strides.extract()?,
        None => contiguous(&shape, 1),
    };
    let named: Option<usize> = get("stream")?.map(|handle| handle.extract()).transpose()?;
    if named == Some(0) {
        return Err(errors::frame(
            "frame: __cuda_array_interface__ names stream 0, which its version 3 forbids",
        ));
    }
    let stream = told.stream.or(named).unwrap_or(0);
    let owner_held = Owner::Object(owner.clone().unbind());
    // SAFETY: the interface is the object's promise of memory and stream, and the object is held.
    unsafe { DeviceFrame::of_array(address, &shape, &strides, stream, told, owner_held) }
}
