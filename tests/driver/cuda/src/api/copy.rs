//! Copies.

use d264_double_common::Function;
use d264_double_common::pointer::In;

use crate::error::{INVALID_VALUE, NOT_SUPPORTED};
use crate::gate::exports;
use crate::ledger::violation;
use crate::transfer::{End, Side};
use crate::world::world;

/// `CUDA_MEMCPY2D`: the same in every version of CUDA.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Copy2d {
    source_x: usize,
    source_y: usize,
    source_kind: u32,
    source_host: u64,
    source_device: u64,
    source_array: u64,
    source_pitch: usize,
    target_x: usize,
    target_y: usize,
    target_kind: u32,
    target_host: u64,
    target_device: u64,
    target_array: u64,
    target_pitch: usize,
    width: usize,
    height: usize,
}

const _: () = assert!(size_of::<Copy2d>() == 128);

fn flat(address: u64, side: Side) -> End {
    End { address, pitch: 0, side }
}

fn linear(
    from: (u64, Side),
    to: (u64, Side),
    len: usize,
    stream: Option<u64>,
    f: Function,
) -> Result<(), u32> {
    world().copy(flat(from.0, from.1), flat(to.0, to.1), (len, 1), stream, f)
}

fn end(kind: u32, host: u64, device: u64, (x, y): (usize, usize), pitch: usize) -> Result<End, u32> {
    let (address, side) = match kind {
        1 => (host, Side::Host),
        2 => (device, Side::Device),
        3 => return Err(NOT_SUPPORTED),
        4 => (device, Side::Any),
        _ => return Err(INVALID_VALUE),
    };
    if address == 0 {
        return Err(INVALID_VALUE);
    }
    let offset = y.checked_mul(pitch).and_then(|rows| rows.checked_add(x)).ok_or(INVALID_VALUE)?;
    Ok(End { address: address + offset as u64, pitch, side })
}

fn rectangle(copy: In<Copy2d>, stream: Option<u64>, function: Function) -> Result<(), u32> {
    let copy = copy.get().ok_or(INVALID_VALUE)?;
    let pitch = |given: usize, x: usize| if given == 0 { x + copy.width } else { given };
    let (source_pitch, target_pitch) =
        (pitch(copy.source_pitch, copy.source_x), pitch(copy.target_pitch, copy.target_x));
    if source_pitch < copy.source_x + copy.width || target_pitch < copy.target_x + copy.width {
        violation(function, "the pitch of a copy is less than its width");
        return Err(INVALID_VALUE);
    }
    let from = end(
        copy.source_kind,
        copy.source_host,
        copy.source_device,
        (copy.source_x, copy.source_y),
        source_pitch,
    )?;
    let to = end(
        copy.target_kind,
        copy.target_host,
        copy.target_device,
        (copy.target_x, copy.target_y),
        target_pitch,
    )?;
    world().copy(from, to, (copy.width, copy.height), stream, function)
}

exports! {
    fn cuMemcpy as cuMemcpy(to: u64, from: u64, len: usize) {
        linear((from, Side::Any), (to, Side::Any), len, None, Function::cuMemcpy)
    }

    fn cuMemcpyAsync as cuMemcpyAsync(to: u64, from: u64, len: usize, stream: u64) {
        linear((from, Side::Any), (to, Side::Any), len, Some(stream), Function::cuMemcpyAsync)
    }

    fn cuMemcpyHtoD_v2 as cuMemcpyHtoD(to: u64, from: u64, len: usize) {
        linear((from, Side::Host), (to, Side::Device), len, None, Function::cuMemcpyHtoD)
    }

    fn cuMemcpyHtoDAsync_v2 as cuMemcpyHtoDAsync(to: u64, from: u64, len: usize, stream: u64) {
        linear((from, Side::Host), (to, Side::Device), len, Some(stream), Function::cuMemcpyHtoDAsync)
    }

    fn cuMemcpyDtoH_v2 as cuMemcpyDtoH(to: u64, from: u64, len: usize) {
        linear((from, Side::Device), (to, Side::Host), len, None, Function::cuMemcpyDtoH)
    }

    fn cuMemcpyDtoHAsync_v2 as cuMemcpyDtoHAsync(to: u64, from: u64, len: usize, stream: u64) {
        linear((from, Side::Device), (to, Side::Host), len, Some(stream), Function::cuMemcpyDtoHAsync)
    }

    fn cuMemcpyDtoD_v2 as cuMemcpyDtoD(to: u64, from: u64, len: usize) {
        linear((from, Side::Device), (to, Side::Device), len, None, Function::cuMemcpyDtoD)
    }

    fn cuMemcpyDtoDAsync_v2 as cuMemcpyDtoDAsync(to: u64, from: u64, len: usize, stream: u64) {
        linear((from, Side::Device), (to, Side::Device), len, Some(stream), Function::cuMemcpyDtoDAsync)
    }

    fn cuMemcpyPeer as cuMemcpyPeer(to: u64, to_context: u64, from: u64, from_context: u64, len: usize) {
        check_peers(to_context, from_context)?;
        linear((from, Side::Device), (to, Side::Device), len, None, Function::cuMemcpyPeer)
    }

    fn cuMemcpyPeerAsync as cuMemcpyPeerAsync(
        to: u64, to_context: u64, from: u64, from_context: u64, len: usize, stream: u64,
    ) {
        check_peers(to_context, from_context)?;
        linear((from, Side::Device), (to, Side::Device), len, Some(stream), Function::cuMemcpyPeerAsync)
    }

    fn cuMemcpy2D_v2 as cuMemcpy2D(copy: In<Copy2d>) {
        rectangle(copy, None, Function::cuMemcpy2D)
    }

    fn cuMemcpy2DUnaligned_v2 as cuMemcpy2DUnaligned(copy: In<Copy2d>) {
        rectangle(copy, None, Function::cuMemcpy2DUnaligned)
    }

    fn cuMemcpy2DAsync_v2 as cuMemcpy2DAsync(copy: In<Copy2d>, stream: u64) {
        rectangle(copy, Some(stream), Function::cuMemcpy2DAsync)
    }
}

fn check_peers(to: u64, from: u64) -> Result<(), u32> {
    let world = world();
    world.context(to)?;
    world.context(from).map(|_| ())
}
