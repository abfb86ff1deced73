//! The driver's objects around one picture: registered and mapped memory, and an output buffer. Each undoes itself on
//! drop, also when a later object cannot be made.
#![expect(unsafe_code, reason = "memory is registered, which has to outlive its registration")]

mod binding;
mod bitstream;
mod foreign;

use std::sync::Arc;

use super::driver::OpenSession;
use super::pixels::SurfaceFormat;
use crate::cuda::PitchedMemory;
use crate::error::DriverError;
use crate::units::FrameSize;
pub(super) use binding::Input;
use binding::{Binding, Rows};
pub(super) use bitstream::Bitstream;
pub(super) use foreign::{Foreign, Key};

/// Device memory for one picture; the binding drops before the memory.
#[derive(Debug)]
pub(super) struct Surface {
    binding: Binding,
    memory: PitchedMemory,
    format: SurfaceFormat,
}

impl Surface {
    /// Allocates memory for pictures up to `largest`, bound for those of `size`; both sides of both are even.
    pub(super) fn new(
        session: &Arc<OpenSession>,
        format: SurfaceFormat,
        size: FrameSize,
        largest: FrameSize,
    ) -> Result<Self, DriverError> {
        let memory = PitchedMemory::new(session.context(), format.row_bytes(largest), format.rows(largest))?;
        Self::bind(session, memory, format, size)
    }

    /// Binds the same memory for pictures of `size`.
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
        let rows = Rows { address: memory.address(), pitch: memory.pitch() };
        // SAFETY: the memory outlives the binding: both are in a `Surface`, which drops it last.
        let binding = unsafe { Binding::new(session, rows, format, size)? };
        Ok(Self { binding, memory, format })
    }

    pub(super) fn memory(&self) -> &PitchedMemory {
        &self.memory
    }

    pub(super) fn format(&self) -> SurfaceFormat {
        self.format
    }

    pub(super) fn size(&self) -> FrameSize {
        self.binding.size()
    }

    pub(super) fn input(&self) -> Input {
        self.binding.input()
    }
}

/// The objects of one picture. The surface is made for the format of the first picture.
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
