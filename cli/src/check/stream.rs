//! A stream of built-in pictures, encoded by one backend and kept with its sources.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use direct264::{
    AccessUnit, Encoder, EncoderConfig, FailoverEncoder, Frame, FrameSize, OwnedAccessUnit, Picture,
    PixelFormat, Timestamp, open,
};

use super::decode::{self, Decoded};
use super::outcome::{Unproven, refused};
use super::subject::{Subject, ours};
use crate::bench::source::BuiltIn;

/// The call that makes an access unit.
pub(super) const ENCODE: &str = "Encoder::encode";

/// Frames before the built-in pictures change their scene, which is longer than any proof.
const SCENE_FRAMES: u32 = 1_000;

/// Opens the encoder of a subject.
pub(super) fn open_encoder(subject: &Subject, config: &EncoderConfig) -> Result<FailoverEncoder, Unproven> {
    let opened = open(config, &subject.order());
    opened.map(|opened| opened.encoder).map_err(|error| refused("an open encoder", &error, "direct264::open"))
}

/// The built-in pictures of a size. The texture is made once for each size.
pub(super) fn scene(size: FrameSize) -> Arc<BuiltIn> {
    static MADE: LazyLock<Mutex<HashMap<FrameSize, Arc<BuiltIn>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(made.entry(size).or_insert_with(|| Arc::new(BuiltIn::new(size, 2 * SCENE_FRAMES, 1))))
}

/// An encoder with all its access units and their sources.
pub(super) struct Stream {
    pub(super) encoder: FailoverEncoder,
    pub(super) units: Vec<OwnedAccessUnit>,
    /// The source of each access unit, as I420.
    pub(super) sources: Vec<Vec<u8>>,
}

impl Stream {
    /// Opens the encoder of a subject.
    pub(super) fn open(subject: &Subject, config: &EncoderConfig) -> Result<Self, Unproven> {
        Ok(Self { encoder: open_encoder(subject, config)?, units: Vec::new(), sources: Vec::new() })
    }

    /// Encodes the next picture and keeps the access unit.
    pub(super) fn frame(&mut self, picture: Picture) -> Result<&OwnedAccessUnit, Unproven> {
        let size = self.encoder.size();
        let number = u32::try_from(self.units.len()).unwrap_or(u32::MAX);
        let pixels = scene(size).picture(number);
        let frame = ours(Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number.into())))?;
        let unit = encode(&mut self.encoder, &frame, picture)?.to_owned();
        self.sources.push(pixels);
        self.units.push(unit);
        let last = self.units.len() - 1;
        Ok(&self.units[last])
    }

    /// Encodes the next `count` pictures.
    pub(super) fn frames(&mut self, count: usize) -> Result<(), Unproven> {
        (0..count).try_for_each(|_| self.frame(Picture::Auto).map(drop))
    }

    /// Decodes the whole stream, which has one size, and returns the lowest PSNR in dB.
    pub(super) fn decoded_near(&self, floor_db: f64) -> Result<f64, Unproven> {
        decode::near(&self.decoded()?, &self.sources, self.encoder.size(), floor_db)
    }

    /// Decodes the whole stream.
    pub(super) fn decoded(&self) -> Result<Vec<Decoded>, Unproven> {
        decode::all(self.units.iter().map(|unit| &unit.bytes[..]))
    }

    /// The numbers of the access units that are IDRs.
    pub(super) fn idrs(&self) -> Vec<usize> {
        let units = self.units.iter().enumerate();
        units.filter(|(_, unit)| unit.is_idr).map(|(number, _)| number).collect()
    }

    /// The bits per second of the access units in `range`, at `hz` frames per second.
    pub(super) fn bps(&self, range: std::ops::Range<usize>, hz: f64) -> f64 {
        let units = self.units.get(range).unwrap_or_default();
        let bits: usize = units.iter().map(|unit| 8 * unit.bytes.len()).sum();
        bits as f64 * hz / units.len().max(1) as f64
    }
}

/// Encodes one frame.
pub(super) fn encode<'e>(
    encoder: &'e mut FailoverEncoder,
    frame: &Frame<'_>,
    picture: Picture,
) -> Result<AccessUnit<'e>, Unproven> {
    encoder.encode(frame, picture).map_err(|error| refused("an access unit", &error, ENCODE))
}
