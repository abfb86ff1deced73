//! The macro that declares every driver struct: the C name, the size, and each field's offset beside the field.

use std::fmt;

/// Bytes that this crate does not use: reserved by the header, or part of another codec or feature than
/// H.264. They are zero when a struct is made here, and stay zero.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Unused<T>(T);

impl<T> fmt::Debug for Unused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Declares a struct as the driver lays it out on 64-bit machines. In front of each field stands its offset
/// in bytes, which is checked at compile time, and its kind: `named` is a field of the C header under the
/// same name, `bits` is a word of C bit-fields, `unused` is private and stays zero.
///
/// Every type that stands in a field has to be valid as all zeros, and with any bits that a driver may write:
/// integers, raw pointers, `Option` of a function pointer, arrays of these, and structs declared here.
macro_rules! driver_struct {
    (
        $(#[$about:meta])*
        $name:ident: $size:literal bytes {
            $($(#[$doc:meta])* $offset:literal $kind:ident $vis:vis $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct $name {
            $($(#[$doc])* $vis $field: $type,)+
        }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)+
        };

        impl $name {
            /// All bytes zero: every number 0, every pointer null.
            #[must_use]
            pub const fn zeroed() -> Self {
                // SAFETY: the struct holds integers, raw pointers, optional function pointers and structs of
                // these, all of them valid as zeros; `driver_struct!` demands that of every declaration.
                unsafe { std::mem::zeroed() }
            }

            #[cfg(test)]
            #[allow(dead_code, reason = "not every struct has a row in the layout table")]
            pub(crate) const LAYOUT: crate::structs::StructLayout = crate::structs::StructLayout {
                name: stringify!($name),
                size: $size,
                fields: &[$((stringify!($kind), stringify!($field), $offset),)+],
            };
        }

        #[cfg(all(test, target_os = "linux"))]
        crate::structs::theirs! { $name $($kind $field)+ }
    };
}
pub(crate) use driver_struct;

/// The struct in `nvidia-video-codec-sdk`: its size, and the offset of each field that has a name.
#[cfg(all(test, target_os = "linux"))]
macro_rules! theirs {
    (CUDA_MEMCPY2D $(named $field:ident)+) => {
        impl CUDA_MEMCPY2D {
            pub(crate) const THEIRS: (usize, &'static [Option<usize>]) = (
                size_of::<cudarc::driver::sys::CUDA_MEMCPY2D_st>(),
                &[$(Some(std::mem::offset_of!(cudarc::driver::sys::CUDA_MEMCPY2D_st, $field)),)+],
            );
        }
    };
    ($name:ident $($kind:ident $field:ident)+) => {
        impl $name {
            pub(crate) const THEIRS: (usize, &'static [Option<usize>]) = (
                size_of::<nvidia_video_codec_sdk::sys::nvEncodeAPI::$name>(),
                &[$(crate::structs::theirs!(@ $name $kind $field),)+],
            );
        }
    };
    (@ $name:ident named $field:ident) => {
        Some(std::mem::offset_of!(nvidia_video_codec_sdk::sys::nvEncodeAPI::$name, $field))
    };
    (@ $name:ident bits $field:ident) => {
        Some(std::mem::offset_of!(nvidia_video_codec_sdk::sys::nvEncodeAPI::$name, _bitfield_1))
    };
    (@ $name:ident unused $field:ident) => { None };
}
#[cfg(all(test, target_os = "linux"))]
pub(crate) use theirs;

/// Declares the C bit-fields of a struct's `bits` word as masks, each under its C name. The first number is
/// the lowest bit of the field, the second how many bits it has.
macro_rules! bit_fields {
    ($name:ident { $($(#[$doc:meta])* $bit:literal $width:literal $field:ident,)+ }) => {
        impl $name {
            $($(#[$doc])* pub const $field: u32 = (u32::MAX >> (32 - $width)) << $bit;)+

            #[cfg(test)]
            pub(crate) const BITS: &'static [(&'static str, u32, u32)] =
                &[$((stringify!($field), $bit, $width),)+];
        }
    };
}
pub(crate) use bit_fields;

/// Declares types that exist only behind a pointer.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $($(#[$doc])*
        #[derive(Debug)]
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
            _not_ours: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
        })+
    };
}
pub(crate) use opaque;

/// The size and fields of a struct declaration, for the tests that compare it with other sources.
#[cfg(test)]
pub(crate) struct StructLayout {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    /// Kind, name and offset in bytes.
    pub(crate) fields: &'static [(&'static str, &'static str, usize)],
}
