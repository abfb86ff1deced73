//! Device memory that a session encodes from: registered, then mapped.
#![expect(unsafe_code, reason = "memory is registered and mapped by calls of the driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::nvenc::{
    NV_ENC_BUFFER_FORMAT_ABGR, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_IYUV,
    NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_INPUT_IMAGE, NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR,
    NV_ENC_MAP_INPUT_RESOURCE, NV_ENC_REGISTER_RESOURCE, NvEncInput, NvEncRegistration,
};

use crate::backend::Backend;
use crate::error::DriverError;
use crate::nvenc::driver::OpenSession;
use crate::nvenc::pixels::SurfaceFormat;
use crate::units::FrameSize;

/// The place of a picture's rows in device memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) address: u64,
    /// Bytes from the start of a row to the start of the next.
    pub(super) pitch: u32,
}

/// The driver's handle of an input picture, valid while the binding lives.
#[derive(Debug, Clone, Copy)]
pub(in crate::nvenc) struct Input {
    pub(in crate::nvenc) handle: *mut NvEncInput,
    pub(in crate::nvenc) format: u32,
    pub(in crate::nvenc) size: FrameSize,
    pub(in crate::nvenc) pitch: u32,
}

/// Registered and mapped device memory from which a session encodes. It drops from top to bottom: unmaps, then
/// unregisters.
#[derive(Debug)]
pub(super) struct Binding {
    mapped: Mapped,
    registered: Registered,
    format: SurfaceFormat,
    size: FrameSize,
    pitch: u32,
}

impl Binding {
    /// Registers and maps the memory. The session has to be initialised and its context current.
    ///
    /// # Safety
    /// There are as many rows as a picture of this format and size has, in device memory of the session's context that
    /// outlives the binding.
    pub(super) unsafe fn new(
        session: &Arc<OpenSession>,
        rows: Rows,
        format: SurfaceFormat,
        size: FrameSize,
    ) -> Result<Self, DriverError> {
        // SAFETY: the caller's promise.
        let registered = unsafe { Registered::new(session, rows, format, size)? };
        let mapped = Mapped::new(session, &registered)?;
        Ok(Self { mapped, registered, format, size, pitch: rows.pitch })
    }

    pub(super) fn size(&self) -> FrameSize {
        self.size
    }

    /// Unmaps and unregisters the memory, and returns the driver's refusal.
    pub(super) fn release(mut self) -> Result<(), DriverError> {
        let unmapped = self.mapped.release();
        self.registered.release().and(unmapped)
    }

    pub(super) fn input(&self) -> Input {
        Input {
            handle: self.mapped.handle.map_or(std::ptr::null_mut(), NonNull::as_ptr),
            format: buffer_format(self.format),
            size: self.size,
            pitch: self.pitch,
        }
    }
}

/// Device memory that is registered with a session, as a picture of one format and size.
#[derive(Debug)]
struct Registered {
    session: Arc<OpenSession>,
    /// `None` once it was unregistered.
    handle: Option<NonNull<NvEncRegistration>>,
}

// SAFETY: as for `Binding`.
unsafe impl Send for Registered {}

impl Registered {
    /// # Safety
    /// There are as many rows as the picture has, in device memory that outlives the registration.
    unsafe fn new(
        session: &Arc<OpenSession>,
        rows: Rows,
        format: SurfaceFormat,
        size: FrameSize,
    ) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncRegisterResource";
        let mut params = NV_ENC_REGISTER_RESOURCE::versioned(session.api());
        params.resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR;
        (params.width, params.height) = (size.width(), size.height());
        params.pitch = rows.pitch;
        // A device address in the form of a pointer, which the driver never follows on the host.
        params.resourceToRegister = std::ptr::without_provenance_mut(rows.address as usize);
        params.bufferFormat = buffer_format(format);
        params.bufferUsage = NV_ENC_INPUT_IMAGE;
        params.zero_what_is_newer_than(session.api());
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call. The memory
        // is the caller's promise.
        let code = unsafe { (session.functions().nvEncRegisterResource)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.registeredResource)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, CALL, "no handle"))?;
        Ok(Self { session: Arc::clone(session), handle: Some(handle) })
    }

    fn release(&mut self) -> Result<(), DriverError> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        // The context may be current even if it cannot be entered again.
        let _entered = self.session.context().enter();
        // SAFETY: registered in `new` with this session, and unregistered only here, after it was unmapped.
        let code = unsafe {
            (self.session.functions().nvEncUnregisterResource)(self.session.handle(), handle.as_ptr())
        };
        self.session.check("nvEncUnregisterResource", code)
    }
}

impl Drop for Registered {
    /// Ignores the status: a destructor cannot return it.
    fn drop(&mut self) {
        let _ = self.release();
    }
}

#[derive(Debug)]
struct Mapped {
    session: Arc<OpenSession>,
    /// `None` once it was unmapped.
    handle: Option<NonNull<NvEncInput>>,
}

// SAFETY: as for `Binding`.
unsafe impl Send for Mapped {}

impl Mapped {
    fn new(session: &Arc<OpenSession>, registered: &Registered) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncMapInputResource";
        let mut params = NV_ENC_MAP_INPUT_RESOURCE::versioned(session.api());
        params.registeredResource = registered.handle.map_or(std::ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call; the
        // registration is this session's and outlives the mapping: see `Binding`.
        let code = unsafe { (session.functions().nvEncMapInputResource)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.mappedResource)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, CALL, "no handle"))?;
        Ok(Self { session: Arc::clone(session), handle: Some(handle) })
    }

    fn release(&mut self) -> Result<(), DriverError> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        // The context may be current even if it cannot be entered again.
        let _entered = self.session.context().enter();
        // SAFETY: mapped in `new` by this session, and unmapped only here, when no picture is in flight from it.
        let code = unsafe {
            (self.session.functions().nvEncUnmapInputResource)(self.session.handle(), handle.as_ptr())
        };
        self.session.check("nvEncUnmapInputResource", code)
    }
}

impl Drop for Mapped {
    /// Ignores the status: a destructor cannot return it.
    fn drop(&mut self) {
        let _ = self.release();
    }
}

fn buffer_format(format: SurfaceFormat) -> u32 {
    match format {
        SurfaceFormat::Nv12 => NV_ENC_BUFFER_FORMAT_NV12,
        SurfaceFormat::I420 => NV_ENC_BUFFER_FORMAT_IYUV,
        SurfaceFormat::Bgra => NV_ENC_BUFFER_FORMAT_ARGB,
        SurfaceFormat::Rgba => NV_ENC_BUFFER_FORMAT_ABGR,
    }
}
