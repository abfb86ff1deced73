//! Registered and mapped memory of the client's.

use d264_double_common::Function;
use d264_double_common::bridge::Bridge;

use crate::driver::broke;
use crate::layout::Struct;
use crate::pixels::{FORMATS, row_bytes, span};
use crate::session::{Session, new_handle};
use crate::status::{
    INVALID_CALL, INVALID_PARAM, MAP_FAILED, RESOURCE_NOT_MAPPED, RESOURCE_NOT_REGISTERED,
    RESOURCE_REGISTER_FAILED, UNSUPPORTED_PARAM,
};
use crate::view::Address;

/// `NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR`.
const DEVICE_POINTER: u32 = 1;

/// Memory that was registered.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) address: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pitch: usize,
    pub(crate) format: u32,
}

impl Registration {
    /// The memory may be freed.
    pub(crate) fn let_go(&self, bridge: &Bridge) {
        (bridge.hold_memory)(self.address, -1);
    }
}

/// A registration that is mapped.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) registration: u64,
    pub(crate) in_flight: u32,
}

impl Session {
    pub(crate) fn register(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncRegisterResource;
        let config = self.config()?;
        let maximum = (config.max_width, config.max_height);
        let view = self.view(parameters, Struct::Register, FUNCTION)?;
        let refuse = |status: u32, rule: &str| Err(broke(FUNCTION, status, rule));
        if view.u32(4) != DEVICE_POINTER {
            return refuse(UNSUPPORTED_PARAM, "resourceType is not that of a CUDA device pointer");
        }
        let (width, height, pitch, address) =
            (view.u32(8), view.u32(12), view.u32(16) as usize, view.u64(24));
        let format = view.u32(40);
        if !FORMATS.contains(&format) {
            return refuse(UNSUPPORTED_PARAM, "bufferFormat is no format that goes in");
        }
        if view.u32(44) != 0 {
            return refuse(UNSUPPORTED_PARAM, "bufferUsage is not that of an input image");
        }
        if width == 0 || height == 0 || width > maximum.0 || height > maximum.1 {
            return refuse(INVALID_PARAM, "a resource is larger than the session's maximum");
        }
        if !pitch.is_multiple_of(4) || pitch < row_bytes(format, width as usize) {
            return refuse(INVALID_PARAM, "the pitch of a resource is no multiple of 4, or less than a row");
        }
        let found = (self.bridge.allocation)(address);
        match found.kind {
            1 => {}
            // The driver cannot map what comes from a pool; a client may find out by trying.
            2 => return Err(RESOURCE_REGISTER_FAILED),
            _ => {
                return refuse(RESOURCE_REGISTER_FAILED, "a resource is registered that is no device memory");
            }
        }
        let len = span(format, pitch, height as usize) as u64;
        // The last row need not reach the pitch.
        let slack = (pitch - row_bytes(format, width as usize)) as u64;
        if address + len - slack > found.base + found.len {
            return refuse(INVALID_PARAM, "a resource reaches past the end of its allocation");
        }
        if (self.bridge.device_of)(found.context) != (self.bridge.device_of)(self.context) {
            return refuse(RESOURCE_REGISTER_FAILED, "a resource lies on another GPU than the session");
        }
        (self.bridge.hold_memory)(address, 1);
        let handle = new_handle();
        self.registrations.insert(handle, Registration { address, width, height, pitch, format });
        view.set_u64(32, handle);
        Ok(())
    }

    pub(crate) fn unregister(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncUnregisterResource;
        if self.mappings.values().any(|mapping| mapping.registration == handle) {
            broke(FUNCTION, 0, "a resource is unregistered while it is mapped");
            return Err(INVALID_CALL);
        }
        let Some(registration) = self.registrations.remove(&handle) else {
            if self.given_back.contains(&handle) {
                return Err(RESOURCE_NOT_REGISTERED);
            }
            let rule = "a resource is unregistered that is not registered";
            return Err(broke(FUNCTION, RESOURCE_NOT_REGISTERED, rule));
        };
        registration.let_go(self.bridge);
        self.note_given_back(handle);
        Ok(())
    }

    pub(crate) fn map(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncMapInputResource;
        let view = self.view(parameters, Struct::Map, FUNCTION)?;
        let registration = view.u64(16);
        let Some(found) = self.registrations.get(&registration) else {
            return Err(broke(
                FUNCTION,
                RESOURCE_NOT_REGISTERED,
                "a resource is mapped that is not registered",
            ));
        };
        if self.mappings.values().any(|mapping| mapping.registration == registration) {
            return Err(broke(FUNCTION, MAP_FAILED, "a resource is mapped twice"));
        }
        view.set_u32(32, found.format);
        let handle = new_handle();
        self.mappings.insert(handle, Mapping { registration, in_flight: 0 });
        view.set_u64(24, handle);
        Ok(())
    }

    pub(crate) fn unmap(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncUnmapInputResource;
        let Some(mapping) = self.mappings.get(&handle) else {
            if self.given_back.contains(&handle) {
                return Err(RESOURCE_NOT_MAPPED);
            }
            return Err(broke(FUNCTION, RESOURCE_NOT_MAPPED, "a resource is unmapped that is not mapped"));
        };
        if mapping.in_flight > 0 {
            broke(FUNCTION, 0, "a resource is unmapped while its picture is in flight");
            self.encode_all();
        }
        self.mappings.remove(&handle);
        self.note_given_back(handle);
        Ok(())
    }
}
