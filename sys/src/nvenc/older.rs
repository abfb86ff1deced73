//! Zeroes the fields that an older API version does not know.
//!
//! The structs have the layout of API 12.1. Under an older struct word some of their fields are reserved and
//! have to be zero, or belong to another field. Each function here sets exactly these fields to zero and leaves
//! the rest alone; with 12.1 it changes nothing.

use super::version::ApiVersion;
use super::{
    NV_ENC_CONFIG, NV_ENC_CONFIG_H264, NV_ENC_CONFIG_H264_VUI_PARAMETERS, NV_ENC_INITIALIZE_PARAMS,
    NV_ENC_PIC_PARAMS, NV_ENC_RC_PARAMS, NV_ENC_RECONFIGURE_PARAMS, NV_ENC_REGISTER_RESOURCE,
};

impl NV_ENC_RC_PARAMS {
    /// Zeroes the fields that `api` does not know.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V11_1 {
            self.cbQPIndexOffset = 0;
            self.crQPIndexOffset = 0;
        }
        if api < ApiVersion::V12_1 {
            self.flags &= !Self::enableExtLookahead;
        }
    }
}

impl NV_ENC_CONFIG_H264_VUI_PARAMETERS {
    /// Zeroes the fields that `api` does not know.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V12_0 {
            self.timingInfoPresentFlag = 0;
            self.numUnitInTicks = 0;
            self.timeScale = 0;
        }
    }
}

impl NV_ENC_CONFIG_H264 {
    /// Zeroes the fields that `api` does not know, in the video usability information too.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V11_1 {
            self.flags &= !Self::singleSliceIntraRefresh;
        }
        if api < ApiVersion::V12_0 {
            self.flags &= !Self::enableTimeCode;
        }
        self.h264VUIParameters.zero_what_is_newer_than(api);
    }
}

impl NV_ENC_CONFIG {
    /// Zeroes the fields that `api` does not know, in rate control and the H.264 part.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        self.rcParams.zero_what_is_newer_than(api);
        self.encodeCodecConfig.h264Config.zero_what_is_newer_than(api);
    }
}

impl NV_ENC_INITIALIZE_PARAMS {
    /// Zeroes the fields that `api` does not know; the configuration that `encodeConfig` points to is not touched.
    ///
    /// `enableOutputInVidmem` moved with 12.1, so an older version loses it in either place.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V11_1 {
            self.bufferFormat = 0;
        }
        if api < ApiVersion::V12_1 {
            self.flags &= !(Self::splitEncodeMode
                | Self::enableOutputInVidmem
                | Self::enableReconFrameOutput
                | Self::enableOutputStats);
            self.numStateBuffers = 0;
            self.outputStatsLevel = 0;
        }
    }
}

impl NV_ENC_RECONFIGURE_PARAMS {
    /// Zeroes the fields of the parameters that `api` does not know; the configuration that they point to is not
    /// touched.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        self.reInitEncodeParams.zero_what_is_newer_than(api);
    }
}

impl NV_ENC_REGISTER_RESOURCE {
    /// Zeroes the fields that `api` does not know.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V11_1 {
            self.pInputFencePoint = std::ptr::null_mut();
        }
        if api < ApiVersion::V12_1 {
            self.chromaOffset = [0; 2];
        }
    }
}

impl NV_ENC_PIC_PARAMS {
    /// Zeroes the fields that `api` does not know, or has in another place.
    pub fn zero_what_is_newer_than(&mut self, api: ApiVersion) {
        if api < ApiVersion::V12_0 {
            self.qpDeltaMap = std::ptr::null_mut();
            self.qpDeltaMapSize = 0;
        }
    }
}
