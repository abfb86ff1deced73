//! A client's struct, read and written by offset.

use d264_double_common::Function;
use d264_double_common::pointer::{Bytes, peek, poke};

use crate::driver::{broke, settings};
use crate::guid::Guid;
use crate::layout::Struct;
use crate::status::{INVALID_PARAM, INVALID_PTR, INVALID_VERSION};

/// The address of a struct of the client's, as C passes it.
pub(crate) type Address = usize;

/// A struct whose word and reserved fields have been found to be right, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    address: Address,
}

impl View {
    /// Opens a struct: it must be there, carry the word of this API version, and be zero where it is reserved.
    pub(crate) fn open(
        address: Address,
        kind: Struct,
        version: usize,
        function: Function,
    ) -> Result<Self, u32> {
        if address == 0 {
            return Err(broke(function, INVALID_PTR, &format!("{} is null", kind.name())));
        }
        let view = Self { address };
        if view.u32(0) != kind.word(version) {
            let rule = format!(
                "{} carries the version word {:#010x}, not {:#010x}",
                kind.name(),
                view.u32(0),
                kind.word(version)
            );
            return Err(broke(function, INVALID_VERSION, &rule));
        }
        view.check_reserved(kind, version, function)?;
        Ok(view)
    }

    fn check_reserved(self, kind: Struct, version: usize, function: Function) -> Result<(), u32> {
        if !settings().thorough {
            return Ok(());
        }
        let bytes = kind.reserved(version).iter().find(|(start, len)| !self.bytes(*start, *len).all_zero());
        if let Some((start, len)) = bytes {
            let rule = format!("reserved bytes {start}..{} of {} are not zero", start + len, kind.name());
            return Err(broke(function, INVALID_PARAM, &rule));
        }
        if let Some((at, _)) = kind.reserved_bits(version).iter().find(|(at, bits)| self.u32(*at) & bits != 0)
        {
            let rule = format!("reserved bits at {at} of {} are not zero", kind.name());
            return Err(broke(function, INVALID_PARAM, &rule));
        }
        Ok(())
    }

    /// A part of it, at an offset.
    pub(crate) fn part(self, at: usize) -> Self {
        Self { address: self.address + at }
    }

    pub(crate) fn address(self) -> Address {
        self.address
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        peek(self.address + at)
    }

    pub(crate) fn u64(self, at: usize) -> u64 {
        peek(self.address + at)
    }

    pub(crate) fn pointer(self, at: usize) -> Address {
        peek(self.address + at)
    }

    pub(crate) fn byte(self, at: usize) -> u8 {
        peek(self.address + at)
    }

    pub(crate) fn half(self, at: usize) -> u16 {
        peek(self.address + at)
    }

    /// One bit of a word of flags.
    pub(crate) fn bit(self, at: usize, bit: u32) -> bool {
        self.u32(at) >> bit & 1 == 1
    }

    pub(crate) fn guid(self, at: usize) -> Guid {
        let mut d = [0; 8];
        self.bytes(at + 8, 8).read(&mut d);
        Guid { a: self.u32(at), b: self.half(at + 4), c: self.half(at + 6), d }
    }

    pub(crate) fn bytes(self, at: usize, len: usize) -> Bytes {
        Bytes::new(self.address + at, len)
    }

    pub(crate) fn set_u32(self, at: usize, value: u32) {
        poke(self.address + at, value);
    }

    pub(crate) fn set_u64(self, at: usize, value: u64) {
        poke(self.address + at, value);
    }

    pub(crate) fn set_half(self, at: usize, value: u16) {
        poke(self.address + at, value);
    }

    pub(crate) fn set_byte(self, at: usize, value: u8) {
        poke(self.address + at, value);
    }

    pub(crate) fn set_guid(self, at: usize, guid: Guid) {
        self.set_u32(at, guid.a);
        self.set_half(at + 4, guid.b);
        self.set_half(at + 6, guid.c);
        self.bytes(at + 8, 8).write(&guid.d);
    }
}

/// A struct of the double's own making, filled in for a client.
pub(crate) fn view_of(address: Address) -> View {
    View { address }
}
