//! Devices: how many, what they are.

use std::ffi::c_char;

use d264_double_common::pointer::{In, Out};

use super::give;
use crate::error::{INVALID_DEVICE, INVALID_VALUE};
use crate::gate::exports;
use crate::memory::{ALIGNMENT, TOTAL_BYTES};
use crate::world::world;

/// The identity of a device: the same in every process.
fn uuid(device: i32) -> [u8; 16] {
    let mut uuid = *b"\xd2\x64double-gpu\0\0\0\0";
    uuid[12..].copy_from_slice(&device.to_be_bytes());
    uuid
}

fn bus(device: i32) -> i32 {
    device + 1
}

exports! {
    fn cuDeviceGetCount as cuDeviceGetCount(count: Out<i32>) {
        let world = world();
        world.ready()?;
        give(count, i32::try_from(world.gpus.len()).unwrap_or(i32::MAX))
    }

    fn cuDeviceGet as cuDeviceGet(device: Out<i32>, ordinal: i32) {
        world().device(ordinal)?;
        give(device, ordinal)
    }

    fn cuDeviceGetName as cuDeviceGetName(name: Out<u8>, room: i32, device: i32) {
        let text = world().device(device)?.name.clone();
        put_text(name, room, &text)
    }

    fn cuDeviceGetUuid as cuDeviceGetUuid(id: Out<[u8; 16]>, device: i32) {
        world().device(device)?;
        give(id, uuid(device))
    }

    fn cuDeviceGetUuid_v2 as cuDeviceGetUuid(id: Out<[u8; 16]>, device: i32) {
        world().device(device)?;
        give(id, uuid(device))
    }

    fn cuDeviceGetAttribute as cuDeviceGetAttribute(value: Out<i32>, attribute: i32, device: i32) {
        world().device(device)?;
        give(value, attribute_of(device, attribute)?)
    }

    fn cuDeviceTotalMem_v2 as cuDeviceTotalMem(bytes: Out<usize>, device: i32) {
        world().device(device)?;
        give(bytes, TOTAL_BYTES)
    }

    fn cuDeviceComputeCapability as cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: i32) {
        world().device(device)?;
        give(major, 8)?;
        give(minor, 9)
    }

    fn cuDeviceGetPCIBusId as cuDeviceGetPCIBusId(text: Out<u8>, room: i32, device: i32) {
        world().device(device)?;
        put_text(text, room, &format!("0000:{:02x}:00.0", bus(device)))
    }

    fn cuDeviceGetByPCIBusId as cuDeviceGetByPCIBusId(device: Out<i32>, text: In<c_char>) {
        let world = world();
        world.ready()?;
        let text = text.text().ok_or(INVALID_VALUE)?;
        let count = i32::try_from(world.gpus.len()).unwrap_or(i32::MAX);
        let found = (0..count).find(|index| text.to_lowercase() == format!("0000:{:02x}:00.0", bus(*index)));
        give(device, found.ok_or(INVALID_DEVICE)?)
    }

    fn cuDeviceCanAccessPeer as cuDeviceCanAccessPeer(answer: Out<i32>, device: i32, peer: i32) {
        let world = world();
        world.device(device)?;
        world.device(peer)?;
        give(answer, i32::from(device != peer))
    }

    fn cuDeviceGetDefaultMemPool as cuDeviceGetDefaultMemPool(pool: Out<u64>, device: i32) {
        world().device(device)?;
        give(pool, default_pool(device))
    }

    fn cuDeviceGetMemPool as cuDeviceGetMemPool(pool: Out<u64>, device: i32) {
        world().device(device)?;
        give(pool, default_pool(device))
    }

    fn cuDeviceSetMemPool as cuDeviceSetMemPool(device: i32, pool: u64) {
        world().device(device)?;
        if pool == default_pool(device) { Ok(()) } else { Err(INVALID_VALUE) }
    }
}

/// The one memory pool that a device has.
pub(super) fn default_pool(device: i32) -> u64 {
    0x0d26_4100_0000_0000 + u64::from(device.unsigned_abs()) * 16
}

fn put_text(to: Out<u8>, room: i32, text: &str) -> Result<(), u32> {
    let room = usize::try_from(room).map_err(|_| INVALID_VALUE)?;
    if to.is_null() || room == 0 {
        return Err(INVALID_VALUE);
    }
    let mut bytes: Vec<u8> = text.bytes().take(room - 1).collect();
    bytes.push(0);
    to.set_many(&bytes, room);
    Ok(())
}

/// `CU_DEVICE_ATTRIBUTE_*` of a mid-size GPU of 2023; the ones that nobody here asks for are zero.
fn attribute_of(device: i32, attribute: i32) -> Result<i32, u32> {
    Ok(match attribute {
        1 => 1024,
        2 | 3 => 1024,
        4 => 64,
        5 | 8 => i32::MAX,
        6 | 7 => 65535,
        9 => 49152,
        10 => 32,
        11 => i32::try_from(ALIGNMENT).unwrap_or(512),
        12 => 65536,
        13 => 2_040_000,
        14 => 512,
        15 => 1,
        16 => 58,
        // Integrated, managed memory, concurrent managed access.
        18 | 83 | 89 => 0,
        // Host memory can be mapped; addresses are unified; kernels overlap; stream priorities.
        19 | 31 | 41 | 78 => 1,
        // Compute mode: anyone may use it.
        20 => 0,
        33 => bus(device),
        34 => 0,
        40 => 2,
        50 => 0,
        75 => 8,
        76 => 9,
        // Host registration; memory pools.
        99 | 115 => 1,
        0 => return Err(INVALID_VALUE),
        other if !(0..=200).contains(&other) => return Err(INVALID_VALUE),
        _ => 0,
    })
}
