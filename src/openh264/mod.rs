//! The software backend: the openh264 library, with a rate control of our own.

mod activity;
mod params;
mod rate;
mod raw;

use std::ops::Range;
use std::time::Instant;

use openh264_sys2::SEncParamExt;

use crate::config::EncoderConfig;
use crate::convert::Converter;
use crate::encoder::{AccessUnit, Backend, Encoder, Picture, StageTimes};
use crate::error::{DriverError, Error, FrameError};
use crate::event::{Event, EventKind};
use crate::frame::Frame;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange};
use rate::{PictureKind, RateControl};
use raw::RawEncoder;

/// An H.264 encoder on the CPU.
///
/// One frame in, one access unit out: the library's frame skipping is off and its rate control with it; ours sets
/// one quantiser for each picture.
#[derive(Debug)]
pub struct OpenH264Encoder {
    raw: RawEncoder,
    config: EncoderConfig,
    size: FrameSize,
    cores: u32,
    params: SEncParamExt,
    converter: Converter,
    rate: RateControl,
    /// Reused from frame to frame.
    bytes: Vec<u8>,
    nals: Vec<Range<usize>>,
    frames: u64,
    frames_since_idr: u32,
    /// The next picture is an IDR because the stream has just been opened or changed its size.
    idr_due: bool,
    events: Vec<Event>,
    /// What ended the session.
    spent: Option<DriverError>,
}

impl OpenH264Encoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// [`Error::Config`] for what the library cannot take, [`Error::Driver`] when it refuses to open.
    pub fn new(config: &EncoderConfig) -> Result<Self, Error> {
        config.validate()?;
        warn_without_simd();
        let mut raw = RawEncoder::create()?;
        let defaults = raw.default_params()?;
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let size = config.size;
        let rate = RateControl::new(size, config.frame_rate, config.bitrate, config.qp_range);
        let params = params::params(&defaults, config, size.padded_to_even(), rate.qp(), cores)?;
        raw.initialize(&params)?;
        let mut encoder = Self {
            raw,
            config: config.clone(),
            size,
            cores,
            params,
            converter: Converter::new(config.colour),
            rate,
            bytes: Vec::new(),
            nals: Vec::new(),
            frames: 0,
            frames_since_idr: 0,
            idr_due: true,
            events: Vec::new(),
            spent: None,
        };
        encoder.note(EventKind::Selected);
        Ok(encoder)
    }

    fn note(&mut self, kind: EventKind) {
        self.events.push(Event::new(self.frames, Backend::OpenH264, kind));
    }

    fn alive(&self) -> Result<(), Error> {
        match &self.spent {
            Some(error) => Err(error.clone().into()),
            None => Ok(()),
        }
    }

    /// Remembers the error that ends the session.
    fn end<T>(&mut self, result: Result<T, DriverError>) -> Result<T, Error> {
        result.map_err(|error| {
            self.spent = Some(error.clone());
            error.into()
        })
    }

    /// Hands changed settings to the library.
    fn apply(&mut self) -> Result<(), Error> {
        let applied = self.raw.apply(&self.params);
        self.end(applied)
    }

    fn idr_is_due(&self, picture: Picture) -> bool {
        let period_is_over =
            self.config.idr_period_frames.is_some_and(|period| self.frames_since_idr >= period.get());
        self.idr_due || picture == Picture::Idr || period_is_over
    }

    /// Sets what the next picture needs: its quantiser, and for an IDR the level and the request.
    fn prepare(&mut self, is_idr: bool, qp: u8) -> Result<(), Error> {
        let layer = &mut self.params.sSpatialLayers[0];
        let mut changed = layer.iDLayerQp != i32::from(qp);
        layer.iDLayerQp = i32::from(qp);
        if is_idr {
            // A bitrate that outgrew the level needs a new SPS, which only an IDR can bring.
            let wanted = params::level_idc(&self.config, self.size.padded_to_even());
            changed |= wanted > layer.uiLevelIdc;
            layer.uiLevelIdc = wanted.max(layer.uiLevelIdc);
        }
        if changed {
            self.apply()?;
        }
        if is_idr && !self.idr_due {
            let forced = self.raw.force_idr();
            self.end(forced)?;
        }
        Ok(())
    }
}

impl Encoder for OpenH264Encoder {
    fn backend(&self) -> Backend {
        Backend::OpenH264
    }

    fn size(&self) -> FrameSize {
        self.size
    }

    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let start = Instant::now();
        self.alive()?;
        if frame.size() != self.size {
            return Err(FrameError::Size { frame: frame.size(), encoder: self.size }.into());
        }
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        let is_idr = self.idr_is_due(picture);

        let mut converter = std::mem::replace(&mut self.converter, Converter::new(self.config.colour));
        let (planes, was_converted) = converter.planes(frame);
        let converted = Instant::now();

        let kind = if is_idr { PictureKind::Idr } else { PictureKind::P };
        let qp = self.rate.plan(kind, &planes);
        let coded = self.prepare(is_idr, qp).and_then(|()| {
            let milliseconds = self.rate.milliseconds(self.frames);
            let coded = self.raw.encode(self.size.padded_to_even(), &planes, milliseconds);
            self.end(coded)
        });
        self.converter = converter;
        let coded = coded?;
        let encoded = Instant::now();

        self.bytes.clear();
        self.nals.clear();
        self.raw.copy_coded(&mut self.bytes, &mut self.nals);
        if self.bytes.is_empty() || coded.is_idr != is_idr {
            let what = format!("{} bytes, IDR {} where {is_idr} was due", self.bytes.len(), coded.is_idr);
            return self.end(Err(DriverError::new(Backend::OpenH264, "EncodeFrame", 0, what)));
        }
        if let Some(unmet) = self.rate.coded(self.bytes.len()) {
            self.note(unmet);
        }
        self.frames += 1;
        self.frames_since_idr = if is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.idr_due = false;

        let end = Instant::now();
        let times = StageTimes {
            convert: if was_converted { converted - start } else { std::time::Duration::ZERO },
            submit: encoded - converted,
            copy: end - encoded,
            total: end - start,
            ..StageTimes::default()
        };
        Ok(AccessUnit {
            bytes: &self.bytes,
            nal_ranges: &self.nals,
            is_idr,
            timestamp: frame.timestamp(),
            qp: Some(qp),
            times,
            backend: Backend::OpenH264,
        })
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.alive()?;
        let from = self.config.bitrate;
        if from != bitrate {
            self.config.bitrate = bitrate;
            self.rate.set_target(self.config.frame_rate, bitrate);
            self.note(EventKind::BitrateChanged { from, to: bitrate });
        }
        Ok(())
    }

    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.alive()?;
        self.config.frame_rate = frame_rate;
        self.rate.set_target(frame_rate, self.config.bitrate);
        Ok(())
    }

    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.alive()?;
        self.config.qp_range = qp_range;
        self.rate.set_qp_range(qp_range);
        Ok(())
    }

    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.alive()?;
        if size == self.size {
            return Ok(());
        }
        let rate = RateControl::new(size, self.config.frame_rate, self.config.bitrate, self.config.qp_range);
        let params =
            params::params(&self.params, &self.config, size.padded_to_even(), rate.qp(), self.cores)?;
        self.params = params;
        self.apply()?;
        self.size = size;
        self.rate = rate;
        self.converter.clear();
        self.idr_due = true;
        self.note(EventKind::Recreated { size });
        Ok(())
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.alive()?;
        let written = self.raw.encode_parameter_sets();
        self.end(written)?;
        let mut bytes = Vec::new();
        self.raw.copy_coded(&mut bytes, &mut Vec::new());
        Ok(bytes)
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

/// What the library is and was built with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// Its version, such as `2.6.0`.
    pub version: String,
    /// Whether its SIMD code is in this build; `None` when it does not say. Without, a picture takes about three
    /// times as long.
    pub simd: Option<bool>,
    /// Whether the AVX2 part of it is in this build as well, which saves about a seventh at 1080p.
    pub avx2: bool,
}

impl Library {
    /// The library that this crate was built with.
    #[must_use]
    pub fn linked() -> Self {
        let simd = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            raw::cpu_features().map(|features| features != 0)
        } else {
            // Elsewhere the SIMD code needs no assembler of its own and is always built.
            Some(cfg!(any(target_arch = "arm", target_arch = "aarch64")))
        };
        Self { version: raw::version(), simd, avx2: cfg!(openh264_avx2) && simd == Some(true) }
    }
}

/// Says once what an embedder never sees: cargo shows the warnings of a build script for path packages alone.
fn warn_without_simd() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if Library::linked().simd == Some(false) {
            tracing::warn!(
                "openh264 was built without SIMD and takes about three times as long: install nasm, then \
                 `cargo clean -p openh264-sys2` and build again"
            );
        }
    });
}
