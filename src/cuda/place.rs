//! The allocation behind an address in device memory: its context, its device, its extent.
#![expect(unsafe_code, reason = "the CUDA driver is asked about an address")]

use std::ffi::c_void;

use direct264_sys::cuda::{
    CU_MEMORYTYPE_DEVICE, CU_POINTER_ATTRIBUTE_BUFFER_ID, CU_POINTER_ATTRIBUTE_CONTEXT,
    CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_RANGE_SIZE,
    CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CUdeviceptr, Functions,
};

use super::check;
use super::context::Context;
use crate::error::{Error, FrameError};
use crate::frame::{CudaImage, DevicePlane};
use crate::units::FrameSize;

/// An allocation of device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DevicePlace {
    /// The address of the context; 0 for memory of a stream-ordered pool, which belongs to its device alone.
    pub(crate) context: usize,
    pub(crate) device: i32,
    /// A number that no other allocation in the process has, nor had.
    pub(crate) allocation: u64,
    /// Whether the allocation holds all of the picture, one row behind the other.
    pub(crate) holds_all: bool,
}

impl DevicePlace {
    /// Returns the allocation that a plane lies in.
    ///
    /// # Errors
    /// [`Error::Frame`] when the plane is no device memory, or reaches beyond its allocation.
    pub(crate) fn of(functions: &Functions, plane: &DevicePlane) -> Result<Self, Error> {
        let mut attributes = [
            CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
            CU_POINTER_ATTRIBUTE_CONTEXT,
            CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
            CU_POINTER_ATTRIBUTE_BUFFER_ID,
            CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
            CU_POINTER_ATTRIBUTE_RANGE_SIZE,
        ];
        let (mut kind, mut device) = (0_u32, 0_i32);
        let (mut context, mut bytes) = (0_usize, 0_usize);
        let (mut allocation, mut start): (u64, CUdeviceptr) = (0, 0);
        let mut values: [*mut c_void; 6] = [
            (&raw mut kind).cast(),
            (&raw mut context).cast(),
            (&raw mut device).cast(),
            (&raw mut allocation).cast(),
            (&raw mut start).cast(),
            (&raw mut bytes).cast(),
        ];
        // SAFETY: for each attribute there is a place of the width that it is written with, in the same order; all
        // live through the call, which keeps no pointer. Any address may be asked about.
        let code = unsafe {
            (functions.cuPointerGetAttributes)(6, attributes.as_mut_ptr(), values.as_mut_ptr(), plane.address)
        };
        check("cuPointerGetAttributes", code)?;
        if kind != CU_MEMORYTYPE_DEVICE {
            return Err(FrameError::NoDeviceMemory { address: plane.address }.into());
        }
        let before = plane.address.checked_sub(start).and_then(|before| usize::try_from(before).ok());
        let room = before.map_or(0, |before| bytes.saturating_sub(before));
        if room < plane.span() {
            return Err(FrameError::Allocation { bytes: room, needed: plane.span() }.into());
        }
        Ok(Self { context, device, allocation, holds_all: false })
    }

    /// Returns the allocation that a picture starts in. Work in `context` may read all of the picture.
    ///
    /// # Errors
    /// As [`DevicePlace::of`]; and [`Error::Frame`] when a plane lies on another GPU, or in another context of this one.
    pub(crate) fn of_image(image: &CudaImage, size: FrameSize, context: &Context) -> Result<Self, Error> {
        if image.is_in_one_piece(size) {
            let bytes = image.span(size);
            let whole = DevicePlane { address: image.address(), pitch: bytes, row_bytes: bytes, rows: 1 };
            // One call for both planes. Where one allocation does not hold them, each plane has a call of its own.
            match Self::of(context.functions(), &whole) {
                Err(Error::Frame(FrameError::Allocation { .. })) => {}
                found => {
                    let place = found?;
                    place.check_readable_in(context)?;
                    return Ok(Self { holds_all: true, ..place });
                }
            }
        }
        let mut first = None;
        for plane in image.planes(size) {
            let place = Self::of(context.functions(), &plane)?;
            place.check_readable_in(context)?;
            first = first.or(Some(place));
        }
        first.ok_or_else(|| FrameError::NoDeviceMemory { address: image.address() }.into())
    }

    fn check_readable_in(&self, context: &Context) -> Result<(), FrameError> {
        if self.device != context.device() {
            return Err(FrameError::OtherGpu { frame: self.device, encoder: context.device() });
        }
        if self.is_pooled() || self.context == context.handle().addr() {
            return Ok(());
        }
        Err(FrameError::OtherContext { gpu: self.device })
    }

    /// Whether the allocation comes from a stream-ordered pool.
    pub(crate) const fn is_pooled(&self) -> bool {
        self.context == 0
    }
}
