//! One openh264 encoder.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use openh264_sys2::source::APILoader;
use openh264_sys2::{
    API, ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_GET_STATISTICS,
    ENCODER_OPTION_TRACE_LEVEL, ISVCEncoder, ISVCEncoderVtbl, SBitrateInfo, SEncParamExt, SEncoderStatistics,
    SFrameBSInfo, SSourcePicture,
};

use super::headers;
use super::nal;
use super::slice::Syntax;
use crate::config::{Config, Profile, Slices};
use crate::pixels::Picture;

/// `videoFormatI420`, `SPATIAL_LAYER_ALL`, `CONSTANT_ID`, and the rate control modes used.
const I420: i32 = 23;
const ALL_LAYERS: i32 = 4;
const CONSTANT_ID: i32 = 0;
const RATE_BITRATE: i32 = 1;
const RATE_OFF: i32 = -1;
/// Slice modes: one, a fixed number, by size.
const SLICES_ONE: i32 = 0;
const SLICES_FIXED: i32 = 1;
const SLICES_BY_BYTES: i32 = 3;

/// An encoded picture.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    /// Its slices, one unit each.
    pub(crate) slices: Vec<Vec<u8>>,
    pub(crate) idr: bool,
    pub(crate) qp: u32,
    /// How its slices are read.
    pub(super) syntax: Syntax,
    /// How many references back lies the one that it is predicted from; 1 is the last.
    pub(crate) back: u32,
}

impl Coded {
    /// Whether others are predicted from it.
    pub(crate) fn is_reference(&self) -> bool {
        self.slices.iter().any(|slice| slice.first().is_some_and(|header| header & 0x60 != 0))
    }
}

/// An encoder for one size; other settings may change.
#[derive(Debug)]
pub(crate) struct Coder {
    encoder: NonNull<ISVCEncoder>,
    pub(crate) sequence_header: Vec<u8>,
    pub(crate) picture_header: Vec<u8>,
    syntax: Syntax,
    pictures: i64,
}

// SAFETY: the encoder is a C++ object without ties to a thread; it is used by one thread at a time, through `&mut`.
unsafe impl Send for Coder {}

impl Coder {
    /// Starts an encoder; says which step openh264 refused.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        Self::with_least_qp(config, 0)
    }

    /// Starts an encoder that stays at or above a QP. openh264 gives up on a picture of noise at a low one.
    pub(crate) fn with_least_qp(config: &Config, least: i32) -> Result<Self, String> {
        let mut encoder: *mut ISVCEncoder = std::ptr::null_mut();
        // SAFETY: writes an encoder, or leaves null.
        let status = unsafe { APILoader.WelsCreateSVCEncoder(&raw mut encoder) };
        let encoder = NonNull::new(encoder).filter(|_| status == 0).ok_or("openh264 makes no encoder")?;
        let mut coder = Self {
            encoder,
            sequence_header: Vec::new(),
            picture_header: Vec::new(),
            syntax: Syntax { frame_num_bits: 0, order_bits: None, cabac: config.cabac },
            pictures: 0,
        };
        coder.initialise(config, least)?;
        coder.take_headers(config)?;
        Ok(coder)
    }

    fn table(&self) -> &ISVCEncoderVtbl {
        // SAFETY: the encoder is alive as long as `self`.
        let table = unsafe { *self.encoder.as_ptr() };
        // SAFETY: its first word points to its table of functions, which is static.
        unsafe { &*table }
    }

    fn initialise(&mut self, config: &Config, least_qp: i32) -> Result<(), String> {
        let defaults = self.table().GetDefaultParams.ok_or("openh264 has no defaults")?;
        let initialise = self.table().InitializeExt.ok_or("openh264 cannot be initialised")?;
        let mut parameters = MaybeUninit::<SEncParamExt>::zeroed();
        let mut quiet = 0_i32;
        self.set(ENCODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast());
        // SAFETY: fills the parameters in.
        unsafe { defaults(self.encoder.as_ptr(), parameters.as_mut_ptr()) };
        // SAFETY: filled in by the call above; before it they were zero, which these plain C fields allow.
        let mut parameters = unsafe { parameters.assume_init() };
        fill_in(&mut parameters, config);
        let least_qp = least_qp.max(int(config.least_qp as usize));
        if least_qp > 0 || config.most_qp < 51 {
            // It takes zero for "not given".
            parameters.iMinQp = least_qp.max(1);
            parameters.iMaxQp = int(config.most_qp as usize).max(least_qp);
            parameters.sSpatialLayers[0].iDLayerQp = parameters.sSpatialLayers[0].iDLayerQp.max(least_qp);
        }
        // SAFETY: the parameters are complete, and only read.
        let mut status = unsafe { initialise(self.encoder.as_ptr(), &raw const parameters) };
        if status != 0 && config.slices != Slices::One {
            // Its rate control wants so many rows for each slice; without it low pictures can have several too.
            parameters.iRCMode = RATE_OFF;
            // SAFETY: as above; the encoder was not initialised yet.
            status = unsafe { initialise(self.encoder.as_ptr(), &raw const parameters) };
        }
        if status == 0 { Ok(()) } else { Err(format!("openh264 refuses the parameters with {status}")) }
    }

    fn take_headers(&mut self, config: &Config) -> Result<(), String> {
        let headers = self.table().EncodeParameterSets.ok_or("openh264 has no headers")?;
        let mut information = Box::new(MaybeUninit::<SFrameBSInfo>::zeroed());
        // SAFETY: fills in where the headers are.
        let status = unsafe { headers(self.encoder.as_ptr(), information.as_mut_ptr()) };
        if status != 0 {
            return Err(format!("openh264 gives no headers: {status}"));
        }
        for unit in units(&information) {
            match nal::kind(&unit) {
                7 => {
                    self.syntax = headers::syntax(&unit, config.cabac).ok_or("openh264's headers are new")?;
                    self.sequence_header =
                        headers::rewrite(&unit, config.level, config.references, &config.vui);
                }
                8 => self.picture_header = unit,
                _ => {}
            }
        }
        Ok(())
    }

    /// Encodes a picture; none if openh264 refuses it.
    pub(crate) fn encode(&mut self, picture: &Picture, idr: bool) -> Option<Coded> {
        if idr {
            let force = self.table().ForceIntraFrame?;
            // SAFETY: a call on a live encoder.
            unsafe { force(self.encoder.as_ptr(), true) };
        }
        let encode = self.table().EncodeFrame?;
        let mut information = Box::new(MaybeUninit::<SFrameBSInfo>::zeroed());
        let source = self.source(picture);
        // SAFETY: the source lends planes of its size for the length of the call; the information is written.
        let status = unsafe { encode(self.encoder.as_ptr(), &raw const source, information.as_mut_ptr()) };
        self.pictures += 1;
        if status != 0 {
            return None;
        }
        let slices: Vec<Vec<u8>> =
            units(&information).into_iter().filter(|unit| matches!(nal::kind(unit), 1 | 5)).collect();
        let idr = slices.first().is_some_and(|slice| nal::kind(slice) == 5);
        Some(Coded { slices, idr, qp: self.average_qp(), syntax: self.syntax, back: 1 })
    }

    fn source(&self, picture: &Picture) -> SSourcePicture {
        let mut source = MaybeUninit::<SSourcePicture>::zeroed();
        let fields = source.as_mut_ptr();
        let (y, u, v) = picture.planes();
        let half = picture.width.div_ceil(2);
        let plain = SSourcePicture {
            iColorFormat: I420,
            iStride: [int(picture.width), int(half), int(half), 0],
            pData: [
                y.as_ptr().cast_mut(),
                u.as_ptr().cast_mut(),
                v.as_ptr().cast_mut(),
                std::ptr::null_mut(),
            ],
            iPicWidth: int(picture.width),
            iPicHeight: int(picture.height),
            uiTimeStamp: self.pictures * 33,
            bPsnrY: false,
            bPsnrU: false,
            bPsnrV: false,
        };
        // SAFETY: room for one, ours.
        unsafe { fields.write(plain) };
        // SAFETY: just written.
        unsafe { source.assume_init() }
    }

    fn average_qp(&mut self) -> u32 {
        let mut statistics = MaybeUninit::<SEncoderStatistics>::zeroed();
        let Some(get) = self.table().GetOption else { return 0 };
        // SAFETY: this option writes statistics.
        unsafe { get(self.encoder.as_ptr(), ENCODER_OPTION_GET_STATISTICS, statistics.as_mut_ptr().cast()) };
        // SAFETY: zeroes or what the call wrote; plain numbers.
        unsafe { statistics.assume_init() }.uiAverageFrameQP
    }

    /// From the next picture on, without an IDR.
    pub(crate) fn set_rate(&mut self, bits_per_second: u32, frames_per_second: f32) {
        let mut rate = SBitrateInfo { iLayer: ALL_LAYERS, iBitrate: int(bits_per_second as usize) };
        self.set(ENCODER_OPTION_BITRATE, (&raw mut rate).cast());
        let mut frames = frames_per_second;
        self.set(ENCODER_OPTION_FRAME_RATE, (&raw mut frames).cast());
    }

    fn set(&mut self, option: ENCODER_OPTION, value: *mut c_void) {
        if let Some(set) = self.table().SetOption {
            // SAFETY: the value is of the type that the option names, and only read.
            unsafe { set(self.encoder.as_ptr(), option, value) };
        }
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        if let Some(uninitialise) = self.table().Uninitialize {
            // SAFETY: a call on a live encoder, the last but one.
            unsafe { uninitialise(self.encoder.as_ptr()) };
        }
        // SAFETY: made by the same library, destroyed once.
        unsafe { APILoader.WelsDestroySVCEncoder(self.encoder.as_ptr()) };
    }
}

fn int(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn fill_in(parameters: &mut SEncParamExt, config: &Config) {
    let profile = match config.profile {
        Profile::Baseline => 66,
        Profile::Main => 77,
        Profile::High => 100,
    };
    let rate = int(config.target_bits_per_second() as usize);
    parameters.iUsageType = 0;
    parameters.iPicWidth = int(config.width as usize);
    parameters.iPicHeight = int(config.height as usize);
    parameters.iTargetBitrate = rate;
    parameters.iMaxBitrate = 0;
    parameters.iRCMode = if config.constant_qp.is_some() { RATE_OFF } else { RATE_BITRATE };
    parameters.fMaxFrameRate = config.frames_per_second();
    parameters.iTemporalLayerNum = if config.temporal_layers == 2 { 2 } else { 1 };
    parameters.iSpatialLayerNum = 1;
    parameters.uiIntraPeriod = config.idr_period_frames().unwrap_or(0);
    parameters.iNumRefFrame = 1;
    parameters.eSpsPpsIdStrategy = CONSTANT_ID;
    parameters.bPrefixNalAddingCtrl = false;
    parameters.bEnableFrameSkip = false;
    parameters.bEnableSceneChangeDetect = false;
    parameters.bEnableFrameCroppingFlag = config.crops;
    parameters.bEnableDenoise = false;
    parameters.bEnableBackgroundDetection = false;
    parameters.bEnableAdaptiveQuant = false;
    parameters.bEnableLongTermReference = false;
    parameters.iMultipleThreadIdc = 1;
    parameters.iEntropyCodingModeFlag = i32::from(config.cabac);
    let layer = &mut parameters.sSpatialLayers[0];
    layer.iVideoWidth = int(config.width as usize);
    layer.iVideoHeight = int(config.height as usize);
    layer.fFrameRate = config.frames_per_second();
    layer.iSpatialBitrate = rate;
    layer.iMaxSpatialBitrate = 0;
    layer.uiProfileIdc = profile;
    layer.iDLayerQp = config.constant_qp.map_or(26, |qp| int(qp as usize));
    match config.slices {
        Slices::One => layer.sSliceArgument.uiSliceMode = SLICES_ONE,
        Slices::Count(count) => {
            layer.sSliceArgument.uiSliceMode = if count > 1 { SLICES_FIXED } else { SLICES_ONE };
            layer.sSliceArgument.uiSliceNum = count;
        }
        Slices::Bytes(bytes) => {
            layer.sSliceArgument.uiSliceMode = SLICES_BY_BYTES;
            layer.sSliceArgument.uiSliceSizeConstraint = bytes;
            parameters.uiMaxNalSize = bytes;
        }
    }
}

/// Copies the units out of openh264's own memory.
fn units(information: &MaybeUninit<SFrameBSInfo>) -> Vec<Vec<u8>> {
    // SAFETY: zeroed before the call that wrote it; plain numbers and pointers.
    let information = unsafe { information.assume_init_ref() };
    let count = usize::try_from(information.iLayerNum).unwrap_or(0);
    let mut found = Vec::new();
    for layer in information.sLayerInfo.iter().take(count) {
        let lengths = usize::try_from(layer.iNalCount).unwrap_or(0);
        if lengths == 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
            continue;
        }
        // SAFETY: the layer has as many lengths as it says.
        let lengths = unsafe { std::slice::from_raw_parts(layer.pNalLengthInByte, lengths) };
        let total = lengths.iter().map(|len| usize::try_from(*len).unwrap_or(0)).sum();
        // SAFETY: the units lie one after another, as long as their lengths say, until the next call.
        let bytes = unsafe { std::slice::from_raw_parts(layer.pBsBuf, total) };
        found.extend(nal::split(bytes).into_iter().map(<[u8]>::to_vec));
    }
    found
}
