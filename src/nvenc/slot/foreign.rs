//! The caller's memory that is encoded in place: registered at its first picture, and kept for later ones.
#![expect(unsafe_code, reason = "memory is registered that the caller vouches for")]

use std::sync::Arc;

use super::binding::{Binding, Input, Rows};
use crate::error::DriverError;
use crate::nvenc::driver::OpenSession;
use crate::nvenc::pixels::SurfaceFormat;
use crate::units::FrameSize;

/// The number of places kept. The place unused for longest makes room.
const MOST: usize = 32;

/// The identity of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nvenc) struct Key {
    pub(in crate::nvenc) address: u64,
    pub(in crate::nvenc) pitch: u32,
    pub(in crate::nvenc) format: SurfaceFormat,
    pub(in crate::nvenc) size: FrameSize,
    /// The number of the allocation, since a new allocation may have the address of a freed one.
    pub(in crate::nvenc) allocation: u64,
}

/// The places of one session.
#[derive(Debug, Default)]
pub(in crate::nvenc) struct Foreign {
    places: Vec<KnownMemory>,
    /// Memory that the driver did not take back: released again at the end of the session.
    unreleased: Vec<Binding>,
    /// The number of pictures so far.
    pictures: u64,
}

#[derive(Debug)]
struct KnownMemory {
    key: Key,
    /// `None` for memory that the driver refuses.
    binding: Option<Binding>,
    last_used: u64,
}

impl Foreign {
    /// Returns the input of a picture at this place; `None` if the driver refuses the memory, which then has to be
    /// copied. The context has to be current, and no picture of these places in flight.
    ///
    /// # Safety
    /// As many rows as the picture has lie at the address, and are not freed before the place is forgotten.
    pub(in crate::nvenc) unsafe fn input(
        &mut self,
        session: &Arc<OpenSession>,
        key: Key,
    ) -> Result<Option<Input>, DriverError> {
        self.pictures += 1;
        let now = self.pictures;
        if let Some(known) = self.places.iter_mut().find(|known| known.key == key) {
            known.last_used = now;
            return Ok(known.binding.as_ref().map(Binding::input));
        }
        // Earlier allocations at this address are gone.
        let is_gone = |known: &Key| known.address == key.address && known.allocation != key.allocation;
        self.forget(is_gone).unwrap_or_else(tell_of_refusal);
        if self.places.len() >= MOST
            && let Some(oldest) = (0..self.places.len()).min_by_key(|&at| self.places[at].last_used)
        {
            let oldest = self.places[oldest].key;
            self.forget(|known| *known == oldest).unwrap_or_else(tell_of_refusal);
        }
        let rows = Rows { address: key.address, pitch: key.pitch };
        // SAFETY: the caller's promise.
        let binding = match unsafe { Binding::new(session, rows, key.format, key.size) } {
            Ok(binding) => Some(binding),
            // A broken session reports its error at the next call.
            Err(error) if ["nvEncRegisterResource", "nvEncMapInputResource"].contains(&error.call) => {
                tracing::debug!(%error, "NVENC refuses the memory: it is copied on the GPU");
                None
            }
            Err(error) => return Err(error),
        };
        let input = binding.as_ref().map(Binding::input);
        self.places.push(KnownMemory { key, binding, last_used: now });
        Ok(input)
    }

    /// Releases the chosen places.
    ///
    /// # Errors
    /// When the driver refuses to release one, which is released again at the end of the session; the others are
    /// released all the same.
    pub(in crate::nvenc) fn forget(&mut self, chosen: impl Fn(&Key) -> bool) -> Result<(), DriverError> {
        let mut done = Ok(());
        for known in self.places.extract_if(.., |known| chosen(&known.key)) {
            let Some(mut binding) = known.binding else { continue };
            if let Err(error) = binding.release() {
                self.unreleased.push(binding);
                done = done.and(Err(error));
            }
        }
        done
    }
}

/// A place makes room whether the driver takes it back or not: it is given back again at the end.
fn tell_of_refusal(error: DriverError) {
    tracing::debug!(%error, "memory of the caller's stays registered until the session ends");
}
