//! The types of `libcuda`: handles, a two-dimensional copy, and their numbers.

use std::ffi::c_void;

use crate::structs::driver_struct;

crate::structs::opaque! {
    /// A CUDA context.
    CUctx_st;
    /// A CUDA stream.
    CUstream_st;
    /// A CUDA event.
    CUevent_st;
    /// A CUDA array.
    CUarray_st;
}

/// A device, by the driver's number.
pub type CUdevice = i32;
/// An address in device memory.
pub type CUdeviceptr = u64;
/// The handle of a context; null is none.
pub type CUcontext = *mut CUctx_st;
/// The handle of a stream; null is the default stream.
pub type CUstream = *mut CUstream_st;
/// The handle of an event.
pub type CUevent = *mut CUevent_st;
/// The handle of an array.
pub type CUarray = *mut CUarray_st;

driver_struct! {
    /// A copy of rows from one memory to another. The memory types decide which fields count.
    CUDA_MEMCPY2D: 128 bytes {
        /// First column of the source, in bytes.
        0 named pub srcXInBytes: usize,
        /// First row of the source.
        8 named pub srcY: usize,
        /// One of the `CU_MEMORYTYPE_*`.
        16 named pub srcMemoryType: u32,
        /// The source in host memory.
        24 named pub srcHost: *const c_void,
        /// The source in device memory.
        32 named pub srcDevice: CUdeviceptr,
        /// The source as an array.
        40 named pub srcArray: CUarray,
        /// Bytes from one row of the source to the next.
        48 named pub srcPitch: usize,
        /// First column of the destination, in bytes.
        56 named pub dstXInBytes: usize,
        /// First row of the destination.
        64 named pub dstY: usize,
        /// One of the `CU_MEMORYTYPE_*`.
        72 named pub dstMemoryType: u32,
        /// The destination in host memory.
        80 named pub dstHost: *mut c_void,
        /// The destination in device memory.
        88 named pub dstDevice: CUdeviceptr,
        /// The destination as an array.
        96 named pub dstArray: CUarray,
        /// Bytes from one row of the destination to the next.
        104 named pub dstPitch: usize,
        /// Length of a row, in bytes.
        112 named pub WidthInBytes: usize,
        /// Number of rows.
        120 named pub Height: usize,
    }
}

/// Host memory.
pub const CU_MEMORYTYPE_HOST: u32 = 1;
/// Device memory.
pub const CU_MEMORYTYPE_DEVICE: u32 = 2;
/// A CUDA array.
pub const CU_MEMORYTYPE_ARRAY: u32 = 3;
/// Memory that the driver tells host from device by its address.
pub const CU_MEMORYTYPE_UNIFIED: u32 = 4;

/// For `cuStreamCreate`: no implicit order with the default stream.
pub const CU_STREAM_NON_BLOCKING: u32 = 1;
/// For `cuEventCreate`: a waiting thread sleeps.
pub const CU_EVENT_BLOCKING_SYNC: u32 = 1;
/// For `cuEventCreate`: the event keeps no time.
pub const CU_EVENT_DISABLE_TIMING: u32 = 2;
/// For `cuMemHostAlloc`: page-locked for every context.
pub const CU_MEMHOSTALLOC_PORTABLE: u32 = 1;
/// For `cuMemHostAlloc`: the device can address it.
pub const CU_MEMHOSTALLOC_DEVICEMAP: u32 = 2;
/// For `cuMemHostAlloc`: quick to write and for the device to read, slow to read on the host.
pub const CU_MEMHOSTALLOC_WRITECOMBINED: u32 = 4;
/// For `cuMemHostRegister_v2`: page-locked for every context.
pub const CU_MEMHOSTREGISTER_PORTABLE: u32 = 1;

/// For `cuDeviceGetAttribute`: the device shares its memory with the host.
pub const CU_DEVICE_ATTRIBUTE_INTEGRATED: i32 = 18;
/// For `cuDeviceGetAttribute`: the compute mode.
pub const CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: i32 = 20;
/// For `cuDeviceGetAttribute`: the PCI bus.
pub const CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: i32 = 33;
/// For `cuDeviceGetAttribute`: the PCI device.
pub const CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: i32 = 34;
/// For `cuDeviceGetAttribute`: one address space for host and devices.
pub const CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: i32 = 41;
/// For `cuDeviceGetAttribute`: the PCI domain.
pub const CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID: i32 = 50;
/// For `cuDeviceGetAttribute`: compute capability, the part in front of the point.
pub const CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: i32 = 75;
/// For `cuDeviceGetAttribute`: compute capability, the part behind the point.
pub const CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: i32 = 76;

/// For `cuPointerGetAttribute`: the context that the memory belongs to, a [`CUcontext`].
pub const CU_POINTER_ATTRIBUTE_CONTEXT: i32 = 1;
/// For `cuPointerGetAttribute`: the kind of memory, a `u32` of the `CU_MEMORYTYPE_*`.
pub const CU_POINTER_ATTRIBUTE_MEMORY_TYPE: i32 = 2;
/// For `cuPointerGetAttribute`: the address on the device, a [`CUdeviceptr`].
pub const CU_POINTER_ATTRIBUTE_DEVICE_POINTER: i32 = 3;
/// For `cuPointerGetAttribute`: the address on the host, a pointer.
pub const CU_POINTER_ATTRIBUTE_HOST_POINTER: i32 = 4;
/// For `cuPointerGetAttribute`: a number of the allocation, unique in the life of the process, a `u64`.
pub const CU_POINTER_ATTRIBUTE_BUFFER_ID: i32 = 7;
/// For `cuPointerGetAttribute`: managed memory, a `u32` of 0 or 1.
pub const CU_POINTER_ATTRIBUTE_IS_MANAGED: i32 = 8;
/// For `cuPointerGetAttribute`: the device, a [`CUdevice`].
pub const CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: i32 = 9;
/// For `cuPointerGetAttribute`: the start of the allocation, a [`CUdeviceptr`].
pub const CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: i32 = 11;
/// For `cuPointerGetAttribute`: the size of the allocation in bytes, a `usize`.
pub const CU_POINTER_ATTRIBUTE_RANGE_SIZE: i32 = 12;
/// For `cuPointerGetAttribute`: the memory pool, a pointer; null for memory of no pool. Unknown to drivers before
/// CUDA 11.3.
pub const CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: i32 = 17;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use cudarc::driver::sys as other;

    #[test]
    fn the_copy_is_laid_out_as_the_other_crate_has_it() {
        let (ours, (their_size, their_offsets)) = (CUDA_MEMCPY2D::LAYOUT, CUDA_MEMCPY2D::THEIRS);
        assert_eq!(ours.size, their_size);
        assert!(ours.fields.iter().map(|&(.., offset)| Some(offset)).eq(their_offsets.iter().copied()));
    }

    #[test]
    fn the_numbers_are_those_of_the_other_crate() {
        macro_rules! same {
            ($($group:ident { $($name:ident,)+ })+) => {
                $($(assert_eq!(i64::from($name), other::$group::$name as i64, stringify!($name));)+)+
            };
        }
        same! {
            CUmemorytype {
                CU_MEMORYTYPE_HOST,
                CU_MEMORYTYPE_DEVICE,
                CU_MEMORYTYPE_ARRAY,
                CU_MEMORYTYPE_UNIFIED,
            }
            CUstream_flags { CU_STREAM_NON_BLOCKING, }
            CUevent_flags {
                CU_EVENT_BLOCKING_SYNC,
                CU_EVENT_DISABLE_TIMING,
            }
            CUdevice_attribute {
                CU_DEVICE_ATTRIBUTE_INTEGRATED,
                CU_DEVICE_ATTRIBUTE_COMPUTE_MODE,
                CU_DEVICE_ATTRIBUTE_PCI_BUS_ID,
                CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID,
                CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING,
                CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID,
                CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            }
            CUpointer_attribute {
                CU_POINTER_ATTRIBUTE_CONTEXT,
                CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
                CU_POINTER_ATTRIBUTE_HOST_POINTER,
                CU_POINTER_ATTRIBUTE_BUFFER_ID,
                CU_POINTER_ATTRIBUTE_IS_MANAGED,
                CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                CU_POINTER_ATTRIBUTE_RANGE_SIZE,
                CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE,
            }
        }
        assert_eq!(CU_MEMHOSTALLOC_PORTABLE, other::CU_MEMHOSTALLOC_PORTABLE);
        assert_eq!(CU_MEMHOSTALLOC_DEVICEMAP, other::CU_MEMHOSTALLOC_DEVICEMAP);
        assert_eq!(CU_MEMHOSTALLOC_WRITECOMBINED, other::CU_MEMHOSTALLOC_WRITECOMBINED);
        assert_eq!(CU_MEMHOSTREGISTER_PORTABLE, other::CU_MEMHOSTREGISTER_PORTABLE);
    }
}
