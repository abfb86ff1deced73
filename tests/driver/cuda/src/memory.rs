//! Device memory: host memory behind addresses that fault.

use std::collections::BTreeMap;

use crate::buffer::Buffer;
use crate::error::OUT_OF_MEMORY;

/// The memory that each GPU reports.
pub(crate) const TOTAL_BYTES: usize = 16 << 30;
/// How far apart allocations start, and what a pitch is a multiple of.
pub(crate) const ALIGNMENT: usize = 512;
/// Addresses are taken once and then reused by length; more than this valgrind does not reserve.
const WINDOW_BYTES: usize = 2 * TOTAL_BYTES;

/// One allocation.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) base: u64,
    pub(crate) len: usize,
    /// No other allocation has it, nor had.
    pub(crate) number: u64,
    pub(crate) context: u64,
    /// From `cuMemAllocAsync`: the encoder cannot register it.
    pub(crate) stream_ordered: bool,
    /// Its release is queued on a stream: no new work may name it.
    pub(crate) released: bool,
    /// Encoder registrations of it.
    pub(crate) registrations: i32,
    pub(crate) bytes: Buffer,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    window: u64,
    used: u64,
    live: BTreeMap<u64, Allocation>,
    /// Freed addresses by length: reused at once, as drivers do, so that a stale registration meets new memory.
    free: BTreeMap<usize, Vec<u64>>,
    pub(crate) allocated_bytes: usize,
    /// Allocations so far.
    count: u64,
}

impl Memory {
    pub(crate) fn allocate(&mut self, len: usize, context: u64, stream_ordered: bool) -> Result<u64, u32> {
        if len > TOTAL_BYTES - self.allocated_bytes.min(TOTAL_BYTES) {
            return Err(OUT_OF_MEMORY);
        }
        let bytes = Buffer::new(len).ok_or(OUT_OF_MEMORY)?;
        // Fresh device memory holds anything but what was hoped for.
        d264_double_common::pointer::Bytes::new(bytes.address(), len).fill(0xcd);
        let base = self.take_address(len)?;
        self.allocated_bytes += len;
        self.count += 1;
        let number = self.count;
        self.live.insert(
            base,
            Allocation {
                base,
                len,
                number,
                context,
                stream_ordered,
                released: false,
                registrations: 0,
                bytes,
            },
        );
        Ok(base)
    }

    fn take_address(&mut self, len: usize) -> Result<u64, u32> {
        let span = len.next_multiple_of(ALIGNMENT) + ALIGNMENT;
        if let Some(address) = self.free.get_mut(&span).and_then(Vec::pop) {
            return Ok(address);
        }
        if self.window == 0 {
            self.window = reserve(WINDOW_BYTES).ok_or(OUT_OF_MEMORY)?;
        }
        if self.used + span as u64 > WINDOW_BYTES as u64 {
            return Err(OUT_OF_MEMORY);
        }
        let address = self.window + self.used;
        self.used += span as u64;
        Ok(address)
    }

    pub(crate) fn remove(&mut self, base: u64) -> Option<Allocation> {
        let allocation = self.live.remove(&base)?;
        let span = allocation.len.next_multiple_of(ALIGNMENT) + ALIGNMENT;
        self.free.entry(span).or_default().push(base);
        self.allocated_bytes -= allocation.len;
        Some(allocation)
    }

    /// Drops what lives in a context; how many of it a client still owned.
    pub(crate) fn remove_context(&mut self, context: u64) -> usize {
        let bases: Vec<(u64, bool)> = self
            .live
            .values()
            .filter(|found| found.context == context)
            .map(|a| (a.base, a.released))
            .collect();
        for (base, _) in &bases {
            self.remove(*base);
        }
        bases.iter().filter(|(_, released)| !released).count()
    }

    pub(crate) fn at(&self, base: u64) -> Option<&Allocation> {
        self.live.get(&base)
    }

    pub(crate) fn at_mut(&mut self, base: u64) -> Option<&mut Allocation> {
        self.live.get_mut(&base)
    }

    /// The allocation that an address lies in.
    pub(crate) fn containing(&self, address: u64) -> Option<&Allocation> {
        let (_, found) = self.live.range(..=address).next_back()?;
        (address < found.base + found.len as u64).then_some(found)
    }

    pub(crate) fn containing_mut(&mut self, address: u64) -> Option<&mut Allocation> {
        let (_, found) = self.live.range_mut(..=address).next_back()?;
        (address < found.base + found.len as u64).then_some(found)
    }

    pub(crate) fn owned(&self) -> impl Iterator<Item = &Allocation> {
        self.live.values().filter(|allocation| !allocation.released)
    }
}

/// Takes addresses out of use without memory behind them: reading or writing there is a fault.
#[cfg(unix)]
fn reserve(len: usize) -> Option<u64> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new private mapping at an address of the kernel's choice; nothing existing is touched.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
    (address != libc::MAP_FAILED).then_some(address as u64)
}

/// Takes addresses out of use without memory behind them: reading or writing there is a fault.
#[cfg(windows)]
fn reserve(len: usize) -> Option<u64> {
    use windows_sys::Win32::System::Memory::{MEM_RESERVE, PAGE_NOACCESS, VirtualAlloc};
    // SAFETY: a new reservation at an address of the system's choice; nothing existing is touched.
    let address = unsafe { VirtualAlloc(std::ptr::null(), len, MEM_RESERVE, PAGE_NOACCESS) };
    (!address.is_null()).then_some(address as u64)
}
