//! The status codes of `libcuda`: their meaning, and what to do about each.

crate::status::status_codes! {
    /// A status code of the CUDA driver.
    pub struct CUresult;

    0 CUDA_SUCCESS
        "the call succeeded", "nothing";
    1 CUDA_ERROR_INVALID_VALUE
        "an argument is out of range", "check the arguments of the call";
    2 CUDA_ERROR_OUT_OF_MEMORY
        "memory ran out", "free memory, or use another GPU";
    3 CUDA_ERROR_NOT_INITIALIZED
        "CUDA is not initialised in this process: after a fork, it cannot be",
        "start the process anew instead of forking it after CUDA was used";
    4 CUDA_ERROR_DEINITIALIZED
        "the driver is shutting down with the process", "make no more calls";
    34 CUDA_ERROR_STUB_LIBRARY
        "the library is a stub for linking, not a driver", "take the stub folder out of the library path";
    46 CUDA_ERROR_DEVICE_UNAVAILABLE
        "the device is in use by another process that wants it alone", "use another GPU, or wait";
    100 CUDA_ERROR_NO_DEVICE
        "there is no CUDA device", "check that nvidia-smi lists a GPU, and that the container was given one";
    101 CUDA_ERROR_INVALID_DEVICE
        "there is no device of this number", "use one of the numbers that are listed";
    102 CUDA_ERROR_DEVICE_NOT_LICENSED
        "the virtual GPU has no licence", "license the virtual GPU";
    201 CUDA_ERROR_INVALID_CONTEXT
        "there is no live context on this thread", "make the context current on the calling thread";
    202 CUDA_ERROR_CONTEXT_ALREADY_CURRENT
        "the context is current already", "pop what was pushed";
    205 CUDA_ERROR_MAP_FAILED
        "memory could not be mapped", "free memory, or use smaller buffers";
    206 CUDA_ERROR_UNMAP_FAILED
        "memory could not be unmapped", "make a new context";
    214 CUDA_ERROR_ECC_UNCORRECTABLE
        "the GPU's memory has an error that cannot be corrected",
        "make a new context, and have the GPU checked";
    216 CUDA_ERROR_CONTEXT_ALREADY_IN_USE
        "the context is in use by another thread", "use a context of its own for each thread";
    217 CUDA_ERROR_PEER_ACCESS_UNSUPPORTED
        "the two devices cannot reach each other's memory", "copy through host memory";
    220 CUDA_ERROR_NVLINK_UNCORRECTABLE
        "the link between GPUs has an error that cannot be corrected",
        "make a new context, and have it checked";
    304 CUDA_ERROR_OPERATING_SYSTEM
        "a call to the operating system failed", "look at the limits and device files of the process";
    400 CUDA_ERROR_INVALID_HANDLE
        "a handle is not valid", "use handles of this driver that are still alive";
    401 CUDA_ERROR_ILLEGAL_STATE
        "a handle is not in the state that the call needs", "make the calls in the documented order";
    500 CUDA_ERROR_NOT_FOUND
        "a named thing was not found", "check the name";
    600 CUDA_ERROR_NOT_READY
        "work is still running", "ask again later";
    700 CUDA_ERROR_ILLEGAL_ADDRESS
        "the GPU touched memory that is not there", "make a new context: this one is lost";
    701 CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
        "the GPU lacks resources for the work", "ask for less at once";
    702 CUDA_ERROR_LAUNCH_TIMEOUT
        "work on the GPU ran for too long", "make a new context: this one is lost";
    704 CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED
        "the two contexts reach each other already", "nothing";
    705 CUDA_ERROR_PEER_ACCESS_NOT_ENABLED
        "the two contexts do not reach each other", "enable access first";
    708 CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE
        "the primary context is live already", "set its flags before it is retained";
    709 CUDA_ERROR_CONTEXT_IS_DESTROYED
        "the context is destroyed", "make a new context";
    710 CUDA_ERROR_ASSERT
        "a kernel hit an assertion", "make a new context: this one is lost";
    711 CUDA_ERROR_TOO_MANY_PEERS
        "too many devices reach each other", "copy through host memory";
    712 CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED
        "the host memory is page-locked already", "use it as it is";
    713 CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED
        "the host memory is not page-locked", "unregister only what was registered, and once";
    714 CUDA_ERROR_HARDWARE_STACK_ERROR
        "a kernel overran the GPU's stack", "make a new context: this one is lost";
    715 CUDA_ERROR_ILLEGAL_INSTRUCTION
        "a kernel holds an illegal instruction", "make a new context: this one is lost";
    716 CUDA_ERROR_MISALIGNED_ADDRESS
        "a kernel used an address that is not aligned", "make a new context: this one is lost";
    717 CUDA_ERROR_INVALID_ADDRESS_SPACE
        "a kernel used an address of another space", "make a new context: this one is lost";
    718 CUDA_ERROR_INVALID_PC
        "a kernel jumped out of its code", "make a new context: this one is lost";
    719 CUDA_ERROR_LAUNCH_FAILED
        "work on the GPU failed", "make a new context: this one is lost";
    800 CUDA_ERROR_NOT_PERMITTED
        "the call is not permitted here", "look at the permissions of the process";
    801 CUDA_ERROR_NOT_SUPPORTED
        "the device or system does not support this", "do without it";
    802 CUDA_ERROR_SYSTEM_NOT_READY
        "the system is not ready for CUDA yet", "start the NVIDIA services, then try again";
    803 CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        "the driver libraries and the kernel module are of different versions",
        "use the libraries of the kernel module's version; after an update, reboot";
    804 CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE
        "the forward-compatibility package does not serve this GPU",
        "take the compatibility library out of the library path";
    805 CUDA_ERROR_MPS_CONNECTION_FAILED
        "the multi-process service cannot be reached", "start it, or stop using it";
    806 CUDA_ERROR_MPS_RPC_FAILURE
        "the multi-process service failed", "restart it";
    807 CUDA_ERROR_MPS_SERVER_NOT_READY
        "the multi-process service is not ready", "try again";
    808 CUDA_ERROR_MPS_MAX_CLIENTS_REACHED
        "the multi-process service has no room for another client", "close a client";
    809 CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED
        "the multi-process service has no room for another connection", "close a client";
    810 CUDA_ERROR_MPS_CLIENT_TERMINATED
        "the multi-process service ended this client", "start the process anew";
    900 CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
        "the stream is being captured, which does not allow this", "end the capture first";
    901 CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
        "the capture of the stream went wrong earlier", "end the capture first";
    906 CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
        "the call would depend on the capture of another stream", "use streams that do not block each other";
    909 CUDA_ERROR_TIMEOUT
        "the wait passed its limit", "try again";
    911 CUDA_ERROR_EXTERNAL_DEVICE
        "a device outside CUDA failed", "make a new context";
    999 CUDA_ERROR_UNKNOWN
        "the driver failed for a reason it does not give", "look at the kernel log";
}

impl CUresult {
    /// Whether NVIDIA documents that this status ends the context. Every later call on the context then fails
    /// too, its memory cannot be read any more, and a new context is needed. Such an error can come from work
    /// that any user of the context gave to the GPU long before the call that returns it.
    #[must_use]
    pub const fn ends_the_context(self) -> bool {
        matches!(
            self,
            CUDA_ERROR_DEINITIALIZED
                | CUDA_ERROR_ECC_UNCORRECTABLE
                | CUDA_ERROR_NVLINK_UNCORRECTABLE
                | CUDA_ERROR_ILLEGAL_ADDRESS
                | CUDA_ERROR_LAUNCH_TIMEOUT
                | CUDA_ERROR_CONTEXT_IS_DESTROYED
                | CUDA_ERROR_ASSERT
                | CUDA_ERROR_HARDWARE_STACK_ERROR
                | CUDA_ERROR_ILLEGAL_INSTRUCTION
                | CUDA_ERROR_MISALIGNED_ADDRESS
                | CUDA_ERROR_INVALID_ADDRESS_SPACE
                | CUDA_ERROR_INVALID_PC
                | CUDA_ERROR_LAUNCH_FAILED
                | CUDA_ERROR_MPS_CLIENT_TERMINATED
                | CUDA_ERROR_EXTERNAL_DEVICE
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_the_context_is_told_from_what_does_not() {
        assert!(CUDA_ERROR_ILLEGAL_ADDRESS.ends_the_context());
        for fine in [CUDA_SUCCESS, CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_NOT_READY, CUresult(u32::MAX)] {
            assert!(!fine.ends_the_context(), "{fine}");
        }
    }
}
