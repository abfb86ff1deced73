//! Page-locked host memory, made here or registered.

use d264_double_common::Function;

use crate::buffer::Buffer;
use crate::error::{
    HOST_MEMORY_ALREADY_REGISTERED, HOST_MEMORY_NOT_REGISTERED, INVALID_VALUE, OUT_OF_MEMORY,
};
use crate::ledger::violation;
use crate::world::World;

/// A page-locked range.
#[derive(Debug)]
pub(crate) struct HostRange {
    pub(crate) len: usize,
    pub(crate) context: u64,
    pub(crate) flags: u32,
    /// Ours, or none if the client's memory was registered.
    pub(crate) bytes: Option<Buffer>,
}

impl World {
    pub(crate) fn pin_new(&mut self, len: usize, flags: u32) -> Result<usize, u32> {
        let context = self.current()?;
        if len == 0 {
            return Err(INVALID_VALUE);
        }
        let bytes = Buffer::new(len).ok_or(OUT_OF_MEMORY)?;
        let address = bytes.address();
        self.pinned.insert(address, HostRange { len, context, flags, bytes: Some(bytes) });
        Ok(address)
    }

    pub(crate) fn pin_existing(&mut self, address: usize, len: usize, flags: u32) -> Result<(), u32> {
        let context = self.current()?;
        if address == 0 || len == 0 {
            return Err(INVALID_VALUE);
        }
        let before = self.pinned.range(..address + len).next_back();
        if before.is_some_and(|(base, range)| base + range.len > address) {
            violation(Function::cuMemHostRegister, "host memory is registered that is page-locked already");
            return Err(HOST_MEMORY_ALREADY_REGISTERED);
        }
        self.pinned.insert(address, HostRange { len, context, flags, bytes: None });
        Ok(())
    }

    /// Ends a page-locked range that was made here (`own`) or registered.
    pub(crate) fn unpin(&mut self, address: usize, own: bool, function: Function) -> Result<(), u32> {
        self.ready()?;
        let Some(range) = self.pinned.get(&address).filter(|range| range.bytes.is_some() == own) else {
            violation(function, "host memory is given back that was never page-locked in this way");
            return Err(if own { INVALID_VALUE } else { HOST_MEMORY_NOT_REGISTERED });
        };
        let (start, len) = (address, range.len);
        if self.has_unwaited_access(start, len) {
            violation(function, "page-locked memory is given back while a copy that uses it may still run");
        }
        self.finish_work_on(start, len);
        self.pinned.remove(&address);
        Ok(())
    }

    /// The page-locked range around an address.
    pub(crate) fn pinned_at(&self, address: usize) -> Option<(usize, &HostRange)> {
        let (base, range) = self.pinned.range(..=address).next_back()?;
        (address < base + range.len).then_some((*base, range))
    }
}
