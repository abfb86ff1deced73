//! Fills.

use d264_double_common::Function;

use crate::error::INVALID_VALUE;
use crate::gate::exports;
use crate::transfer::{End, Side};
use crate::world::world;

fn set(address: u64, pattern: &[u8], count: usize, stream: u64, function: Function) -> Result<(), u32> {
    let len = count.checked_mul(pattern.len()).ok_or(INVALID_VALUE)?;
    world().fill(End { address, pitch: 0, side: Side::Device }, (len, 1), pattern, stream, function)
}

fn set_rectangle(
    to: (u64, usize),
    value: u8,
    size: (usize, usize),
    stream: u64,
    f: Function,
) -> Result<(), u32> {
    if to.1 < size.0 {
        return Err(INVALID_VALUE);
    }
    world().fill(End { address: to.0, pitch: to.1, side: Side::Device }, size, &[value], stream, f)
}

exports! {
    fn cuMemsetD8_v2 as cuMemsetD8(to: u64, value: u8, count: usize) {
        set(to, &[value], count, 0, Function::cuMemsetD8)
    }

    fn cuMemsetD8Async as cuMemsetD8Async(to: u64, value: u8, count: usize, stream: u64) {
        set(to, &[value], count, stream, Function::cuMemsetD8Async)
    }

    fn cuMemsetD16_v2 as cuMemsetD16(to: u64, value: u16, count: usize) {
        set(to, &value.to_ne_bytes(), count, 0, Function::cuMemsetD16)
    }

    fn cuMemsetD16Async as cuMemsetD16Async(to: u64, value: u16, count: usize, stream: u64) {
        set(to, &value.to_ne_bytes(), count, stream, Function::cuMemsetD16Async)
    }

    fn cuMemsetD32_v2 as cuMemsetD32(to: u64, value: u32, count: usize) {
        set(to, &value.to_ne_bytes(), count, 0, Function::cuMemsetD32)
    }

    fn cuMemsetD32Async as cuMemsetD32Async(to: u64, value: u32, count: usize, stream: u64) {
        set(to, &value.to_ne_bytes(), count, stream, Function::cuMemsetD32Async)
    }

    fn cuMemsetD2D8_v2 as cuMemsetD2D8(to: u64, pitch: usize, value: u8, width: usize, height: usize) {
        set_rectangle((to, pitch), value, (width, height), 0, Function::cuMemsetD2D8)
    }

    fn cuMemsetD2D8Async as cuMemsetD2D8Async(
        to: u64, pitch: usize, value: u8, width: usize, height: usize, stream: u64,
    ) {
        set_rectangle((to, pitch), value, (width, height), stream, Function::cuMemsetD2D8Async)
    }
}
