//! Contexts.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use super::give;
use crate::context;
use crate::error::{INVALID_CONTEXT, INVALID_VALUE, PEER_ACCESS_ALREADY_ENABLED, PEER_ACCESS_NOT_ENABLED};
use crate::gate::exports;
use crate::ledger::violation;
use crate::world::world;

exports! {
    fn cuDevicePrimaryCtxRetain as cuDevicePrimaryCtxRetain(handle: Out<u64>, device: i32) {
        if handle.is_null() {
            return Err(INVALID_VALUE);
        }
        let context = world().retain_primary(device)?;
        give(handle, context)
    }

    fn cuDevicePrimaryCtxRelease as cuDevicePrimaryCtxRelease(device: i32) {
        world().release_primary(device)
    }

    fn cuDevicePrimaryCtxRelease_v2 as cuDevicePrimaryCtxRelease(device: i32) {
        world().release_primary(device)
    }

    fn cuDevicePrimaryCtxReset as cuDevicePrimaryCtxReset(device: i32) {
        world().reset_primary(device)
    }

    fn cuDevicePrimaryCtxReset_v2 as cuDevicePrimaryCtxReset(device: i32) {
        world().reset_primary(device)
    }

    fn cuDevicePrimaryCtxGetState as cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) {
        let mut world = world();
        world.device(device)?;
        let primary = world.primaries.entry(device).or_default();
        give(flags, primary.flags)?;
        give(active, i32::from(primary.context.is_some()))
    }

    fn cuDevicePrimaryCtxSetFlags as cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) {
        let mut world = world();
        world.device(device)?;
        world.primaries.entry(device).or_default().flags = flags;
        Ok(())
    }

    fn cuDevicePrimaryCtxSetFlags_v2 as cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) {
        let mut world = world();
        world.device(device)?;
        world.primaries.entry(device).or_default().flags = flags;
        Ok(())
    }

    fn cuCtxCreate_v2 as cuCtxCreate(handle: Out<u64>, flags: u32, device: i32) {
        create(handle, flags, device)
    }

    fn cuCtxCreate_v3 as cuCtxCreate(handle: Out<u64>, _affinity: u64, _count: i32, flags: u32, device: i32) {
        create(handle, flags, device)
    }

    fn cuCtxCreate_v4 as cuCtxCreate(handle: Out<u64>, _parameters: u64, flags: u32, device: i32) {
        create(handle, flags, device)
    }

    fn cuCtxDestroy_v2 as cuCtxDestroy(handle: u64) {
        world().destroy_context(handle)
    }

    fn cuCtxPushCurrent_v2 as cuCtxPushCurrent(handle: u64) {
        world().context(handle).inspect_err(|_| {
            violation(Function::cuCtxPushCurrent, "a context is pushed that does not exist");
        })?;
        context::push(handle);
        Ok(())
    }

    fn cuCtxPopCurrent_v2 as cuCtxPopCurrent(handle: Out<u64>) {
        world().ready()?;
        let popped = context::pop().ok_or(INVALID_CONTEXT).inspect_err(|_| {
            violation(Function::cuCtxPopCurrent, "a context is popped off a thread that has none");
        })?;
        let _ = handle.set(popped);
        Ok(())
    }

    fn cuCtxSetCurrent as cuCtxSetCurrent(handle: u64) {
        let world = world();
        world.ready()?;
        if handle != 0 {
            world.context(handle)?;
        }
        context::set_current(handle);
        Ok(())
    }

    fn cuCtxGetCurrent as cuCtxGetCurrent(handle: Out<u64>) {
        world().ready()?;
        give(handle, context::current().unwrap_or(0))
    }

    fn cuCtxGetDevice as cuCtxGetDevice(device: Out<i32>) {
        let world = world();
        let handle = world.current()?;
        give(device, world.context(handle)?.device)
    }

    fn cuCtxGetId as cuCtxGetId(handle: u64, id: Out<u64>) {
        let world = world();
        let handle = if handle == 0 { world.current()? } else { handle };
        world.context(handle)?;
        give(id, handle)
    }

    fn cuCtxSynchronize as cuCtxSynchronize() {
        let mut world = world();
        let handle = world.current()?;
        world.synchronise_context(handle);
        Ok(())
    }

    fn cuCtxGetApiVersion as cuCtxGetApiVersion(handle: u64, version: Out<u32>) {
        let world = world();
        let handle = if handle == 0 { world.current()? } else { handle };
        world.context(handle)?;
        give(version, 3020)
    }

    fn cuCtxSetLimit as cuCtxSetLimit(_limit: u32, _value: usize) {
        world().current().map(|_| ())
    }

    fn cuCtxGetLimit as cuCtxGetLimit(value: Out<usize>, _limit: u32) {
        world().current()?;
        give(value, 1024)
    }

    fn cuCtxGetFlags as cuCtxGetFlags(flags: Out<u32>) {
        let world = world();
        let handle = world.current()?;
        give(flags, world.context(handle)?.flags)
    }

    fn cuCtxSetFlags as cuCtxSetFlags(flags: u32) {
        let mut world = world();
        let handle = world.current()?;
        if let Some(context) = world.contexts.get_mut(&handle) {
            context.flags = flags;
        }
        Ok(())
    }

    fn cuCtxGetStreamPriorityRange as cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        world().current()?;
        let _ = least.set(0);
        let _ = greatest.set(-5);
        Ok(())
    }

    fn cuCtxEnablePeerAccess as cuCtxEnablePeerAccess(peer: u64, flags: u32) {
        let mut world = world();
        let handle = world.current()?;
        world.context(peer)?;
        let context = world.contexts.get_mut(&handle).ok_or(INVALID_CONTEXT)?;
        if flags != 0 || peer == handle {
            return Err(INVALID_VALUE);
        }
        if context.peers.contains(&peer) {
            return Err(PEER_ACCESS_ALREADY_ENABLED);
        }
        context.peers.push(peer);
        Ok(())
    }

    fn cuCtxDisablePeerAccess as cuCtxDisablePeerAccess(peer: u64) {
        let mut world = world();
        let handle = world.current()?;
        let context = world.contexts.get_mut(&handle).ok_or(INVALID_CONTEXT)?;
        let place = context.peers.iter().position(|known| *known == peer).ok_or(PEER_ACCESS_NOT_ENABLED)?;
        context.peers.remove(place);
        Ok(())
    }
}

fn create(handle: Out<u64>, flags: u32, device: i32) -> Result<(), u32> {
    if handle.is_null() {
        return Err(INVALID_VALUE);
    }
    let context = world().create_context(device, flags, false)?;
    context::push(context);
    give(handle, context)
}
