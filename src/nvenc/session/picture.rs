//! The driver calls of one picture: submit, lock, copy out, unlock.
#![expect(unsafe_code, reason = "pictures are submitted and read by calls of the driver")]

use std::time::Duration;

use direct264_sys::nvenc::{
    ApiVersion, NV_ENC_ERR_NEED_MORE_INPUT, NV_ENC_LOCK_BITSTREAM, NV_ENC_PIC_FLAG_FORCEIDR,
    NV_ENC_PIC_FLAG_OUTPUT_SPSPPS, NV_ENC_PIC_PARAMS, NV_ENC_PIC_STRUCT_FRAME, NVENCSTATUS,
};

use super::next::Next;
use super::{Session, no_such_slot};
use crate::access_unit::UnitBuffer;
use crate::backend::Backend;
use crate::error::{DriverError, Error};
use crate::nvenc::output;
use crate::nvenc::slot::{Input, Slot};

/// The driver's parameters of a picture. The common part is written once, since the struct has 3 KB. Each picture sets
/// its own fields anew.
#[derive(Debug)]
pub(super) struct PictureParams(Box<NV_ENC_PIC_PARAMS>);

// SAFETY: plain data. Its pointers are handles of the driver's, which nothing here follows.
unsafe impl Send for PictureParams {}

impl PictureParams {
    pub(super) fn new(api: ApiVersion) -> Self {
        let mut params = Box::new(NV_ENC_PIC_PARAMS::versioned(api));
        params.pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
        Self(params)
    }
}

/// A locked output buffer, until the unlock.
#[derive(Debug)]
pub(super) struct Locked {
    start: *const u8,
    bytes: usize,
    timestamp: u64,
    picture_type: u32,
    pub(super) qp: u32,
}

/// The access unit of one picture, in memory that the caller uses again, and the times of the session's stages.
#[derive(Debug, Default)]
pub(in crate::nvenc) struct Output {
    pub(in crate::nvenc) buffer: UnitBuffer,
    pub(in crate::nvenc) is_idr: bool,
    pub(in crate::nvenc) is_droppable: bool,
    pub(in crate::nvenc) qp: u32,
    pub(in crate::nvenc) upload: Duration,
    pub(in crate::nvenc) submit: Duration,
    pub(in crate::nvenc) wait: Duration,
    pub(in crate::nvenc) copy: Duration,
}

impl Session {
    /// Submits the picture in `input`, whose access unit goes to the output buffer of `slot`.
    pub(super) fn submit_picture(&mut self, slot: usize, input: Input, next: &Next) -> Result<(), Error> {
        const CALL: &str = "nvEncEncodePicture";
        let &Next { is_idr, refresh_frames, .. } = next;
        let params = &mut *self.picture.0;
        let target = self.slots.get(slot).ok_or_else(no_such_slot)?;
        (params.inputWidth, params.inputHeight) = (input.size.width(), input.size.height());
        params.inputPitch = input.pitch;
        params.inputBuffer = input.handle;
        params.bufferFmt = input.format;
        params.outputBitstream = target.bitstream.handle();
        target.completion.name_in(params);
        params.inputTimeStamp = self.pictures;
        params.encodePicFlags =
            if is_idr { NV_ENC_PIC_FLAG_FORCEIDR | NV_ENC_PIC_FLAG_OUTPUT_SPSPPS } else { 0 };
        // The struct is kept between pictures, so each picture sets this field.
        params.codecPicParams.h264PicParams.forceIntraRefreshWithFrameCnt = refresh_frames;
        let params = &raw mut *params;
        let status = self.patiently(|open| {
            // SAFETY: the session is open; `params` is whole, of its version, lives in `self` and is not used
            // elsewhere meanwhile. The input is mapped and the output buffer made by this session, and both live as
            // long as it does.
            NVENCSTATUS(unsafe { (open.functions().nvEncEncodePicture)(open.handle(), params) })
        });
        if status == NV_ENC_ERR_NEED_MORE_INPUT {
            // NV_ENC_ERR_NEED_MORE_INPUT counts as a success of the driver: the access unit comes with a later
            // picture. The settings rule that out and the contract forbids it.
            self.unfinished = true;
            let what = "the driver holds the picture back until the next one";
            return Err(DriverError::refused(Backend::Nvenc, CALL, status.0, what).into());
        }
        self.open.check(CALL, status.0)?;
        if let Some(target) = self.slots.get_mut(slot) {
            target.completion.submitted();
        }
        self.pictures += 1;
        self.unfinished = true;
        Ok(())
    }

    /// Waits for the picture of a slot, and locks its output.
    pub(super) fn lock(&mut self, slot: usize) -> Result<Locked, Error> {
        let Self { slots, open, .. } = self;
        let Slot { bitstream, completion, .. } = slots.get_mut(slot).ok_or_else(no_such_slot)?;
        completion.wait()?;
        let mut params = NV_ENC_LOCK_BITSTREAM::versioned(open.api());
        params.outputBitstream = bitstream.handle();
        completion.shape_lock(&mut params);
        let status = open.patiently(|| {
            // SAFETY: the session is open; `params` is whole, of its version and as long as any version writes, and
            // lives through the call; the output buffer is this session's.
            NVENCSTATUS(unsafe { (open.functions().nvEncLockBitstream)(open.handle(), &raw mut params) })
        });
        open.check("nvEncLockBitstream", status.0)?;
        bitstream.is_locked = true;
        Ok(Locked {
            start: params.bitstreamBufferPtr.cast(),
            bytes: params.bitstreamSizeInBytes as usize,
            timestamp: params.outputTimeStamp,
            picture_type: params.pictureType,
            qp: params.frameAvgQP,
        })
    }

    /// Copies the access unit of the picture with this number out of the locked buffer.
    pub(super) fn take(
        &self,
        slot: usize,
        locked: &Locked,
        number: u64,
        is_idr: bool,
        out: &mut Output,
    ) -> Result<(), Error> {
        let refused = |what: &str| {
            let what = format!("{what} (picture type {}, slot {slot})", locked.picture_type);
            Error::from(DriverError::unusable(Backend::Nvenc, "nvEncLockBitstream", what))
        };
        let stream = if locked.start.is_null() || locked.bytes == 0 {
            &[]
        } else {
            // SAFETY: while the output buffer is locked, the driver lends so many bytes from there and does not write
            // to them. The bytes are not used after the unlock that follows this function.
            unsafe { std::slice::from_raw_parts(locked.start, locked.bytes) }
        };
        let contents =
            output::take(stream, &mut out.buffer.bytes, &mut out.buffer.nal_ranges).map_err(refused)?;
        if locked.timestamp != number {
            return Err(refused("the access unit of another picture"));
        }
        if is_idr && !contents.is_idr {
            return Err(refused("a picture that is no IDR where one was asked for"));
        }
        (out.is_idr, out.is_droppable) = (contents.is_idr, contents.is_droppable());
        Ok(())
    }

    /// Unlocks the output of a slot if it is locked.
    pub(super) fn unlock(&mut self, slot: usize) -> Result<(), Error> {
        let Self { slots, open, .. } = self;
        let bitstream = &mut slots.get_mut(slot).ok_or_else(no_such_slot)?.bitstream;
        if !bitstream.is_locked {
            return Ok(());
        }
        let handle = bitstream.handle();
        let status = open.patiently(|| {
            // SAFETY: the session is open, and the output buffer its own and locked.
            NVENCSTATUS(unsafe { (open.functions().nvEncUnlockBitstream)(open.handle(), handle) })
        });
        open.check("nvEncUnlockBitstream", status.0)?;
        bitstream.is_locked = false;
        Ok(())
    }
}
