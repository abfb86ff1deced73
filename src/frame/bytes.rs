//! The bytes of a plane: borrowed, or in memory that another thread may write while it is read.

#![expect(unsafe_code, reason = "memory that may change while it is read is no slice")]

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// The bytes of a plane.
#[derive(Clone, Copy)]
pub(crate) enum PlaneBytes<'a> {
    /// Memory that nobody writes while it is borrowed.
    Borrowed(&'a [u8]),
    /// Memory that may change while it is read.
    Shared(SharedBytes),
}

impl<'a> PlaneBytes<'a> {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len,
        }
    }

    /// The address of the first byte, for code outside Rust.
    pub(crate) const fn as_ptr(&self) -> *const u8 {
        match self {
            Self::Borrowed(bytes) => bytes.as_ptr(),
            Self::Shared(bytes) => bytes.start,
        }
    }

    /// Returns `len` bytes from `start` on; empty if they reach beyond the end. Shared memory is copied to `scratch`
    /// first.
    pub(crate) fn read<'s>(self, start: usize, len: usize, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Self::Borrowed(bytes) => bytes.get(start..start.saturating_add(len)).unwrap_or_default(),
            Self::Shared(bytes) => {
                scratch.resize(len, 0);
                if bytes.copy_to(start, scratch) { scratch } else { &[] }
            }
        }
    }

    /// Fills `to` with the bytes from `start` on; leaves it as it is if they reach beyond the end.
    pub(crate) fn copy_to(self, start: usize, to: &mut [u8]) {
        match self {
            Self::Borrowed(bytes) => {
                if let Some(from) = bytes.get(start..start.saturating_add(to.len())) {
                    to.copy_from_slice(from);
                }
            }
            Self::Shared(bytes) => {
                bytes.copy_to(start, to);
            }
        }
    }
}

/// Readable memory that may change while it is read.
#[derive(Clone, Copy)]
pub(crate) struct SharedBytes {
    start: *const u8,
    len: usize,
}

// SAFETY: whoever made it promised that the memory is readable from any thread, and it is read with atomic loads alone.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// Names `len` bytes from `start` on.
    ///
    /// # Safety
    /// The bytes are readable for as long as the value or a copy of it is used.
    pub(super) const unsafe fn new(start: *const u8, len: usize) -> Self {
        Self { start, len }
    }

    /// Fills `to` with the bytes from `start` on. Returns whether all of them are there.
    fn copy_to(self, start: usize, to: &mut [u8]) -> bool {
        const WORD: usize = size_of::<usize>();
        if start.checked_add(to.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        let from = self.start.wrapping_add(start);
        let head = from.align_offset(WORD).min(to.len());
        let (first, rest) = to.split_at_mut(head);
        let (words, last) = rest.as_chunks_mut::<WORD>();
        let aligned = from.wrapping_add(head);
        let behind = aligned.wrapping_add(words.len() * WORD);
        load_bytes(from, first);
        for (at, word) in words.iter_mut().enumerate() {
            let address = aligned.wrapping_add(at * WORD).cast_mut().cast::<usize>();
            // SAFETY: aligned, and within the memory that the maker promised to be readable. A load writes nothing.
            let shared = unsafe { AtomicUsize::from_ptr(address) };
            *word = shared.load(Ordering::Relaxed).to_ne_bytes();
        }
        load_bytes(behind, last);
        true
    }
}

/// Loads bytes, which the caller has found to lie within shared memory.
fn load_bytes(from: *const u8, to: &mut [u8]) {
    for (at, byte) in to.iter_mut().enumerate() {
        // SAFETY: within the memory that the maker of `SharedBytes` promised to be readable. A load writes nothing.
        let shared = unsafe { AtomicU8::from_ptr(from.wrapping_add(at).cast_mut()) };
        *byte = shared.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_are_read_from_any_place_to_any_place() {
        let memory: Vec<u8> = (0..100).collect();
        // SAFETY: the vector outlives the value.
        let shared = unsafe { SharedBytes::new(memory.as_ptr(), memory.len()) };
        for start in 0..20 {
            for len in 0..80 {
                let mut scratch = Vec::new();
                let read = PlaneBytes::Shared(shared).read(start, len, &mut scratch);
                assert_eq!(read, &memory[start..start + len]);
            }
        }
    }

    #[test]
    fn bytes_beyond_the_end_are_not_read() {
        let memory = [7; 16];
        // SAFETY: the array outlives the value.
        let shared = PlaneBytes::Shared(unsafe { SharedBytes::new(memory.as_ptr(), memory.len()) });
        for bytes in [shared, PlaneBytes::Borrowed(&memory)] {
            for (start, len) in [(0, 17), (16, 1), (usize::MAX, 2)] {
                let (mut to, mut scratch) = (vec![1; len], Vec::new());
                bytes.copy_to(start, &mut to);
                assert_eq!(to, vec![1; len]);
                assert!(bytes.read(start, len, &mut scratch).is_empty());
            }
        }
    }
}
