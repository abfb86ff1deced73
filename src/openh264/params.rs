//! Translates a configuration to openh264's settings: pure, and exhaustive on purpose.

use openh264_sys2::{
    ASP_EXT_SAR, CAMERA_VIDEO_REAL_TIME, CONSTANT_ID, LOW_COMPLEXITY, PRO_BASELINE, PRO_HIGH, PRO_MAIN,
    RC_OFF_MODE, SEncParamExt, SM_FIXEDSLCNUM_SLICE, SM_SINGLE_SLICE, VF_UNDEF,
};

use crate::colour::ColourRange;
use crate::config::{EncoderConfig, Settings, TemporalLayers};
use crate::error::ConfigError;
use crate::profile::Profile;
use crate::units::{FrameSize, OutOfRange};

/// The library's own limits.
const MIN_SIDE: u32 = 16;
const MAX_MACROBLOCKS: u32 = 36_864;
/// The longest side: level 5.2, the library's highest, has room for 543 macroblocks (ITU-T H.264 A.3.1).
const MAX_SIDE: u32 = 543 * 16;
const MAX_SLICES: u32 = 35;
const MAX_THREADS: u32 = 4;
const MAX_LEVEL_IDC: u8 = 52;
/// The number of pixels from which two slices are the default: see `Slicing::choose`.
const TWO_SLICES_FROM: u32 = 1280 * 720;

/// The slices of a picture and the threads that code them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slicing {
    slices: u32,
    threads: u32,
}

impl Slicing {
    /// Returns the slices and threads asked for. The default is one slice below 720p and two from there on, each with
    /// its own thread if the machine has the cores. The number of slices depends only on the size, so that the same
    /// input gives the same stream on every machine.
    fn choose(config: &EncoderConfig, size: FrameSize, cores: u32) -> Result<Self, ConfigError> {
        let rows = size.macroblocks().1;
        let max = rows.min(MAX_SLICES);
        let slices = match config.slices {
            Some(slices) => u32::from(slices.get()),
            None if size.width() * size.height() < TWO_SLICES_FROM => 1,
            None => 2.min(max),
        };
        if slices > max {
            return Err(ConfigError::Slices { slices, max });
        }
        let threads = match config.threads {
            Some(threads) if u32::from(threads.get()) > MAX_THREADS => {
                return Err(ConfigError::Threads { threads: u32::from(threads.get()), max: MAX_THREADS });
            }
            Some(threads) => u32::from(threads.get()),
            None => cores.min(MAX_THREADS),
        };
        Ok(Self { slices, threads: threads.clamp(1, slices) })
    }
}

/// Checks whether the library takes a configuration, as far as that is known without it.
pub(super) fn check(config: &EncoderConfig) -> Result<(), ConfigError> {
    let size = config.size().padded_to_even();
    check_size(size)?;
    Slicing::choose(config, size, 1).map(drop)
}

/// Returns the library's settings for a configuration, for pictures at quantiser `qp`.
///
/// # Errors
/// [`ConfigError`] for a setting beyond the library.
pub(super) fn params(
    defaults: &SEncParamExt,
    config: &EncoderConfig,
    qp: u8,
    cores: u32,
) -> Result<SEncParamExt, ConfigError> {
    // Exhaustive on purpose: a new setting does not compile until its meaning here is decided.
    let EncoderConfig {
        // The frame rate is in `level_idc`; our own rate control keeps it and the range of quantisers.
        settings: Settings { size, bitrate, frame_rate: _, qp_range: _ },
        max_size: _,          // the library takes any size at any time
        max_bitrate: _,       // in the level
        max_memory_bytes: _,  // checked before
        idr_period_frames: _, // counted by `OpenH264Encoder`, to tell it from a requested IDR
        profile,
        colour,
        sample_aspect,
        temporal_layers,
        slices: _, // both in `Slicing`
        threads: _,
        nvenc: _,    // another backend's
        failover: _, // the failover encoder's
    } = config;
    check_size(*size)?;
    let size = size.padded_to_even();
    let slicing = Slicing::choose(config, size, cores)?;
    let (width, height) = (to_int(size.width()), to_int(size.height()));

    let mut p = *defaults;
    p.iUsageType = CAMERA_VIDEO_REAL_TIME;
    p.iPicWidth = width;
    p.iPicHeight = height;
    // The library's rate control is off; this crate's sets the quantiser of each picture: see `rate.rs`.
    p.iRCMode = RC_OFF_MODE;
    p.bEnableFrameSkip = false;
    p.iTargetBitrate = to_int(bitrate.bps());
    // Unused without rate control, but checked: the library takes 1 to 60.
    p.fMaxFrameRate = 30.0;
    p.iTemporalLayerNum = match temporal_layers {
        TemporalLayers::One => 1,
        TemporalLayers::Two => 2,
    };
    p.iSpatialLayerNum = 1;
    p.iComplexityMode = LOW_COMPLEXITY;
    p.uiIntraPeriod = 0;
    p.iNumRefFrame = 1;
    p.eSpsPpsIdStrategy = CONSTANT_ID;
    p.iEntropyCodingModeFlag = i32::from(*profile != Profile::ConstrainedBaseline);
    p.bEnableLongTermReference = false;
    p.iMultipleThreadIdc = slicing.threads as u16;
    // Load balancing would move the slices, and so change the stream, from run to run.
    p.bUseLoadBalancing = false;
    p.bEnableDenoise = false;
    p.bEnableBackgroundDetection = false;
    p.bEnableAdaptiveQuant = false;
    p.bEnableSceneChangeDetect = false;
    p.bEnableFrameCroppingFlag = true;

    let layer = &mut p.sSpatialLayers[0];
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = p.fMaxFrameRate;
    layer.iSpatialBitrate = p.iTargetBitrate;
    layer.iMaxSpatialBitrate = 0;
    layer.uiProfileIdc = match profile {
        Profile::ConstrainedBaseline => PRO_BASELINE,
        Profile::Main => PRO_MAIN,
        Profile::High => PRO_HIGH,
    };
    layer.uiLevelIdc = level_idc(config);
    layer.iDLayerQp = i32::from(qp);
    layer.sSliceArgument.uiSliceMode =
        if slicing.slices == 1 { SM_SINGLE_SLICE } else { SM_FIXEDSLCNUM_SLICE };
    layer.sSliceArgument.uiSliceNum = slicing.slices;
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = VF_UNDEF as u8;
    layer.bFullRange = colour.range == ColourRange::Full;
    layer.bColorDescriptionPresent = true;
    layer.uiColorPrimaries = colour.matrix.code_point();
    layer.uiTransferCharacteristics = colour.matrix.code_point();
    layer.uiColorMatrix = colour.matrix.code_point();
    if let Some(aspect) = sample_aspect {
        layer.bAspectRatioPresent = true;
        layer.eAspectRatio = ASP_EXT_SAR;
        layer.sAspectRatioExtWidth = aspect.width();
        layer.sAspectRatioExtHeight = aspect.height();
    }
    Ok(p)
}

/// Returns the level of the stream, within the library's limit.
pub(super) fn level_idc(config: &EncoderConfig) -> i32 {
    i32::from(config.level().idc().min(MAX_LEVEL_IDC))
}

fn check_size(size: FrameSize) -> Result<(), ConfigError> {
    let (width, height) = (size.width(), size.height());
    let coded = size.padded_to_even();
    let (shorter, longer) = (coded.width().min(coded.height()), coded.width().max(coded.height()));
    if shorter < MIN_SIDE || longer > MAX_SIDE {
        return Err(OutOfRange::Size { width, height, min_side: MIN_SIDE, max_side: MAX_SIDE }.into());
    }
    let (columns, rows) = size.macroblocks();
    if columns * rows > MAX_MACROBLOCKS {
        return Err(ConfigError::Area {
            size,
            macroblocks: columns * rows,
            max_macroblocks: MAX_MACROBLOCKS,
        });
    }
    Ok(())
}

fn to_int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
