//! One open stream of the library: its settings in force, and the error that ended it.

use openh264_sys2::SEncParamExt;

use super::api::Api;
use super::params;
use super::planar::Planes;
use super::raw::RawEncoder;
use crate::access_unit::UnitBuffer;
use crate::backend::Backend;
use crate::config::EncoderConfig;
use crate::error::{DriverError, Ended, Error, Unavailable};
use crate::reason::Reason;
use crate::units::FrameSize;

/// The status of `EncodeFrame` when the access unit outgrows its buffer.
const OVERFLOW: i64 = 3;

/// The steps by which the library codes the base of two temporal layers finer than told.
const FINER_BASE: i32 = 3;

#[derive(Debug)]
pub(super) struct LibrarySession {
    raw: RawEncoder,
    params: SEncParamExt,
    /// The coded size: both sides even.
    size: FrameSize,
    /// The number of CPU cores that threads may use.
    cores: u32,
    /// The error that ended the session.
    spent: Option<Error>,
}

impl LibrarySession {
    /// Opens the library, with quantiser `qp` for the first picture.
    pub(super) fn open(config: &EncoderConfig, qp: u8) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let mut raw = RawEncoder::create(Api::in_use().ok_or_else(not_loaded)?)?;
        let params = params::params(&raw.default_params()?, config, qp, cores)?;
        raw.initialize(&params)?;
        Ok(Self { raw, params, size: config.size().padded_to_even(), cores, spent: None })
    }

    /// Fails with the error that ended the session, if one did.
    pub(super) fn alive(&self) -> Result<(), Error> {
        if self.raw.has_lost_its_threads() {
            return Err(Ended::forked(Backend::OpenH264).into());
        }
        match &self.spent {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Whether the session ended because a picture outgrew the library's output buffer. The buffer is as large as the
    /// picture, which noise at a fine quantiser exceeds.
    pub(super) fn has_overflown(&self) -> bool {
        matches!(&self.spent, Some(Error::Driver(error))
            if error.call == "EncodeFrame" && error.status() == Some(OVERFLOW))
    }

    /// Sets up the stream for the size of `config`. The next picture is an IDR without a request.
    ///
    /// # Errors
    /// [`Error::Config`] leaves the session as it was.
    pub(super) fn resize(&mut self, config: &EncoderConfig, qp: u8) -> Result<(), Error> {
        self.params = params::params(&self.params, config, qp, self.cores)?;
        self.size = config.size().padded_to_even();
        self.apply()
    }

    /// Sets the quantiser of the next picture; no other picture is predicted from a leaf.
    pub(super) fn set_qp(&mut self, qp: u8, is_leaf: bool) -> Result<(), Error> {
        // With two temporal layers the library shifts the quantiser of the base on its own.
        let taken_off = if self.params.iTemporalLayerNum == 2 && !is_leaf { FINER_BASE } else { 0 };
        let qp = i32::from(qp) + taken_off;
        let layer = &mut self.params.sSpatialLayers[0];
        if layer.iDLayerQp == qp {
            return Ok(());
        }
        layer.iDLayerQp = qp;
        self.apply()
    }

    /// Makes the next picture an IDR. A bitrate that has outgrown the level raises the level here, since only an IDR
    /// carries the SPS with the level.
    pub(super) fn force_idr(&mut self, config: &EncoderConfig) -> Result<(), Error> {
        let level = params::level_idc(config);
        let layer = &mut self.params.sSpatialLayers[0];
        if level > layer.uiLevelIdc {
            layer.uiLevelIdc = level;
            self.apply()?;
        }
        let forced = self.raw.force_idr();
        self.end(forced)
    }

    /// Encodes a picture, for [`LibrarySession::take`]. It must be an IDR exactly as `is_idr` says, since the caller
    /// counts on it.
    pub(super) fn encode(
        &mut self,
        planes: &Planes<'_>,
        milliseconds: i64,
        is_idr: bool,
    ) -> Result<(), Error> {
        let coded = self.raw.encode(self.size, planes, milliseconds).and_then(|was_idr| {
            if was_idr == is_idr {
                return Ok(());
            }
            let what =
                if is_idr { "a P picture where an IDR was due" } else { "an IDR where a P picture was due" };
            Err(DriverError::unusable(Backend::OpenH264, "EncodeFrame", what).into())
        });
        self.end(coded)
    }

    /// Replaces the access unit in `buffer` by the one coded last.
    pub(super) fn take(&mut self, buffer: &mut UnitBuffer) -> Result<(), Error> {
        let UnitBuffer { bytes, nal_ranges } = buffer;
        bytes.clear();
        nal_ranges.clear();
        self.raw.copy_coded(bytes, nal_ranges);
        let taken = if bytes.is_empty() {
            Err(DriverError::unusable(Backend::OpenH264, "EncodeFrame", "an empty access unit"))
        } else {
            Ok(())
        };
        self.end(taken)
    }

    /// Codes SPS and PPS, for [`LibrarySession::take`].
    pub(super) fn encode_parameter_sets(&mut self) -> Result<(), Error> {
        let coded = self.raw.encode_parameter_sets();
        self.end(coded)
    }

    fn apply(&mut self) -> Result<(), Error> {
        let applied = self.raw.apply(&self.params);
        self.end(applied)
    }

    /// Records the error that ends the session.
    fn end(&mut self, result: Result<(), impl Into<Error>>) -> Result<(), Error> {
        result.map_err(|error| {
            let error = error.into();
            self.spent = Some(error.clone());
            error
        })
    }
}

/// The finding that a build without a built-in library has loaded none.
fn not_loaded() -> Unavailable {
    let what = "it has the feature cisco alone, and no library was loaded: call direct264::openh264::load with the path \
                of Cisco's, or name it to the command in DIRECT264_OPENH264";
    Unavailable::new(Backend::OpenH264, Reason::NotBuilt, what)
}
