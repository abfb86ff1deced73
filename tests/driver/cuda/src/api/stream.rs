//! Streams.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use super::give;
use crate::error::{INVALID_HANDLE, INVALID_VALUE};
use crate::gate::exports;
use crate::ledger::{LEDGER, lock, violation};
use crate::stream::{Callback, Op};
use crate::world::world;

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

exports! {
    fn cuStreamCreate as cuStreamCreate(stream: Out<u64>, flags: u32) {
        create(stream, flags, 0)
    }

    fn cuStreamCreateWithPriority as cuStreamCreateWithPriority(stream: Out<u64>, flags: u32, priority: i32) {
        create(stream, flags, priority)
    }

    fn cuStreamDestroy_v2 as cuStreamDestroy(stream: u64) {
        destroy(stream)
    }

    fn cuStreamDestroy as cuStreamDestroy(stream: u64) {
        destroy(stream)
    }

    fn cuStreamQuery as cuStreamQuery(stream: u64) {
        let mut world = world();
        let on = world.stream_here(stream, Function::cuStreamQuery)?;
        world.query_stream(on)
    }

    fn cuStreamSynchronize as cuStreamSynchronize(stream: u64) {
        let mut world = world();
        let on = world.stream_here(stream, Function::cuStreamSynchronize)?;
        world.synchronise_stream(on);
        Ok(())
    }

    fn cuStreamWaitEvent as cuStreamWaitEvent(stream: u64, event: u64, flags: u32) {
        if flags > 1 {
            return Err(INVALID_VALUE);
        }
        let mut world = world();
        let on = world.stream_here(stream, Function::cuStreamWaitEvent)?;
        world.wait_event(on, event)
    }

    fn cuStreamAddCallback as cuStreamAddCallback(
        stream: u64, function: Option<extern "C" fn(u64, u32, usize)>, data: usize, _flags: u32,
    ) {
        let function = function.ok_or(INVALID_VALUE)?;
        let mut world = world();
        let on = world.stream_here(stream, Function::cuStreamAddCallback)?;
        world.enqueue(on, Op::Call(Callback::Stream { function, stream, data }));
        Ok(())
    }

    fn cuLaunchHostFunc as cuLaunchHostFunc(stream: u64, function: Option<extern "C" fn(usize)>, data: usize) {
        let function = function.ok_or(INVALID_VALUE)?;
        let mut world = world();
        let on = world.stream_here(stream, Function::cuLaunchHostFunc)?;
        world.enqueue(on, Op::Call(Callback::Host { function, data }));
        Ok(())
    }

    fn cuStreamGetFlags as cuStreamGetFlags(stream: u64, flags: Out<u32>) {
        let world = world();
        let on = world.stream_here(stream, Function::cuStreamGetFlags)?;
        give(flags, u32::from(world.streams.get(&on).is_some_and(|found| found.non_blocking)))
    }

    fn cuStreamGetPriority as cuStreamGetPriority(stream: u64, priority: Out<i32>) {
        let world = world();
        let on = world.stream_here(stream, Function::cuStreamGetPriority)?;
        give(priority, world.streams.get(&on).map_or(0, |found| found.priority))
    }

    fn cuStreamGetCtx as cuStreamGetCtx(stream: u64, context: Out<u64>) {
        let world = world();
        let current = world.current()?;
        let on = world.stream_in(current, stream)?;
        give(context, world.streams.get(&on).map_or(current, |found| found.context))
    }

    fn cuStreamIsCapturing as cuStreamIsCapturing(_stream: u64, status: Out<u32>) {
        world().current()?;
        give(status, 0)
    }
}

fn destroy(stream: u64) -> Result<(), u32> {
    let mut world = world();
    world.ready()?;
    let Some(found) = world.streams.get(&stream) else {
        violation(Function::cuStreamDestroy, "a stream is destroyed that does not exist");
        return Err(INVALID_HANDLE);
    };
    if found.sessions > 0 {
        violation(Function::cuStreamDestroy, "a stream is destroyed that an encode session still works on");
    }
    world.remove_stream(stream);
    Ok(())
}

fn create(stream: Out<u64>, flags: u32, priority: i32) -> Result<(), u32> {
    *lock(&LEDGER.record).stream_flags.entry(flags).or_default() += 1;
    if stream.is_null() || flags > NON_BLOCKING {
        return Err(INVALID_VALUE);
    }
    let mut world = world();
    let context = world.current()?;
    let made = world.add_stream(context, flags == NON_BLOCKING, priority);
    *lock(&LEDGER.record).stream_priorities.entry(priority).or_default() += 1;
    give(stream, made)
}
