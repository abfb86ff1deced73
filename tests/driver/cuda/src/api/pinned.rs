//! Page-locked host memory.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use super::give;
use crate::error::INVALID_VALUE;
use crate::gate::exports;
use crate::world::world;

exports! {
    fn cuMemHostAlloc as cuMemHostAlloc(address: Out<usize>, len: usize, flags: u32) {
        if address.is_null() {
            return Err(INVALID_VALUE);
        }
        let made = world().pin_new(len, flags)?;
        give(address, made)
    }

    fn cuMemAllocHost_v2 as cuMemAllocHost(address: Out<usize>, len: usize) {
        if address.is_null() {
            return Err(INVALID_VALUE);
        }
        let made = world().pin_new(len, 0)?;
        give(address, made)
    }

    fn cuMemFreeHost as cuMemFreeHost(address: usize) {
        world().unpin(address, true, Function::cuMemFreeHost)
    }

    fn cuMemHostRegister_v2 as cuMemHostRegister(address: usize, len: usize, flags: u32) {
        world().pin_existing(address, len, flags)
    }

    fn cuMemHostUnregister as cuMemHostUnregister(address: usize) {
        world().unpin(address, false, Function::cuMemHostUnregister)
    }

    fn cuMemHostGetDevicePointer_v2 as cuMemHostGetDevicePointer(device: Out<u64>, address: usize, flags: u32) {
        let world = world();
        world.current()?;
        if flags != 0 || world.pinned_at(address).is_none() {
            return Err(INVALID_VALUE);
        }
        give(device, address as u64)
    }

    fn cuMemHostGetFlags as cuMemHostGetFlags(flags: Out<u32>, address: usize) {
        let world = world();
        world.current()?;
        let (_, range) = world.pinned_at(address).ok_or(INVALID_VALUE)?;
        give(flags, range.flags)
    }
}
