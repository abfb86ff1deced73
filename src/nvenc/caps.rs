//! Asks a session for the capabilities of its GPU.

use direct264_sys::nvenc::{
    ApiVersion, NV_ENC_CAPS_ASYNC_ENCODE_SUPPORT, NV_ENC_CAPS_HEIGHT_MAX, NV_ENC_CAPS_HEIGHT_MIN,
    NV_ENC_CAPS_MB_NUM_MAX, NV_ENC_CAPS_NUM_ENCODER_ENGINES, NV_ENC_CAPS_NUM_MAX_TEMPORAL_LAYERS,
    NV_ENC_CAPS_SINGLE_SLICE_INTRA_REFRESH, NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM,
    NV_ENC_CAPS_SUPPORT_CABAC, NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE,
    NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE, NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE,
    NV_ENC_CAPS_SUPPORT_INTRA_REFRESH, NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES,
    NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION, NV_ENC_CAPS_SUPPORT_TEMPORAL_SVC,
    NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES, NV_ENC_CAPS_WIDTH_MAX, NV_ENC_CAPS_WIDTH_MIN,
    NV_ENC_PARAMS_RC_CBR,
};

use super::availability;
use super::driver::OpenSession;
use super::probe::Capabilities;
use super::slot::Completions;
use crate::backend::Backend;
use crate::error::{Error, Unavailable};
use crate::reason::Reason;

impl Capabilities {
    /// Returns the capabilities of this session's GPU.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when H.264 is not among its codecs. A refused question is no error.
    pub(super) fn of(session: &OpenSession) -> Result<Self, Error> {
        let entered = session.context().enter().map_err(availability::not_ready)?;
        let codecs = session.encodes_h264();
        if let Err(error) = &codecs {
            tracing::debug!(%error, "the codecs stay unknown: H.264 is taken for one of them");
        }
        if codecs == Ok(false) {
            let detail = "H.264 is not among the codecs of its encoder";
            return Err(Unavailable::new(Backend::Nvenc, Reason::NoEncoderOnGpu, detail).into());
        }
        let asked = Self::ask(session);
        drop(entered);
        Ok(asked)
    }

    /// Asks for each capability by itself. One that the driver refuses, as older drivers refuse newer numbers, is
    /// absent. The header has none for the number of H.264 slices in a picture.
    fn ask(session: &OpenSession) -> Self {
        let ask = |which| {
            session.capability(which).unwrap_or_else(|error| {
                tracing::debug!(capability = which, %error, "the capability is taken for absent");
                0
            })
        };
        let number = |which| u32::try_from(ask(which)).unwrap_or(0);
        let can = |which| ask(which) > 0;
        Self {
            min_width: number(NV_ENC_CAPS_WIDTH_MIN),
            min_height: number(NV_ENC_CAPS_HEIGHT_MIN),
            max_width: number(NV_ENC_CAPS_WIDTH_MAX),
            max_height: number(NV_ENC_CAPS_HEIGHT_MAX),
            max_macroblocks: number(NV_ENC_CAPS_MB_NUM_MAX),
            engines: number(NV_ENC_CAPS_NUM_ENCODER_ENGINES),
            cabac: can(NV_ENC_CAPS_SUPPORT_CABAC),
            transform_8x8: can(NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM),
            // The header documents the modes as bits (1 variable, 2 constant bitrate).
            constant_bitrate: number(NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES) & NV_ENC_PARAMS_RC_CBR != 0,
            custom_vbv: can(NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE),
            dynamic_bitrate: can(NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE),
            dynamic_size: can(NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE),
            intra_refresh: can(NV_ENC_CAPS_SUPPORT_INTRA_REFRESH),
            single_slice_intra_refresh: session.api() >= ApiVersion::V11_1
                && can(NV_ENC_CAPS_SINGLE_SLICE_INTRA_REFRESH),
            reference_invalidation: can(NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION),
            multiple_references: can(NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES),
            completion_events: Completions::are_known(session) && can(NV_ENC_CAPS_ASYNC_ENCODE_SUPPORT),
            temporal_layers: if can(NV_ENC_CAPS_SUPPORT_TEMPORAL_SVC) {
                number(NV_ENC_CAPS_NUM_MAX_TEMPORAL_LAYERS)
            } else {
                1
            },
        }
    }
}
