//! Device memory that a session encodes from: registered, then mapped.
#![expect(unsafe_code, reason = "memory is registered and mapped by calls of the driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::nvenc::{
    NV_ENC_BUFFER_FORMAT_ABGR, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_IYUV,
    NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_ERR_RESOURCE_NOT_MAPPED, NV_ENC_ERR_RESOURCE_NOT_REGISTERED,
    NV_ENC_INPUT_IMAGE, NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR, NV_ENC_MAP_INPUT_RESOURCE,
    NV_ENC_REGISTER_RESOURCE, NVENCSTATUS, NvEncInput, NvEncRegistration,
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

/// Registered and mapped device memory from which a session encodes.
#[derive(Debug)]
pub(super) struct Binding {
    session: Arc<OpenSession>,
    /// `None` before the memory is mapped, and once it was unmapped.
    mapped: Option<NonNull<NvEncInput>>,
    /// `None` once the memory was unregistered.
    registered: Option<NonNull<NvEncRegistration>>,
    format: SurfaceFormat,
    size: FrameSize,
    pitch: u32,
}

// SAFETY: NVENC ties its objects to a session and to no thread; this value is the only owner.
unsafe impl Send for Binding {}

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
        let registered = NonNull::new(params.registeredResource)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, CALL, "no handle"))?;
        let mut binding = Self {
            session: Arc::clone(session),
            mapped: None,
            registered: Some(registered),
            format,
            size,
            pitch: rows.pitch,
        };
        binding.mapped = Some(binding.map(registered)?);
        Ok(binding)
    }

    fn map(&self, registered: NonNull<NvEncRegistration>) -> Result<NonNull<NvEncInput>, DriverError> {
        const CALL: &str = "nvEncMapInputResource";
        let session = &*self.session;
        let mut params = NV_ENC_MAP_INPUT_RESOURCE::versioned(session.api());
        params.registeredResource = registered.as_ptr();
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call; the
        // registration is this session's and outlives the mapping: see `release`.
        let code = unsafe { (session.functions().nvEncMapInputResource)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        NonNull::new(params.mappedResource)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, CALL, "no handle"))
    }

    pub(super) fn size(&self) -> FrameSize {
        self.size
    }

    /// Unmaps and unregisters the memory, as far as that is not done. After the driver's refusal the next call tries
    /// again. No picture may be in flight from the memory.
    pub(super) fn release(&mut self) -> Result<(), DriverError> {
        let session = &*self.session;
        // The context may be current even if it cannot be entered again.
        let _entered = session.context().enter();
        if let Some(mapped) = self.mapped {
            let status = session.patiently(|| {
                // SAFETY: mapped in `new` by this session, and not unmapped since.
                NVENCSTATUS(unsafe {
                    (session.functions().nvEncUnmapInputResource)(session.handle(), mapped.as_ptr())
                })
            });
            // A call that reported an earlier error may have done its work.
            if status != NV_ENC_ERR_RESOURCE_NOT_MAPPED {
                session.check("nvEncUnmapInputResource", status.0)?;
            }
            self.mapped = None;
        }
        if let Some(registered) = self.registered {
            let status = session.patiently(|| {
                // SAFETY: registered in `new` with this session, unmapped, and not unregistered since.
                NVENCSTATUS(unsafe {
                    (session.functions().nvEncUnregisterResource)(session.handle(), registered.as_ptr())
                })
            });
            if status != NV_ENC_ERR_RESOURCE_NOT_REGISTERED {
                session.check("nvEncUnregisterResource", status.0)?;
            }
            self.registered = None;
        }
        Ok(())
    }

    pub(super) fn input(&self) -> Input {
        Input {
            handle: self.mapped.map_or(std::ptr::null_mut(), NonNull::as_ptr),
            format: buffer_format(self.format),
            size: self.size,
            pitch: self.pitch,
        }
    }
}

impl Drop for Binding {
    /// Tries a second time after a refusal, which may report an error of earlier work. Then ignores the status, since a
    /// destructor cannot return it.
    fn drop(&mut self) {
        if self.release().is_err() {
            let _ = self.release();
        }
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
