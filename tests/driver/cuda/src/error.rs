//! CUDA's error codes: those the double answers with, and the names it knows.

pub(crate) const INVALID_VALUE: u32 = 1;
pub(crate) const OUT_OF_MEMORY: u32 = 2;
pub(crate) const NOT_INITIALIZED: u32 = 3;
pub(crate) const NO_DEVICE: u32 = 100;
pub(crate) const INVALID_DEVICE: u32 = 101;
pub(crate) const INVALID_CONTEXT: u32 = 201;
pub(crate) const INVALID_HANDLE: u32 = 400;
pub(crate) const NOT_FOUND: u32 = 500;
pub(crate) const NOT_READY: u32 = 600;
pub(crate) const PEER_ACCESS_ALREADY_ENABLED: u32 = 704;
pub(crate) const PEER_ACCESS_NOT_ENABLED: u32 = 705;
pub(crate) const CONTEXT_IS_DESTROYED: u32 = 709;
pub(crate) const HOST_MEMORY_ALREADY_REGISTERED: u32 = 712;
pub(crate) const HOST_MEMORY_NOT_REGISTERED: u32 = 713;
pub(crate) const NOT_SUPPORTED: u32 = 801;
pub(crate) const UNKNOWN: u32 = 999;

/// Errors that leave a context unusable: every later call in it answers the same.
pub(crate) const fn is_sticky(code: u32) -> bool {
    matches!(code, 214 | 220 | 700 | 702 | 710 | 714..=719)
}

/// Name and text of a code, each with its terminating zero.
pub(crate) fn describe(code: u32) -> Option<(&'static str, &'static str)> {
    let text = match code {
        0 => ("CUDA_SUCCESS\0", "no error\0"),
        1 => ("CUDA_ERROR_INVALID_VALUE\0", "invalid argument\0"),
        2 => ("CUDA_ERROR_OUT_OF_MEMORY\0", "out of memory\0"),
        3 => ("CUDA_ERROR_NOT_INITIALIZED\0", "initialization error\0"),
        4 => ("CUDA_ERROR_DEINITIALIZED\0", "driver shutting down\0"),
        34 => ("CUDA_ERROR_STUB_LIBRARY\0", "CUDA driver is a stub library\0"),
        46 => ("CUDA_ERROR_DEVICE_UNAVAILABLE\0", "CUDA-capable device(s) is/are busy or unavailable\0"),
        100 => ("CUDA_ERROR_NO_DEVICE\0", "no CUDA-capable device is detected\0"),
        101 => ("CUDA_ERROR_INVALID_DEVICE\0", "invalid device ordinal\0"),
        201 => ("CUDA_ERROR_INVALID_CONTEXT\0", "invalid device context\0"),
        214 => ("CUDA_ERROR_ECC_UNCORRECTABLE\0", "uncorrectable ECC error encountered\0"),
        400 => ("CUDA_ERROR_INVALID_HANDLE\0", "invalid resource handle\0"),
        500 => ("CUDA_ERROR_NOT_FOUND\0", "named symbol not found\0"),
        600 => ("CUDA_ERROR_NOT_READY\0", "device not ready\0"),
        700 => ("CUDA_ERROR_ILLEGAL_ADDRESS\0", "an illegal memory access was encountered\0"),
        702 => ("CUDA_ERROR_LAUNCH_TIMEOUT\0", "the launch timed out and was terminated\0"),
        704 => ("CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED\0", "peer access is already enabled\0"),
        705 => ("CUDA_ERROR_PEER_ACCESS_NOT_ENABLED\0", "peer access has not been enabled\0"),
        709 => ("CUDA_ERROR_CONTEXT_IS_DESTROYED\0", "context is destroyed\0"),
        712 => (
            "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED\0",
            "part or all of the memory is already page-locked\0",
        ),
        713 => ("CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED\0", "the memory is not page-locked\0"),
        716 => ("CUDA_ERROR_MISALIGNED_ADDRESS\0", "misaligned address\0"),
        719 => ("CUDA_ERROR_LAUNCH_FAILED\0", "unspecified launch failure\0"),
        801 => ("CUDA_ERROR_NOT_SUPPORTED\0", "operation not supported\0"),
        803 => (
            "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\0",
            "system has unsupported display driver / cuda driver combination\0",
        ),
        999 => ("CUDA_ERROR_UNKNOWN\0", "unknown error\0"),
        _ => return None,
    };
    Some(text)
}
