//! Calls that tell the kind of memory at an address.

use d264_double_common::pointer::{In, Out};

use super::device::default_pool;
use crate::error::INVALID_VALUE;
use crate::gate::exports;
use crate::world::{World, world};

exports! {
    fn cuPointerGetAttribute as cuPointerGetAttribute(value: Out<u8>, attribute: u32, address: u64) {
        if value.is_null() {
            return Err(INVALID_VALUE);
        }
        let world = world();
        world.ready()?;
        let answer = world.attribute_of(attribute, address)?.ok_or(INVALID_VALUE)?;
        answer.give(value);
        Ok(())
    }

    fn cuPointerGetAttributes as cuPointerGetAttributes(
        count: u32, attributes: In<u32>, values: In<usize>, address: u64,
    ) {
        let world = world();
        world.ready()?;
        for index in 0..count as usize {
            let attribute = attributes.at(index).ok_or(INVALID_VALUE)?;
            let place = values.at(index).ok_or(INVALID_VALUE)?;
            // Of an address that nobody knows, every attribute is zero.
            let answer = world.attribute_of(attribute, address)?;
            answer.unwrap_or_else(|| Answer::nothing(attribute)).give(Out::from_c(place as *mut u8));
        }
        Ok(())
    }
}

/// An attribute's value, in its own width.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Flag(bool),
    Word(u32),
    Long(u64),
}

impl Answer {
    fn nothing(attribute: u32) -> Self {
        match attribute {
            6 | 8 | 10 | 13 | 15 => Self::Flag(false),
            2 | 9 | 16 => Self::Word(0),
            _ => Self::Long(0),
        }
    }

    fn give(self, to: Out<u8>) {
        match self {
            Self::Flag(value) => to.set_many(&[u8::from(value)], 1),
            Self::Word(value) => to.set_many(&value.to_ne_bytes(), 4),
            Self::Long(value) => to.set_many(&value.to_ne_bytes(), 8),
        }
    }
}

impl World {
    /// `CU_POINTER_ATTRIBUTE_*` of an address; none if nobody knows the address.
    fn attribute_of(&self, attribute: u32, address: u64) -> Result<Option<Answer>, u32> {
        let (device_side, number, context, base, len, stream_ordered) = if let Some(found) =
            self.memory.containing(address)
        {
            (true, found.number, found.context, found.base, found.len, found.stream_ordered)
        } else if let Some((base, range)) = usize::try_from(address).ok().and_then(|at| self.pinned_at(at)) {
            (false, base as u64, range.context, base as u64, range.len, false)
        } else {
            return Ok(None);
        };
        let device = self.contexts.get(&context).map_or(0, |found| found.device);
        Ok(Some(match attribute {
            // Memory of a pool belongs to its device, and to no context.
            1 => Answer::Long(if stream_ordered { 0 } else { context }),
            2 => Answer::Word(if device_side { 2 } else { 1 }),
            3 => Answer::Long(address),
            4 if device_side => return Err(INVALID_VALUE),
            4 => Answer::Long(address),
            6 | 8 => Answer::Flag(false),
            7 => Answer::Long(number),
            9 => Answer::Word(device.unsigned_abs()),
            10 => Answer::Flag(device_side && !stream_ordered),
            11 => Answer::Long(base),
            12 => Answer::Long(len as u64),
            13 => Answer::Flag(true),
            16 => Answer::Word(3),
            17 => Answer::Long(if stream_ordered { default_pool(device) } else { 0 }),
            _ => return Err(INVALID_VALUE),
        }))
    }
}
