//! The page-locked memory of an encoder, for its slots and for fetched pictures.

use std::sync::Arc;
use std::thread;

use super::NvencEncoder;
use super::in_flight::FrameInFlight;
use crate::config::CallForm;
use crate::cuda::PinnedMemory;
use crate::error::{Error, FrameError, Internal};
use crate::nvenc::job::{Carried, Job};
use crate::nvenc::pixels::{Staging, SurfaceFormat};
use crate::nvenc::session::SLOTS;

#[derive(Debug, Default)]
pub(super) enum SlotMemory {
    #[default]
    None,
    /// In the encoder. While a picture is in flight the session shares the memory, and both sides only read it: the
    /// pixels survive any end of the session.
    Here(Arc<Staging>),
    /// With the caller, as a [`LentFrame`](crate::nvenc::LentFrame).
    Lent,
}

/// The memory of a session's slots at its opening.
pub(super) fn slots(first: Staging) -> [SlotMemory; SLOTS] {
    [SlotMemory::Here(Arc::new(first)), SlotMemory::None]
}

impl SlotMemory {
    pub(super) fn staging(&self) -> Option<&Arc<Staging>> {
        match self {
            Self::Here(staging) => Some(staging),
            Self::None | Self::Lent => None,
        }
    }

    /// Takes the memory if it is not shared. The session drops its share by itself.
    fn take(&mut self) -> Option<Staging> {
        match std::mem::take(self) {
            Self::Here(staging) => Arc::into_inner(staging),
            Self::None => None,
            Self::Lent => {
                *self = Self::Lent;
                None
            }
        }
    }
}

impl NvencEncoder {
    /// Returns the slot for the next host picture, whose memory is neither lent nor in flight.
    pub(super) fn free_slot(&mut self) -> Result<usize, FrameError> {
        for slot in 0..SLOTS {
            if matches!(self.slots[slot], SlotMemory::Lent)
                && let Some(staging) = self.pool.take(slot)
            {
                self.slots[slot] = SlotMemory::Here(staging);
            }
        }
        let in_flight = self.in_flight.as_ref().and_then(FrameInFlight::host_slot);
        let is_free =
            |&slot: &usize| Some(slot) != in_flight && !matches!(self.slots[slot], SlotMemory::Lent);
        (0..SLOTS).find(is_free).ok_or(FrameError::AllLent { lent: SLOTS })
    }

    /// Returns the unshared memory of a free slot, ready for pictures of a format and the size in force.
    pub(super) fn staging(&mut self, slot: usize, format: SurfaceFormat) -> Result<Arc<Staging>, Error> {
        let coded = self.config.size().padded_to_even();
        match std::mem::take(&mut self.slots[slot]) {
            SlotMemory::Here(staging) if (staging.layout.format, staging.layout.size) == (format, coded) => {
                Ok(staging)
            }
            mut other => {
                let reply = self.run(Job::Prepare { slot, format, old: other.take() })?;
                match self.end(reply.result.map(|()| reply.carried))? {
                    Carried::Staging(staging) => Ok(Arc::new(staging)),
                    _ => self.end(Err(nothing())),
                }
            }
        }
    }

    /// Takes the page-locked memory that is neither in flight nor lent, to be freed after the session. Memory that the
    /// session still shares is freed with its share.
    pub(super) fn take_memory(&mut self) -> Vec<PinnedMemory> {
        let in_use = self.in_flight.as_ref().and_then(FrameInFlight::host_slot);
        let others = self.slots.iter_mut().enumerate().filter(|(slot, _)| Some(*slot) != in_use);
        let staged = others.filter_map(|(_, memory)| Some(memory.take()?.memory));
        staged.chain(self.fetched.take()).collect()
    }

    /// Forgets the frame in flight, and returns its memory. Memory shared with the session is freed there instead.
    pub(super) fn let_go_of_flying(&mut self) -> Option<PinnedMemory> {
        let slot = self.in_flight.take()?.host_slot()?;
        Some(self.slots.get_mut(slot)?.take()?.memory)
    }

    /// Frees memory of a failed session off the caller's thread, so that a driver that hangs there hangs alone.
    pub(super) fn free(&self, memory: PinnedMemory) {
        if matches!(self.config.nvenc.form, CallForm::Direct) {
            return drop(memory);
        }
        let freeing = thread::Builder::new().name("direct264-end".to_owned()).spawn(move || drop(memory));
        if let Err(error) = freeing {
            tracing::warn!(%error, "memory was freed on the caller's thread: no thread was started");
        }
    }
}

/// The internal error of a job that succeeded without its result.
pub(super) fn nothing() -> Error {
    Internal::new("a job succeeded without its result").into()
}
