//! The driver's objects around one picture: registered and mapped memory, and an output buffer. Each undoes itself on
//! drop, also when a later object cannot be made.
#![expect(unsafe_code, reason = "memory is registered, which has to outlive its registration")]

mod binding;
mod bitstream;
#[cfg(windows)]
mod event;
mod foreign;
#[cfg(not(windows))]
mod no_event;

use std::sync::Arc;

use super::driver::OpenSession;
use super::pixels::SurfaceFormat;
use crate::cuda::PitchedMemory;
use crate::error::DriverError;
use crate::units::FrameSize;
pub(super) use binding::Input;
use binding::{Binding, Rows};
pub(super) use bitstream::Bitstream;
#[cfg(windows)]
pub(super) use event::{Completion, Completions};
pub(super) use foreign::{Foreign, Key};
#[cfg(not(windows))]
pub(super) use no_event::{Completion, Completions};

/// Device memory for one picture; the binding drops before the memory.
#[derive(Debug)]
pub(super) struct Surface {
    binding: Binding,
    memory: Arc<PitchedMemory>,
    session: Arc<OpenSession>,
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
        let memory = Arc::new(memory);
        let binding = bind(session, &memory, format, size)?;
        Ok(Self { binding, memory, session: Arc::clone(session), format })
    }

    /// Binds the same memory for pictures of `size` and a format with the same layout, once it was released.
    pub(super) fn rebind(mut self, format: SurfaceFormat, size: FrameSize) -> Result<Self, DriverError> {
        self.binding = bind(&self.session, &self.memory, format, size)?;
        self.format = format;
        Ok(self)
    }

    /// Unbinds the memory. After the driver's refusal the next call tries again.
    pub(super) fn release(&mut self) -> Result<(), DriverError> {
        self.binding.release()
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
    pub(super) completion: Completion,
}

impl Slot {
    pub(super) fn new(session: &Arc<OpenSession>, completions: Completions) -> Result<Self, DriverError> {
        let bitstream = Bitstream::new(session)?;
        Ok(Self { surface: None, bitstream, completion: Completion::new(session, completions)? })
    }
}

impl Drop for Surface {
    /// Has memory that stays registered freed after the session, which ends the registration.
    fn drop(&mut self) {
        if self.release().is_err() {
            self.session.keep_until_destroyed(Arc::clone(&self.memory));
        }
    }
}

fn bind(
    session: &Arc<OpenSession>,
    memory: &PitchedMemory,
    format: SurfaceFormat,
    size: FrameSize,
) -> Result<Binding, DriverError> {
    let rows = Rows { address: memory.address(), pitch: memory.pitch() };
    // SAFETY: the memory outlives the binding: both are in a `Surface`, which drops the memory last, or gives it to the
    // session.
    unsafe { Binding::new(session, rows, format, size) }
}
