//! Memory of the double: page-aligned, given back on drop.

use std::alloc::{Layout, alloc_zeroed, dealloc};

/// Pages of host memory.
#[derive(Debug)]
pub(crate) struct Buffer {
    address: usize,
    layout: Layout,
}

impl Buffer {
    const PAGE: usize = 4096;

    /// Zeroed memory; none if there is not enough.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let layout = Layout::from_size_align(len.max(1), Self::PAGE).ok()?;
        // SAFETY: the layout is not empty.
        let address = unsafe { alloc_zeroed(layout) } as usize;
        (address != 0).then_some(Self { address, layout })
    }

    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed once.
        unsafe { dealloc(self.address as *mut u8, self.layout) };
    }
}
