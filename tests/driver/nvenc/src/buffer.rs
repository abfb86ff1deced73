//! Input buffers: the driver's own memory, which the client writes while it holds the lock.

use d264_double_common::Function;
use d264_double_common::pointer::Bytes;

use crate::driver::{broke, settings};
use crate::layout::Struct;
use crate::pixels::{FORMATS, row_bytes, span};
use crate::session::{Session, new_handle};
use crate::status::{INVALID_CALL, INVALID_PARAM, INVALID_PTR, LOCK_BUSY, UNSUPPORTED_PARAM};
use crate::view::Address;

/// Rows start this many bytes apart, or a multiple: rarely what the width is.
const PITCH: usize = 256;

/// An input buffer.
#[derive(Debug)]
pub(crate) struct InputBuffer {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: u32,
    pub(crate) pitch: usize,
    bytes: Box<[u8]>,
    pub(crate) locked: bool,
    /// Pictures that were submitted from it and not encoded.
    pub(crate) in_flight: u32,
    /// What was in it when the lock was given back.
    sealed: Option<u64>,
}

impl InputBuffer {
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::new(self.bytes.as_ptr() as usize, self.bytes.len())
    }

    /// Whether somebody wrote without the lock.
    pub(crate) fn was_touched(&self) -> bool {
        self.sealed.is_some_and(|hash| hash != self.bytes().hash())
    }
}

impl Session {
    pub(crate) fn create_input(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncCreateInputBuffer;
        let config = self.config()?;
        let (max_width, max_height) = (config.max_width, config.max_height);
        let view = self.view(parameters, Struct::CreateInput, FUNCTION)?;
        let (width, height, format) = (view.u32(4), view.u32(8), view.u32(16));
        if !FORMATS.contains(&format) {
            return Err(broke(FUNCTION, UNSUPPORTED_PARAM, "bufferFmt is no format that goes in"));
        }
        if width == 0
            || height == 0
            || width > max_width.next_multiple_of(64)
            || height > max_height.next_multiple_of(64)
        {
            return Err(broke(
                FUNCTION,
                INVALID_PARAM,
                "an input buffer is larger than the session's maximum",
            ));
        }
        let pitch = row_bytes(format, width as usize).next_multiple_of(PITCH);
        let bytes = vec![0; span(format, pitch, height as usize)].into_boxed_slice();
        let handle = new_handle();
        self.inputs.insert(
            handle,
            InputBuffer { width, height, format, pitch, bytes, locked: false, in_flight: 0, sealed: None },
        );
        view.set_u64(24, handle);
        Ok(())
    }

    pub(crate) fn destroy_input(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncDestroyInputBuffer;
        // FFmpeg gives back whole lists of buffers of which it made only some.
        if handle == 0 {
            return Err(INVALID_PTR);
        }
        let Some(buffer) = self.inputs.get(&handle) else {
            return Err(broke(FUNCTION, INVALID_PARAM, "an input buffer is destroyed that does not exist"));
        };
        if buffer.locked {
            broke(FUNCTION, 0, "an input buffer is destroyed while it is locked");
        }
        if buffer.in_flight > 0 {
            broke(FUNCTION, 0, "an input buffer is destroyed while its picture is in flight");
            self.encode_all();
        }
        self.inputs.remove(&handle);
        Ok(())
    }

    pub(crate) fn lock_input(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncLockInputBuffer;
        let view = self.view(parameters, Struct::LockInput, FUNCTION)?;
        let Some(buffer) = self.inputs.get_mut(&view.u64(8)) else {
            return Err(broke(FUNCTION, INVALID_PARAM, "an input buffer is locked that does not exist"));
        };
        if buffer.locked {
            return Err(broke(FUNCTION, INVALID_CALL, "an input buffer is locked twice"));
        }
        if buffer.in_flight > 0 {
            return Err(broke(
                FUNCTION,
                LOCK_BUSY,
                "an input buffer is locked while its picture is in flight",
            ));
        }
        buffer.locked = true;
        buffer.sealed = None;
        view.set_u64(16, buffer.bytes.as_mut_ptr() as u64);
        view.set_u32(24, u32::try_from(buffer.pitch).unwrap_or(0));
        Ok(())
    }

    pub(crate) fn unlock_input(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncUnlockInputBuffer;
        let Some(buffer) = self.inputs.get_mut(&handle).filter(|buffer| buffer.locked) else {
            return Err(broke(FUNCTION, INVALID_PARAM, "an input buffer is unlocked that is not locked"));
        };
        buffer.locked = false;
        if settings().thorough {
            buffer.sealed = Some(buffer.bytes().hash());
        }
        Ok(())
    }
}
