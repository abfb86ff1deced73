//! Copies an array of any strides into rows without padding.

#![expect(unsafe_code, reason = "the items lie where shape and strides say, in memory that may change")]

use std::sync::atomic::{AtomicU8, Ordering};

/// Returns the items of an array of bytes in order. `array[::-1]` and the like are read so.
///
/// # Safety
/// Every index within `shape` names a readable byte at `start` plus the sum of index times stride.
pub(super) unsafe fn gather(start: *const u8, shape: &[usize], strides: &[isize]) -> Vec<u8> {
    let mut items = Vec::with_capacity(shape.iter().product());
    append(start, shape, strides, &mut items);
    items
}

/// Appends the items of one axis after the other. Called by `gather` alone, with its promise.
fn append(start: *const u8, shape: &[usize], strides: &[isize], to: &mut Vec<u8>) {
    let ([len, shape @ ..], [stride, strides @ ..]) = (shape, strides) else {
        // SAFETY: the caller of `gather` promises that the byte is readable; a load writes nothing.
        let item = unsafe { AtomicU8::from_ptr(start.cast_mut()) };
        to.push(item.load(Ordering::Relaxed));
        return;
    };
    for index in 0..*len {
        append(start.wrapping_offset(stride.wrapping_mul(index as isize)), shape, strides, to);
    }
}
