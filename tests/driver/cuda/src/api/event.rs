//! Events.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use super::give;
use crate::error::{INVALID_HANDLE, INVALID_VALUE, NOT_READY};
use crate::event::{DISABLE_TIMING, Event};
use crate::gate::exports;
use crate::ledger::violation;
use crate::world::world;

exports! {
    fn cuEventCreate as cuEventCreate(event: Out<u64>, flags: u32) {
        if event.is_null() || flags > 7 {
            return Err(INVALID_VALUE);
        }
        let mut world = world();
        let context = world.current()?;
        let handle = world.new_handle();
        world.events.insert(handle, Event { context, flags, recorded: None });
        give(event, handle)
    }

    fn cuEventDestroy_v2 as cuEventDestroy(event: u64) {
        let mut world = world();
        world.ready()?;
        if world.events.remove(&event).is_none() {
            violation(Function::cuEventDestroy, "an event is destroyed that does not exist");
            return Err(INVALID_HANDLE);
        }
        Ok(())
    }

    fn cuEventRecord as cuEventRecord(event: u64, stream: u64) {
        let mut world = world();
        let on = world.stream_here(stream, Function::cuEventRecord)?;
        let elsewhere = world.streams.get(&on).map(|found| found.context) != Some(world.event(event)?.context);
        if elsewhere {
            violation(Function::cuEventRecord, "an event is recorded on a stream of another context");
            return Err(INVALID_HANDLE);
        }
        world.record_event(event, on)
    }

    fn cuEventQuery as cuEventQuery(event: u64) {
        world().query_event(event)
    }

    fn cuEventSynchronize as cuEventSynchronize(event: u64) {
        world().synchronise_event(event)
    }

    fn cuEventElapsedTime as cuEventElapsedTime(millis: Out<f32>, start: u64, end: u64) {
        elapsed(millis, start, end)
    }

    fn cuEventElapsedTime_v2 as cuEventElapsedTime(millis: Out<f32>, start: u64, end: u64) {
        elapsed(millis, start, end)
    }
}

fn elapsed(millis: Out<f32>, start: u64, end: u64) -> Result<(), u32> {
    let world = world();
    let (start, end) = (world.event(start)?, world.event(end)?);
    if (start.flags | end.flags) & DISABLE_TIMING != 0 {
        return Err(INVALID_HANDLE);
    }
    let (Some(from), Some(to)) = (&start.recorded, &end.recorded) else { return Err(INVALID_HANDLE) };
    if !world.is_done(from.ticket) || !world.is_done(to.ticket) {
        return Err(NOT_READY);
    }
    give(millis, to.when.saturating_duration_since(from.when).as_secs_f32() * 1000.0)
}
