//! `NV_ENC_ERR_*`: the answers.

pub(crate) const UNSUPPORTED_DEVICE: u32 = 2;
pub(crate) const INVALID_ENCODERDEVICE: u32 = 3;
pub(crate) const INVALID_DEVICE: u32 = 4;
pub(crate) const INVALID_PTR: u32 = 6;
pub(crate) const INVALID_EVENT: u32 = 7;
pub(crate) const INVALID_PARAM: u32 = 8;
pub(crate) const INVALID_CALL: u32 = 9;
pub(crate) const OUT_OF_MEMORY: u32 = 10;
pub(crate) const ENCODER_NOT_INITIALIZED: u32 = 11;
pub(crate) const UNSUPPORTED_PARAM: u32 = 12;
pub(crate) const LOCK_BUSY: u32 = 13;
pub(crate) const NOT_ENOUGH_BUFFER: u32 = 14;
pub(crate) const INVALID_VERSION: u32 = 15;
pub(crate) const MAP_FAILED: u32 = 16;
pub(crate) const NEED_MORE_INPUT: u32 = 17;
pub(crate) const ENCODER_BUSY: u32 = 18;
pub(crate) const EVENT_NOT_REGISTERED: u32 = 19;
pub(crate) const GENERIC: u32 = 20;
pub(crate) const UNIMPLEMENTED: u32 = 22;
pub(crate) const RESOURCE_REGISTER_FAILED: u32 = 23;
pub(crate) const RESOURCE_NOT_REGISTERED: u32 = 24;
pub(crate) const RESOURCE_NOT_MAPPED: u32 = 25;
