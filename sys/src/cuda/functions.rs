//! The functions of `libcuda` that an encoder needs, each returning its status as a number.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

use super::types::{CUDA_MEMCPY2D, CUcontext, CUdevice, CUdeviceptr, CUevent, CUstream};
use crate::load::{LoaderMessage, Missing};

/// Declares the function table. Where the driver does not export a required function whose name is followed by
/// `or`, the second name is looked for: older drivers have the same function without the suffix.
macro_rules! functions {
    (
        required {$(
            $(#[$about:meta])*
            $name:ident($($argument:ident: $type:ty),*) $(or $older:ident)?;
        )+}
        optional {$(
            $(#[$optional_about:meta])*
            $optional:ident($($optional_argument:ident: $optional_type:ty),*);
        )+}
    ) => {
        /// The functions of one CUDA driver, sorted into required and optional.
        ///
        /// Each function is `unsafe` to call: NVIDIA's documentation of the CUDA driver API states its
        /// contract. All return a [`super::CUresult`] as a number.
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct Functions {
            $($(#[$about])* pub $name: unsafe extern "system" fn($($argument: $type),*) -> u32,)+
            $(
                $(#[$optional_about])*
                pub $optional:
                    Option<unsafe extern "system" fn($($optional_argument: $optional_type),*) -> u32>,
            )+
        }

        impl Functions {
            /// Fills the table by asking `resolve` for the address of each name.
            pub(super) fn find(
                mut resolve: impl FnMut(&'static CStr) -> Result<NonNull<c_void>, LoaderMessage>,
            ) -> Result<Self, Missing> {
                Ok(Self {
                    $($name: {
                        let found = resolve(c_name(concat!(stringify!($name), "\0")));
                        $(let found = found.or_else(|_| resolve(c_name(concat!(stringify!($older), "\0"))));)?
                        let address = found.map_err(|said| (stringify!($name), said))?;
                        // SAFETY: whoever resolves the name promises that a function of this name has the
                        // signature that the CUDA driver API gives it, which is the one in this table.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "system" fn($($argument: $type),*) -> u32,
                            >(address.as_ptr())
                        }
                    },)+
                    $($optional: resolve(c_name(concat!(stringify!($optional), "\0"))).ok().map(|address| {
                        // SAFETY: as above.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "system" fn($($optional_argument: $optional_type),*) -> u32,
                            >(address.as_ptr())
                        }
                    }),)+
                })
            }
        }

        /// A driver whose functions all give the same answer.
        #[cfg(test)]
        pub(super) mod fake {
            use super::*;
            use crate::fake::FakeAnswer;

            $(pub(crate) unsafe extern "system" fn $name($(_: $type),*) -> u32 { FakeAnswer::given() })+
            $(
                pub(crate) unsafe extern "system" fn $optional($(_: $optional_type),*) -> u32 {
                    FakeAnswer::given()
                }
            )+

            pub(crate) const REQUIRED: &[&str] = &[$(stringify!($name),)+];
            pub(crate) const OPTIONAL: &[&str] = &[$(stringify!($optional),)+];
            /// Required names with the older name that serves as well.
            pub(crate) const OLDER: &[(&str, &str)] = &[$($((stringify!($name), stringify!($older)),)?)+];

            /// The address of the fake function of this name.
            pub(crate) fn address(name: &CStr) -> Result<NonNull<c_void>, LoaderMessage> {
                let name = name.to_str().expect("the names are ASCII");
                let address = match name {
                    $(stringify!($name) => $name as *mut c_void,)+
                    $($(stringify!($older) => $name as *mut c_void,)?)+
                    $(stringify!($optional) => $optional as *mut c_void,)+
                    _ => std::ptr::null_mut(),
                };
                NonNull::new(address).ok_or_else(|| LoaderMessage(format!("no {name} here")))
            }

            /// Calls each function once with zeros for arguments, and returns the names with the answers.
            pub(crate) fn call_each(functions: &Functions) -> Vec<(&'static str, Option<u32>)> {
                vec![
                    $((stringify!($name), {
                        // SAFETY: the function is the fake above, which ignores its arguments; zeros are
                        // valid for every argument type here.
                        Some(unsafe { (functions.$name)($(std::mem::zeroed::<$type>()),*) })
                    }),)+
                    $((stringify!($optional), functions.$optional.map(|function| {
                        // SAFETY: as above.
                        unsafe { function($(std::mem::zeroed::<$optional_type>()),*) }
                    })),)+
                ]
            }
        }
    };
}

/// The name as a C string. The macro above ends every name with its only zero byte.
const fn c_name(with_zero: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(with_zero.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

functions! {
    required {
        /// Initialises CUDA in this process. Call it through [`super::Driver::initialise`].
        cuInit(flags: u32);
        /// The CUDA version of the driver, 1000 times the major and 10 times the minor; works without
        /// `cuInit` and proves nothing about a GPU.
        cuDriverGetVersion(version: *mut i32);
        /// The number of devices.
        cuDeviceGetCount(count: *mut i32);
        /// A device by its index.
        cuDeviceGet(device: *mut CUdevice, index: i32);
        /// The name of a device, with its final zero, in at most `length` bytes.
        cuDeviceGetName(name: *mut c_char, length: i32, device: CUdevice);
        /// One of the `CU_DEVICE_ATTRIBUTE_*`.
        cuDeviceGetAttribute(value: *mut i32, attribute: i32, device: CUdevice);
        /// Memory of a device, in bytes.
        cuDeviceTotalMem_v2(bytes: *mut usize, device: CUdevice);
        /// Retains the primary context of a device: makes it live, or counts one more user of it.
        cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice);
        /// Releases the primary context of a device: counts one user of it less.
        cuDevicePrimaryCtxRelease_v2(device: CUdevice) or cuDevicePrimaryCtxRelease;
        /// The flags of a primary context, and whether it is live.
        cuDevicePrimaryCtxGetState(device: CUdevice, flags: *mut u32, active: *mut i32);
        /// Makes a context the current one of this thread.
        cuCtxPushCurrent_v2(context: CUcontext);
        /// Pops the current context of this thread.
        cuCtxPopCurrent_v2(context: *mut CUcontext);
        /// The current context of this thread, or null.
        cuCtxGetCurrent(context: *mut CUcontext);
        /// The device of the current context.
        cuCtxGetDevice(device: *mut CUdevice);
        /// Allocates `size` bytes of device memory.
        cuMemAlloc_v2(address: *mut CUdeviceptr, size: usize);
        /// Allocates device memory in rows; the driver chooses the pitch. `element_bytes` is 4, 8 or 16.
        cuMemAllocPitch_v2(
            address: *mut CUdeviceptr,
            pitch: *mut usize,
            row_bytes: usize,
            rows: usize,
            element_bytes: u32
        );
        /// Frees device memory.
        cuMemFree_v2(address: CUdeviceptr);
        /// Allocates page-locked host memory.
        cuMemHostAlloc(address: *mut *mut c_void, size: usize, flags: u32);
        /// Frees page-locked host memory.
        cuMemFreeHost(address: *mut c_void);
        /// Copies rows, and waits.
        cuMemcpy2D_v2(copy: *const CUDA_MEMCPY2D);
        /// Copies rows, in the order of a stream.
        cuMemcpy2DAsync_v2(copy: *const CUDA_MEMCPY2D, stream: CUstream);
        /// Copies from host to device, in the order of a stream.
        cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, size: usize, stream: CUstream);
        /// Copies from device to host, in the order of a stream.
        cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, size: usize, stream: CUstream);
        /// Copies within device memory, in the order of a stream.
        cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, size: usize, stream: CUstream);
        /// Makes a stream.
        cuStreamCreate(stream: *mut CUstream, flags: u32);
        /// Destroys a stream; what is in it runs to its end.
        cuStreamDestroy_v2(stream: CUstream);
        /// Waits until all of a stream has run.
        cuStreamSynchronize(stream: CUstream);
        /// Tells whether all of a stream has run: 0, or [`super::CUDA_ERROR_NOT_READY`].
        cuStreamQuery(stream: CUstream);
        /// Makes a stream wait for an event.
        cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: u32);
        /// Makes an event.
        cuEventCreate(event: *mut CUevent, flags: u32);
        /// Records an event on a stream.
        cuEventRecord(event: CUevent, stream: CUstream);
        /// Tells whether an event has come to pass: 0, or [`super::CUDA_ERROR_NOT_READY`].
        cuEventQuery(event: CUevent);
        /// Waits for an event.
        cuEventSynchronize(event: CUevent);
        /// Destroys an event.
        cuEventDestroy_v2(event: CUevent);
        /// One of the `CU_POINTER_ATTRIBUTE_*` of an address.
        cuPointerGetAttribute(value: *mut c_void, attribute: i32, address: CUdeviceptr);
        /// Several of the `CU_POINTER_ATTRIBUTE_*` of an address. For an address that CUDA does not know, the call
        /// succeeds and writes zeros.
        cuPointerGetAttributes(
            count: u32,
            attributes: *mut i32,
            values: *mut *mut c_void,
            address: CUdeviceptr
        );
        /// The name of a status. For a status that the driver does not know, the call fails and sets the pointer
        /// to null.
        cuGetErrorName(status: u32, name: *mut *const c_char);
        /// The text of a status. For a status that the driver does not know, the call fails and sets the pointer
        /// to null.
        cuGetErrorString(status: u32, text: *mut *const c_char);
    }
    optional {
        /// The UUID of a device, or of the MIG instance that stands for it. Since CUDA 11.4.
        cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: CUdevice);
        /// The UUID of a device.
        cuDeviceGetUuid(uuid: *mut [u8; 16], device: CUdevice);
        /// The PCI address of a device as text, with its final zero, in at most `length` bytes.
        cuDeviceGetPCIBusId(text: *mut c_char, length: i32, device: CUdevice);
        /// Tells whether a device can reach the memory of another.
        cuDeviceCanAccessPeer(can: *mut i32, device: CUdevice, peer: CUdevice);
        /// Waits until all of the current context has run.
        cuCtxSynchronize();
        /// The least and the greatest stream priority; the greatest is the lower number.
        cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32);
        /// Makes a stream with a priority.
        cuStreamCreateWithPriority(stream: *mut CUstream, flags: u32, priority: i32);
        /// The context of a stream.
        cuStreamGetCtx(stream: CUstream, context: *mut CUcontext);
        /// Time between two events, in milliseconds.
        cuEventElapsedTime(milliseconds: *mut f32, start: CUevent, end: CUevent);
        /// Page-locks host memory of the caller.
        cuMemHostRegister_v2(address: *mut c_void, size: usize, flags: u32);
        /// Unlocks host memory of the caller.
        cuMemHostUnregister(address: *mut c_void);
        /// The address at which the device sees page-locked host memory.
        cuMemHostGetDevicePointer_v2(device: *mut CUdeviceptr, host: *mut c_void, flags: u32);
        /// The allocation that an address lies in: its start, and its size in bytes.
        cuMemGetAddressRange_v2(start: *mut CUdeviceptr, size: *mut usize, address: CUdeviceptr);
        /// Free and total memory of the current device, in bytes.
        cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
        /// Copies between the memory of two contexts, in the order of a stream.
        cuMemcpyPeerAsync(
            to: CUdeviceptr,
            to_context: CUcontext,
            from: CUdeviceptr,
            from_context: CUcontext,
            size: usize,
            stream: CUstream
        );
        /// Sets rows of bytes to a value, in the order of a stream.
        cuMemsetD2D8Async(
            to: CUdeviceptr,
            pitch: usize,
            value: u8,
            row_bytes: usize,
            rows: usize,
            stream: CUstream
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_hands_on_codes_that_no_table_knows() {
        let functions = Functions::find(fake::address).expect("a whole driver");
        for code in [0, 1, 27, 1000, 0x8000_0000, u32::MAX] {
            let answers = crate::fake::with_answer(code, || fake::call_each(&functions));
            assert_eq!(answers.len(), fake::REQUIRED.len() + fake::OPTIONAL.len());
            assert!(answers.iter().all(|&(_, answer)| answer == Some(code)), "{answers:?}");
        }
    }

    #[test]
    fn a_required_function_that_is_missing_is_named_with_the_loaders_words() {
        for &missing in fake::REQUIRED {
            if fake::OLDER.iter().any(|&(name, _)| name == missing) {
                continue;
            }
            let without = |name: &'static CStr| match name.to_str() == Ok(missing) {
                true => Err(LoaderMessage("undefined symbol".to_owned())),
                false => fake::address(name),
            };
            let (symbol, said) = Functions::find(without).expect_err("one is missing");
            assert_eq!((symbol, said.0.as_str()), (missing, "undefined symbol"));
        }
    }

    #[test]
    fn an_older_name_serves_and_without_both_the_newer_one_is_named() {
        let older_only = |name: &'static CStr| match name.to_bytes() {
            b"cuDevicePrimaryCtxRelease_v2" => Err(LoaderMessage(String::new())),
            _ => fake::address(name),
        };
        assert!(Functions::find(older_only).is_ok());
        let neither = |name: &'static CStr| match name.to_bytes().starts_with(b"cuDevicePrimaryCtxRelease") {
            true => Err(LoaderMessage(String::new())),
            false => fake::address(name),
        };
        let (symbol, _) = Functions::find(neither).expect_err("both are missing");
        assert_eq!(symbol, "cuDevicePrimaryCtxRelease_v2");
    }

    #[test]
    fn an_optional_function_that_is_missing_is_a_value() {
        let required_only = |name: &'static CStr| match fake::OPTIONAL.iter().any(|o| name.to_str() == Ok(o))
        {
            true => Err(LoaderMessage(String::new())),
            false => fake::address(name),
        };
        let functions = Functions::find(required_only).expect("the required ones are there");
        let absent = fake::call_each(&functions).into_iter().filter(|(_, answer)| answer.is_none());
        assert!(absent.map(|(name, _)| name).eq(fake::OPTIONAL.iter().copied()));
    }
}
