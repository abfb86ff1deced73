//! The driver's objects around one picture: memory that is registered and mapped, and an output buffer. Each is
//! undone by its own `Drop`, also when what comes after it cannot be made.
#![expect(unsafe_code, reason = "buffers are made, registered, mapped and given back by calls of the driver")]

use std::ptr::NonNull;
use std::sync::Arc;

use direct264_sys::nvenc::{
    NV_ENC_BUFFER_FORMAT_ABGR, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_IYUV,
    NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_CREATE_BITSTREAM_BUFFER, NV_ENC_INPUT_IMAGE,
    NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR, NV_ENC_MAP_INPUT_RESOURCE, NV_ENC_REGISTER_RESOURCE,
    NvEncInput, NvEncOutput, NvEncRegistration,
};

use super::driver::OpenSession;
use super::pixels::SurfaceFormat;
use crate::cuda::PitchedMemory;
use crate::encoder::Backend;
use crate::error::DriverError;
use crate::units::FrameSize;

/// An output buffer of the driver.
#[derive(Debug)]
pub(super) struct Bitstream {
    session: Arc<OpenSession>,
    handle: NonNull<NvEncOutput>,
}

// SAFETY: NVENC ties its objects to a session and to no thread; this value is the only owner.
unsafe impl Send for Bitstream {}

impl Bitstream {
    /// The session has to be initialised and its context current, as for everything that is made here.
    pub(super) fn new(session: &Arc<OpenSession>) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncCreateBitstreamBuffer";
        let mut params = NV_ENC_CREATE_BITSTREAM_BUFFER::versioned(session.api());
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call.
        let code =
            unsafe { (session.functions().nvEncCreateBitstreamBuffer)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.bitstreamBuffer).ok_or_else(|| nothing(CALL))?;
        Ok(Self { session: Arc::clone(session), handle })
    }

    /// The handle, valid while this value lives.
    pub(super) fn handle(&self) -> *mut NvEncOutput {
        self.handle.as_ptr()
    }
}

impl Drop for Bitstream {
    /// A status cannot be handed on from here, as for everything that is dropped here.
    fn drop(&mut self) {
        let entered = self.session.context().enter();
        // SAFETY: made in `new` by this session, and destroyed only here.
        let _ = unsafe {
            (self.session.functions().nvEncDestroyBitstreamBuffer)(self.session.handle(), self.handle())
        };
        drop(entered);
    }
}

/// Device memory that a session knows as a picture of one format and size.
#[derive(Debug)]
struct Registered {
    session: Arc<OpenSession>,
    handle: NonNull<NvEncRegistration>,
}

// SAFETY: as for `Bitstream`.
unsafe impl Send for Registered {}

impl Registered {
    fn new(
        session: &Arc<OpenSession>,
        memory: &PitchedMemory,
        format: SurfaceFormat,
        size: FrameSize,
    ) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncRegisterResource";
        let mut params = NV_ENC_REGISTER_RESOURCE::versioned(session.api());
        params.resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR;
        (params.width, params.height) = (size.width(), size.height());
        params.pitch = memory.pitch();
        // A device address in the shape of a pointer, which the driver never follows on the host.
        params.resourceToRegister = std::ptr::without_provenance_mut(memory.address() as usize);
        params.bufferFormat = buffer_format(format);
        params.bufferUsage = NV_ENC_INPUT_IMAGE;
        params.zero_what_is_newer_than(session.api());
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call. The memory
        // outlives the registration: both are in a `Surface`, which drops it last.
        let code = unsafe { (session.functions().nvEncRegisterResource)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.registeredResource).ok_or_else(|| nothing(CALL))?;
        Ok(Self { session: Arc::clone(session), handle })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let entered = self.session.context().enter();
        // SAFETY: registered in `new` with this session, and unregistered only here, after it was unmapped.
        let _ = unsafe {
            (self.session.functions().nvEncUnregisterResource)(self.session.handle(), self.handle.as_ptr())
        };
        drop(entered);
    }
}

/// A registration that can be encoded from.
#[derive(Debug)]
struct Mapped {
    session: Arc<OpenSession>,
    handle: NonNull<NvEncInput>,
}

// SAFETY: as for `Bitstream`.
unsafe impl Send for Mapped {}

impl Mapped {
    fn new(session: &Arc<OpenSession>, registered: &Registered) -> Result<Self, DriverError> {
        const CALL: &str = "nvEncMapInputResource";
        let mut params = NV_ENC_MAP_INPUT_RESOURCE::versioned(session.api());
        params.registeredResource = registered.handle.as_ptr();
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call; the
        // registration is this session's and outlives the mapping: see `Binding`.
        let code = unsafe { (session.functions().nvEncMapInputResource)(session.handle(), &raw mut params) };
        session.check(CALL, code)?;
        let handle = NonNull::new(params.mappedResource).ok_or_else(|| nothing(CALL))?;
        Ok(Self { session: Arc::clone(session), handle })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let entered = self.session.context().enter();
        // SAFETY: mapped in `new` by this session, and unmapped only here, when no picture is in flight from it.
        let _ = unsafe {
            (self.session.functions().nvEncUnmapInputResource)(self.session.handle(), self.handle.as_ptr())
        };
        drop(entered);
    }
}

/// Drops from top to bottom: unmaps, then unregisters.
#[derive(Debug)]
struct Binding {
    mapped: Mapped,
    _registered: Registered,
    size: FrameSize,
}

/// Device memory for one picture. Drops from top to bottom: the binding, then the memory.
#[derive(Debug)]
pub(super) struct Surface {
    binding: Binding,
    memory: PitchedMemory,
    format: SurfaceFormat,
}

impl Surface {
    /// Memory for pictures up to `largest`, registered and mapped for those of `size`; both sides of both are even.
    pub(super) fn new(
        session: &Arc<OpenSession>,
        format: SurfaceFormat,
        size: FrameSize,
        largest: FrameSize,
    ) -> Result<Self, DriverError> {
        let memory = PitchedMemory::new(session.context(), format.row_bytes(largest), format.rows(largest))?;
        Self::bind(session, memory, format, size)
    }

    /// The same memory, registered and mapped for pictures of `size`.
    pub(super) fn rebind(self, session: &Arc<OpenSession>, size: FrameSize) -> Result<Self, DriverError> {
        let Self { binding, memory, format } = self;
        drop(binding);
        Self::bind(session, memory, format, size)
    }

    fn bind(
        session: &Arc<OpenSession>,
        memory: PitchedMemory,
        format: SurfaceFormat,
        size: FrameSize,
    ) -> Result<Self, DriverError> {
        let registered = Registered::new(session, &memory, format, size)?;
        let mapped = Mapped::new(session, &registered)?;
        Ok(Self { binding: Binding { mapped, _registered: registered, size }, memory, format })
    }

    pub(super) fn memory(&self) -> &PitchedMemory {
        &self.memory
    }

    pub(super) fn format(&self) -> SurfaceFormat {
        self.format
    }

    pub(super) fn size(&self) -> FrameSize {
        self.binding.size
    }

    /// What a picture is encoded from, valid while this value lives.
    pub(super) fn input(&self) -> *mut NvEncInput {
        self.binding.mapped.handle.as_ptr()
    }
}

/// What one picture needs. The surface is made when the first picture comes, whose format it has.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) surface: Option<Surface>,
    pub(super) bitstream: Bitstream,
}

impl Slot {
    pub(super) fn new(session: &Arc<OpenSession>) -> Result<Self, DriverError> {
        Ok(Self { surface: None, bitstream: Bitstream::new(session)? })
    }
}

/// The driver's word for a format.
pub(super) fn buffer_format(format: SurfaceFormat) -> u32 {
    match format {
        SurfaceFormat::Nv12 => NV_ENC_BUFFER_FORMAT_NV12,
        SurfaceFormat::I420 => NV_ENC_BUFFER_FORMAT_IYUV,
        SurfaceFormat::Bgra => NV_ENC_BUFFER_FORMAT_ARGB,
        SurfaceFormat::Rgba => NV_ENC_BUFFER_FORMAT_ABGR,
    }
}

fn nothing(call: &'static str) -> DriverError {
    DriverError::new(Backend::Nvenc, call, 0, "no handle came with the success")
}
