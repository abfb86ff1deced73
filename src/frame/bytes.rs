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
    #[cfg(openh264)]
    pub(crate) const fn as_ptr(&self) -> *const u8 {
        match self {
            Self::Borrowed(bytes) => bytes.as_ptr(),
            Self::Shared(bytes) => bytes.start,
        }
    }

    /// Calls `visit` with `len` bytes from each of `starts` on; empty if they reach beyond the end. Shared memory is
    /// copied to `scratch` first.
    // The kind of memory is tested once for all rows: a test for each row costs more than the rest of the loop.
    pub(crate) fn each(
        self,
        starts: impl Iterator<Item = usize>,
        len: usize,
        scratch: &mut Vec<u8>,
        mut visit: impl FnMut(&[u8]),
    ) {
        match self {
            Self::Borrowed(bytes) => {
                starts
                    .for_each(|start| visit(bytes.get(start..start.saturating_add(len)).unwrap_or_default()));
            }
            Self::Shared(bytes) => {
                scratch.resize(len, 0);
                starts.for_each(|start| visit(if bytes.copy_to(start, scratch) { scratch } else { &[] }));
            }
        }
    }

    /// Copies the first `row_bytes` bytes of each row from the row `first` on. Rows begin `stride` bytes apart, those of
    /// `to` `to_stride`. Leaves rows beyond the end as they are. Neither stride may be 0.
    pub(crate) fn copy_rows(
        self,
        (first, stride): (usize, usize),
        to: &mut [u8],
        to_stride: usize,
        row_bytes: usize,
    ) {
        let start = first.saturating_mul(stride);
        let rows = to.chunks_exact_mut(to_stride).filter_map(|to| to.get_mut(..row_bytes));
        match self {
            Self::Borrowed(bytes) => {
                let bytes = bytes.get(start..).unwrap_or_default();
                for (from, to) in bytes.chunks(stride).filter_map(|from| from.get(..row_bytes)).zip(rows) {
                    to.copy_from_slice(from);
                }
            }
            Self::Shared(bytes) => {
                for (row, to) in rows.enumerate() {
                    bytes.copy_to(start.saturating_add(row.saturating_mul(stride)), to);
                }
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
                let compare = |read: &[u8]| assert_eq!(read, &memory[start..start + len]);
                PlaneBytes::Shared(shared).each([start].into_iter(), len, &mut scratch, compare);
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
                let mut scratch = Vec::new();
                bytes.each([start].into_iter(), len, &mut scratch, |read| assert!(read.is_empty()));
            }
        }
    }

    #[test]
    fn rows_are_copied_as_far_as_both_sides_have_them() {
        let memory: Vec<u8> = (1..=11).collect();
        // SAFETY: the vector outlives the value.
        let shared = PlaneBytes::Shared(unsafe { SharedBytes::new(memory.as_ptr(), memory.len()) });
        for bytes in [shared, PlaneBytes::Borrowed(&memory)] {
            let mut to = [0; 14];
            bytes.copy_rows((0, 4), &mut to, 3, 2);
            assert_eq!(to, [1, 2, 0, 5, 6, 0, 9, 10, 0, 0, 0, 0, 0, 0]);
            let mut to = [0; 8];
            bytes.copy_rows((1, 4), &mut to, 4, 3);
            assert_eq!(to, [5, 6, 7, 0, 9, 10, 11, 0]);
            bytes.copy_rows((usize::MAX, 4), &mut to, 4, 3);
            assert_eq!(to, [5, 6, 7, 0, 9, 10, 11, 0]);
        }
    }
}
