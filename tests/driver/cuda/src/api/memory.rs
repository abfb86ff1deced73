//! Device memory.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use super::give;
use crate::context::Context;
use crate::error::{INVALID_VALUE, NOT_SUPPORTED};
use crate::gate::exports;
use crate::ledger::violation;
use crate::memory::{ALIGNMENT, TOTAL_BYTES};
use crate::order::Touch;
use crate::stream::Op;
use crate::world::{World, world};

exports! {
    fn cuMemAlloc_v2 as cuMemAlloc(address: Out<u64>, len: usize) {
        if address.is_null() || len == 0 {
            return Err(INVALID_VALUE);
        }
        let mut world = world();
        let context = world.current()?;
        world.synchronise_context(context);
        give(address, world.memory.allocate(len, context, false)?)
    }

    fn cuMemAllocPitch_v2 as cuMemAllocPitch(
        address: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: u32,
    ) {
        if address.is_null() || pitch.is_null() || width == 0 || height == 0 {
            return Err(INVALID_VALUE);
        }
        if !matches!(element, 4 | 8 | 16) {
            violation(Function::cuMemAllocPitch, "the element size is none of 4, 8 and 16");
            return Err(INVALID_VALUE);
        }
        let mut world = world();
        let context = world.current()?;
        world.synchronise_context(context);
        let row = width.checked_next_multiple_of(ALIGNMENT).ok_or(INVALID_VALUE)?;
        let len = row.checked_mul(height).ok_or(INVALID_VALUE)?;
        give(address, world.memory.allocate(len, context, false)?)?;
        give(pitch, row)
    }

    fn cuMemAllocManaged as cuMemAllocManaged(_address: Out<u64>, _len: usize, _flags: u32) {
        world().current()?;
        Err(NOT_SUPPORTED)
    }

    fn cuMemFree_v2 as cuMemFree(address: u64) {
        let mut world = world();
        world.ready()?;
        if address == 0 {
            return Ok(());
        }
        world.free(address)
    }

    fn cuMemAllocAsync as cuMemAllocAsync(address: Out<u64>, len: usize, stream: u64) {
        if address.is_null() || len == 0 {
            return Err(INVALID_VALUE);
        }
        let mut world = world();
        let context = world.current()?;
        let on = world.stream_here(stream, Function::cuMemAllocAsync)?;
        let base = world.memory.allocate(len, context, true)?;
        let touch = world.whole(base)?;
        world.submit(on, Op::Marker, &[touch], Function::cuMemAllocAsync);
        give(address, base)
    }

    fn cuMemFreeAsync as cuMemFreeAsync(address: u64, stream: u64) {
        let mut world = world();
        let on = world.stream_here(stream, Function::cuMemFreeAsync)?;
        let touch = world.whole(address)?;
        world.refuse_registered(address, Function::cuMemFreeAsync);
        let allocation = world.memory.at_mut(address).ok_or(INVALID_VALUE)?;
        if allocation.released {
            violation(Function::cuMemFreeAsync, "device memory is freed twice");
            return Err(INVALID_VALUE);
        }
        allocation.released = true;
        world.submit(on, Op::Free(address), &[touch], Function::cuMemFreeAsync);
        Ok(())
    }

    fn cuMemGetInfo_v2 as cuMemGetInfo(free: Out<usize>, total: Out<usize>) {
        let world = world();
        world.current()?;
        give(free, TOTAL_BYTES - world.memory.allocated_bytes.min(TOTAL_BYTES))?;
        give(total, TOTAL_BYTES)
    }

    fn cuMemGetAddressRange_v2 as cuMemGetAddressRange(base: Out<u64>, len: Out<usize>, address: u64) {
        let world = world();
        world.current()?;
        let found = world.memory.containing(address).ok_or(INVALID_VALUE)?;
        let _ = base.set(found.base);
        let _ = len.set(found.len);
        Ok(())
    }
}

impl World {
    fn whole(&self, base: u64) -> Result<Touch, u32> {
        let found = self.memory.at(base).ok_or(INVALID_VALUE)?;
        Ok(Touch { start: found.bytes.address(), len: found.len, write: true })
    }

    fn refuse_registered(&self, base: u64, function: Function) {
        if self.memory.at(base).is_some_and(|found| found.registrations > 0) {
            violation(function, "device memory is freed while it is registered with the encoder");
        }
    }

    /// Frees an allocation, which waits for all work of its context first.
    fn free(&mut self, address: u64) -> Result<(), u32> {
        let Some(found) = self.memory.at(address).filter(|found| !found.released) else {
            violation(Function::cuMemFree, "an address is freed that is no live allocation");
            return Err(INVALID_VALUE);
        };
        let context = found.context;
        self.refuse_registered(address, Function::cuMemFree);
        self.synchronise_context(context);
        if let Some(freed) = self.memory.remove(address) {
            self.forget_accesses(freed.bytes.address(), freed.len);
        }
        self.contexts.get(&context).map_or(Ok(()), Context::alive)
    }
}
