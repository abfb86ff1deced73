//! The one place where a client's pointer is followed.
//!
//! A driver has no choice but to trust the pointers it is given; so has its double. What it can do is refuse null,
//! read and write without assuming alignment, and keep the trust in one file: an exported function takes these types
//! where the C prototype has a pointer, and is itself free of `unsafe`.
#![allow(
    unsafe_code,
    reason = "a C interface hands over raw pointers; they are followed here and nowhere else"
)]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

/// A place where the caller wants a value.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Wraps a pointer that came from C.
    #[must_use]
    pub const fn from_c(pointer: *mut T) -> Self {
        Self(pointer)
    }

    /// Whether the caller gave no place.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Writes the value; false if the caller gave no place.
    #[must_use]
    pub fn set(self, value: T) -> bool {
        if self.0.is_null() {
            return false;
        }
        // SAFETY: not null, and the interface asks the caller for a writable `T` here.
        unsafe { self.0.write_unaligned(value) };
        true
    }

    /// Writes as many of the values as the caller has room for.
    pub fn set_many(self, values: &[T], room: usize)
    where
        T: Copy,
    {
        for (index, value) in values.iter().take(room).enumerate() {
            let _ = Self(self.0.wrapping_add(index)).set(*value);
        }
    }
}

/// A value that the caller lends.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct In<T>(*const T);

impl<T: Copy> In<T> {
    /// Copies the value out; none if the pointer is null.
    #[must_use]
    pub fn get(self) -> Option<T> {
        self.at(0)
    }

    /// Copies the value at an index out; none if the pointer is null.
    #[must_use]
    pub fn at(self, index: usize) -> Option<T> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not null, and the interface asks the caller for readable values up to this index.
        Some(unsafe { self.0.wrapping_add(index).read_unaligned() })
    }
}

impl In<c_char> {
    /// The text, if it is there and is UTF-8.
    #[must_use]
    pub fn text(self) -> Option<String> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not null, and the interface asks the caller for a zero-terminated string.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().ok().map(str::to_owned)
    }
}

/// Bytes at a raw address: a client's buffer or one of ours.
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    address: usize,
    len: usize,
}

impl Bytes {
    /// Bytes that the interface, or an earlier allocation, promises to be there.
    #[must_use]
    pub const fn new(address: usize, len: usize) -> Self {
        Self { address, len }
    }

    /// Copies them to `to`, which must be as long.
    pub fn read(self, to: &mut [u8]) {
        let len = self.len.min(to.len());
        if self.address == 0 || len == 0 {
            return;
        }
        // SAFETY: the caller of the driver promised `len` readable bytes; `to` is as long. `copy` allows overlap.
        unsafe { std::ptr::copy(self.address as *const u8, to.as_mut_ptr(), len) };
    }

    /// Copies `from` over them.
    pub fn write(self, from: &[u8]) {
        let len = self.len.min(from.len());
        if self.address == 0 || len == 0 {
            return;
        }
        // SAFETY: the caller of the driver promised `len` writable bytes; `from` is as long. `copy` allows overlap.
        unsafe { std::ptr::copy(from.as_ptr(), self.address as *mut u8, len) };
    }

    /// Copies as many bytes to another place; the two may overlap.
    pub fn copy_to(self, to: usize) {
        if self.address == 0 || to == 0 {
            return;
        }
        // SAFETY: both ends were promised by the caller of the driver or lie in an allocation of the double.
        unsafe { std::ptr::copy(self.address as *const u8, to as *mut u8, self.len) };
    }

    /// Fills them with one value.
    pub fn fill(self, value: u8) {
        if self.address == 0 {
            return;
        }
        // SAFETY: the bytes were promised by the caller of the driver or lie in an allocation of the double.
        unsafe { std::ptr::write_bytes(self.address as *mut u8, value, self.len) };
    }

    /// Whether all of them are zero.
    #[must_use]
    pub fn all_zero(self) -> bool {
        let words = self.len / 8;
        let mut word = 0;
        while word < words {
            let end = words.min(word + 16);
            let seen = (word..end).fold(0, |seen, index| seen | peek::<u64>(self.address + index * 8));
            if seen != 0 {
                return false;
            }
            word = end;
        }
        (words * 8..self.len).all(|index| peek::<u8>(self.address + index) == 0)
    }

    /// A number that changes, almost surely, when a byte does.
    #[must_use]
    pub fn hash(self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.len as u64;
        let words = self.len / 8;
        for index in 0..words {
            hash = (hash ^ peek::<u64>(self.address + index * 8))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        for index in words * 8..self.len {
            hash = (hash ^ u64::from(peek::<u8>(self.address + index))).wrapping_mul(0x0100_0000_01b3);
        }
        hash
    }
}

/// Reads a plain integer from an address that the interface, or an allocation of the double, promises to be there.
#[must_use]
pub fn peek<T: Integer>(address: usize) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    if address != 0 {
        // SAFETY: the address was promised to hold a `T`; `value` has room for one.
        unsafe {
            std::ptr::copy_nonoverlapping(
                address as *const u8,
                value.as_mut_ptr().cast::<u8>(),
                size_of::<T>(),
            )
        };
    }
    // SAFETY: an integer of zeroes is a value, and so is one of any other bytes.
    unsafe { value.assume_init() }
}

/// Writes a plain integer to an address that the interface promises to be writable.
pub fn poke<T: Integer>(address: usize, value: T) {
    let _ = Out::from_c(address as *mut T).set(value);
}

/// A plain integer.
///
/// # Safety
/// Any bytes must be a value of the type, and it must have no padding.
pub unsafe trait Integer: Copy {}

macro_rules! integers {
    ($($name:ty)*) => {
        $(
            // SAFETY: a primitive integer takes any bytes and has no padding.
            unsafe impl Integer for $name {}
        )*
    };
}

integers! { u8 i8 u16 u32 i32 u64 usize }

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn one_byte_that_is_not_zero_is_found_wherever_it_is() {
        let mut bytes = [0_u8; 301];
        let of =
            |bytes: &[u8], start: usize| Bytes::new(bytes.as_ptr() as usize + start, bytes.len() - start);
        assert!(of(&bytes, 0).all_zero() && of(&bytes, 3).all_zero());
        for place in 3..bytes.len() {
            bytes[place] = 1;
            assert!(!of(&bytes, 0).all_zero() && !of(&bytes, 3).all_zero());
            bytes[place] = 0;
        }
    }

    #[test]
    fn a_hash_changes_with_any_byte() {
        let mut bytes = [7_u8; 41];
        let hash = |bytes: &[u8]| Bytes::new(bytes.as_ptr() as usize, bytes.len()).hash();
        let before = hash(&bytes);
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            assert_ne!(hash(&bytes), before);
            bytes[place] ^= 1;
        }
        assert_eq!(hash(&bytes), before);
    }
}
