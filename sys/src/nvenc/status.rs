//! The status codes of the encode library: their meaning, and what to do about each.

crate::status::status_codes! {
    /// A status code of the encode library.
    pub struct NVENCSTATUS;

    0 NV_ENC_SUCCESS
        "the call succeeded", "nothing";
    1 NV_ENC_ERR_NO_ENCODE_DEVICE
        "there is no device that can encode", "use another GPU or another encoder";
    2 NV_ENC_ERR_UNSUPPORTED_DEVICE
        "this device cannot encode, or it cannot be reached from here",
        "in a container, hand in every GPU of the host; A100, A30, H100, H200, B200 and some laptop parts have no encoder: take a GPU with NVENC, such as T4, L4, L40S or A10";
    3 NV_ENC_ERR_INVALID_ENCODERDEVICE
        "the session handle is not one", "open a session and use its handle";
    4 NV_ENC_ERR_INVALID_DEVICE
        "the device handle is not one", "pass a live CUDA context";
    5 NV_ENC_ERR_DEVICE_NOT_EXIST
        "the device has gone away", "destroy the session and open one on a new context";
    6 NV_ENC_ERR_INVALID_PTR
        "a pointer is null or not valid", "pass a pointer to a live struct or buffer";
    7 NV_ENC_ERR_INVALID_EVENT
        "the completion event is not valid", "pass a registered event, or none";
    8 NV_ENC_ERR_INVALID_PARAM
        "a setting is not valid", "compare the settings with the capabilities of the GPU";
    9 NV_ENC_ERR_INVALID_CALL
        "the call came out of order", "make the calls in the documented order";
    10 NV_ENC_ERR_OUT_OF_MEMORY
        "memory ran out, or the session limit of the system is reached",
        "close other encoders on this machine or free GPU memory; a data-centre GPU has no session limit";
    11 NV_ENC_ERR_ENCODER_NOT_INITIALIZED
        "the session is not initialised", "initialise the session first";
    12 NV_ENC_ERR_UNSUPPORTED_PARAM
        "a setting is not supported by this GPU", "compare the settings with the capabilities of the GPU";
    13 NV_ENC_ERR_LOCK_BUSY
        "the output is still being written", "try again in a few milliseconds";
    14 NV_ENC_ERR_NOT_ENOUGH_BUFFER
        "the buffer is too small", "pass a larger buffer";
    15 NV_ENC_ERR_INVALID_VERSION
        "a struct's version word is not the one that the driver expects",
        "open the session again: another part of the process may have changed the API version";
    16 NV_ENC_ERR_MAP_FAILED
        "the input could not be mapped", "check that the memory is still allocated and its context alive";
    17 NV_ENC_ERR_NEED_MORE_INPUT
        "the picture was taken in and gives no output yet", "send the next picture before reading";
    18 NV_ENC_ERR_ENCODER_BUSY
        "the encoder is busy", "try again in a few milliseconds";
    19 NV_ENC_ERR_EVENT_NOT_REGISTERD
        "the completion event is not registered", "register the event first";
    20 NV_ENC_ERR_GENERIC
        "the driver failed for a reason it does not give", "open another session";
    21 NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY
        "the system's licence does not allow it: on opening, the session limit is reached",
        "close other encoders on this machine, or take a data-centre GPU, which has no limit";
    22 NV_ENC_ERR_UNIMPLEMENTED
        "the driver does not implement this", "do without this feature";
    23 NV_ENC_ERR_RESOURCE_REGISTER_FAILED
        "the memory could not be registered",
        "register memory that was allocated in the session's context, not in a stream-ordered pool";
    24 NV_ENC_ERR_RESOURCE_NOT_REGISTERED
        "the memory is not registered", "unregister only what was registered, and once";
    25 NV_ENC_ERR_RESOURCE_NOT_MAPPED
        "the memory is not mapped", "unmap only what was mapped, and once";
    26 NV_ENC_ERR_NEED_MORE_OUTPUT
        "the driver needs one more output buffer", "call again with another output buffer";
}
