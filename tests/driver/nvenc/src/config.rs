//! The settings that a client asks for, read from `NV_ENC_INITIALIZE_PARAMS` and `NV_ENC_CONFIG`.

use d264_double_common::Function;
use d264_double_common::misbehaviour::Misbehaviour;
use d264_double_common::settings::Settings;
use serde_json::{Value, json};

use crate::caps;
use crate::driver::{broke, settings};
use crate::guid::{self, Guid};
use crate::h264::Vui;
use crate::layout::Struct;
use crate::level;
use crate::pixels::Colour;
use crate::preset;
use crate::status::{INVALID_PARAM, INVALID_VERSION, UNSUPPORTED_PARAM};
use crate::view::View;

/// `NVENC_INFINITE_GOPLENGTH`.
pub(crate) const INFINITE: u32 = u32::MAX;

const HIGHEST_QP: u32 = 51;

/// Where the parts of `NV_ENC_CONFIG` start.
const RATE: usize = 40;
const H264: usize = 168;
const VUI: usize = H264 + 72;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Baseline,
    Main,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slices {
    One,
    Count(u32),
    Bytes(u32),
}

/// Settings of a session that came through the checks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) max_width: u32,
    pub(crate) max_height: u32,
    frame_rate: (u32, u32),
    gop_length: u32,
    idr_period: u32,
    frame_interval: i32,
    pub(crate) decides_types: bool,
    preset: Guid,
    tuning: u32,
    pub(crate) profile: Profile,
    pub(crate) level: u32,
    pub(crate) cabac: bool,
    pub(crate) constant_qp: Option<u32>,
    average_rate: u32,
    has_two_passes: bool,
    /// Where the client limits it; 0 and 51 where not.
    pub(crate) least_qp: u32,
    pub(crate) most_qp: u32,
    pub(crate) slices: Slices,
    /// The number of pictures kept to predict from.
    pub(crate) references: u32,
    pub(crate) temporal_layers: u32,
    /// Each slice comes behind a unit that tells its layer.
    pub(crate) prefixes: bool,
    pub(crate) report_slice_offsets: bool,
    /// `enableEncodeAsync`: a picture signals an event when it is complete.
    pub(crate) signals_events: bool,
    pub(crate) repeat_headers: bool,
    pub(crate) no_headers: bool,
    pub(crate) delimiter: bool,
    pub(crate) vui: Vui,
    /// Period and length.
    pub(crate) intra_refresh: Option<(u32, u32)>,
    /// The rows of a refresh are not isolated in slices of their own.
    pub(crate) single_slice_refresh: bool,
    pub(crate) recovery_point: bool,
    /// The SPS crops what pads the picture to macroblocks.
    pub(crate) crops: bool,
    /// As the client put it, for the report.
    pub(crate) described: Value,
}

impl Config {
    /// The colour that RGB becomes: what the stream tells, if that is a matrix for RGB. FFmpeg tells the identity.
    pub(crate) fn rgb_colour(&self) -> Colour {
        const BT709_BT470BG_BT601_BT2020: [u32; 4] = [1, 5, 6, 9];
        let signal = self.vui.signal.as_ref().filter(|_| !settings().does(Misbehaviour::RgbIsBt601));
        let told = signal.and_then(|signal| {
            let (_, _, matrix) = signal.colour?;
            BT709_BT470BG_BT601_BT2020
                .contains(&matrix)
                .then_some(Colour { matrix, full_range: signal.full_range })
        });
        told.unwrap_or(Colour::UNTOLD)
    }

    pub(crate) fn frames_per_second(&self) -> f32 {
        self.frame_rate.0 as f32 / self.frame_rate.1 as f32
    }

    pub(crate) fn target_bits_per_second(&self) -> u32 {
        if self.average_rate == 0 { 4_000_000 } else { self.average_rate }
    }

    /// None if only the client decides when an IDR comes.
    pub(crate) fn idr_period_frames(&self) -> Option<u32> {
        if self.frame_interval == 0 {
            return Some(1);
        }
        Some(self.gop_length.min(self.idr_period)).filter(|period| !matches!(*period, 0 | INFINITE))
    }

    /// Whether an encoder of these settings can take those on without starting anew. A range of quantisers it takes
    /// on when it starts anew for another reason: openh264 cannot change it in flight.
    pub(crate) fn differs_only_in_rate(&self, other: &Self) -> bool {
        let mut same = other.clone();
        same.average_rate = self.average_rate;
        same.frame_rate = self.frame_rate;
        (same.least_qp, same.most_qp) = (self.least_qp, self.most_qp);
        same.described = Value::Null;
        let mut own = self.clone();
        own.described = Value::Null;
        own == same
    }

    /// Refuses a reconfiguration of settings that are fixed for the session.
    pub(crate) fn check_change(&self, new: &Self, function: Function) -> Result<(), u32> {
        let changed = if (self.gop_length, self.frame_interval) != (new.gop_length, new.frame_interval) {
            "the GOP structure"
        } else if self.signals_events != new.signals_events {
            "enableEncodeAsync"
        } else if self.decides_types != new.decides_types {
            "enablePTD"
        } else if (self.max_width, self.max_height) != (new.max_width, new.max_height) {
            "the maximum size"
        } else if (self.preset, self.tuning) != (new.preset, new.tuning) {
            "the preset or the tuning"
        } else {
            return Ok(());
        };
        Err(broke(function, INVALID_PARAM, &format!("a reconfiguration changes {changed}")))
    }

    /// Reads and checks the settings of a session.
    pub(crate) fn read(init: View, version: usize, function: Function) -> Result<Self, u32> {
        let refuse = |status: u32, rule: &str| Err(broke(function, status, rule));
        if init.guid(4) != guid::H264 {
            return refuse(INVALID_PARAM, "encodeGUID is not the one of H.264");
        }
        let preset = init.guid(20);
        let is_old = guid::OLD_PRESETS.contains(&preset);
        if !is_old && !guid::PRESETS.contains(&preset) {
            return refuse(UNSUPPORTED_PARAM, "presetGUID is none of P1 to P7, and none of the older ones");
        }
        let tuning = if is_old { preset::old_tuning(preset) } else { init.u32(136) };
        if !(1..=4).contains(&tuning) {
            return refuse(INVALID_PARAM, "tuningInfo is none of the four that P1 to P7 go with");
        }
        if init.u32(60) != 0 && caps::of(&settings(), caps::EVENTS) == 0 {
            return refuse(INVALID_PARAM, "enableEncodeAsync is set, which the capabilities deny");
        }
        let own;
        let config = if init.pointer(88) == 0 {
            own = preset::config(preset, tuning, version);
            own.view()
        } else {
            View::open(init.pointer(88), Struct::Config, version, function)?
        };
        // The rate control part carries a word of its own, of struct version 1 like that of the capabilities.
        if config.u32(RATE) != Struct::Caps.word(version) {
            return refuse(INVALID_VERSION, "rcParams carries the wrong version word");
        }
        let (width, height) = (init.u32(36), init.u32(40));
        let maximum = |at: usize, size: u32| if init.u32(at) == 0 { size } else { init.u32(at) };
        let read = Self {
            width,
            height,
            max_width: maximum(96, width),
            max_height: maximum(100, height),
            frame_rate: (init.u32(52), init.u32(56)),
            gop_length: config.u32(20),
            idr_period: config.u32(H264 + 8),
            frame_interval: i32::from_ne_bytes(config.u32(24).to_ne_bytes()),
            signals_events: init.u32(60) != 0,
            decides_types: init.u32(64) == 1,
            preset,
            tuning,
            profile: read_profile(config, function)?,
            level: config.u32(H264 + 4),
            // The baseline profile overrides CABAC silently: FFmpeg leaves the preset's entropy coding in place there.
            cabac: config.u32(H264 + 44) != 2 && config.guid(4) != guid::PROFILE_BASELINE,
            constant_qp: (config.u32(RATE + 4) == 0).then(|| config.u32(RATE + 8)),
            average_rate: config.u32(RATE + 20),
            has_two_passes: config.u32(RATE + 100) != 0,
            least_qp: if config.bit(RATE + 36, 0) { config.u32(RATE + 40) } else { 0 },
            most_qp: if config.bit(RATE + 36, 1) { config.u32(RATE + 52) } else { HIGHEST_QP },
            slices: read_slices(config, width, height, function)?,
            // Zero is the driver's choice.
            references: config.u32(H264 + 60).max(1),
            temporal_layers: if config.bit(H264, 0) { config.u32(H264 + 20) } else { 1 },
            prefixes: config.bit(H264, 0) && !config.bit(H264, 18),
            report_slice_offsets: init.bit(68, 0),
            repeat_headers: config.bit(H264, 12),
            no_headers: config.bit(H264, 7),
            delimiter: config.bit(H264, 6),
            vui: read_vui(init, config, version),
            intra_refresh: config.bit(H264, 10).then(|| (config.u32(H264 + 52), config.u32(H264 + 56))),
            single_slice_refresh: config.bit(H264, 20),
            recovery_point: config.bit(H264, 9),
            crops: true,
            described: describe(init, config),
        };
        read.check_size(function)?;
        read.check_structure(config, function)?;
        read.check_rate(config, function)?;
        Ok(read.misbehaving(&settings()))
    }

    /// The settings that a misbehaving encoder follows in place of the client's.
    fn misbehaving(mut self, settings: &Settings) -> Self {
        if settings.does(Misbehaviour::OtherLevel) {
            self.level = 51;
        }
        if settings.does(Misbehaviour::OneProfile) {
            (self.profile, self.cabac) = (Profile::Baseline, false);
        }
        if settings.does(Misbehaviour::OneSlice) {
            self.slices = Slices::One;
        }
        if settings.does(Misbehaviour::AnyQuantiser) {
            (self.least_qp, self.most_qp) = (0, HIGHEST_QP);
        }
        if self.has_two_passes && settings.does(Misbehaviour::LargeTwoPass) {
            self.average_rate = self.average_rate.saturating_mul(3);
        }
        if settings.does(Misbehaviour::OneLayer) {
            (self.temporal_layers, self.prefixes) = (1, false);
        }
        if let Some(colour) = self.vui.signal.as_mut().and_then(|signal| signal.colour.as_mut())
            && settings.does(Misbehaviour::OtherMatrix)
        {
            colour.2 = if colour.2 == 1 { 6 } else { 1 };
        }
        self.crops = !settings.does(Misbehaviour::NoCrop);
        self
    }

    fn check_size(&self, function: Function) -> Result<(), u32> {
        let settings = settings();
        let within = |size: u32, min: usize, max: usize| {
            let limit = |number| u32::try_from(caps::of(&settings, number)).unwrap_or(0);
            (limit(min)..=limit(max)).contains(&size)
        };
        let refuse = |rule: &str| Err(broke(function, INVALID_PARAM, rule));
        if !within(self.width, caps::WIDTH_MIN, caps::WIDTH_MAX)
            || !within(self.height, caps::HEIGHT_MIN, caps::HEIGHT_MAX)
        {
            return refuse("the size is outside the capabilities");
        }
        if self.width > self.max_width || self.height > self.max_height {
            return refuse("the size is larger than maxEncodeWidth by maxEncodeHeight");
        }
        if !within(self.max_width, caps::WIDTH_MIN, caps::WIDTH_MAX)
            || !within(self.max_height, caps::HEIGHT_MIN, caps::HEIGHT_MAX)
        {
            return refuse("the maximum size is outside the capabilities");
        }
        let macroblocks = self.max_width.div_ceil(16) * self.max_height.div_ceil(16);
        if i64::from(macroblocks) > i64::from(caps::of(&settings, caps::MACROBLOCKS_MAX)) {
            return refuse("the maximum size has more macroblocks than the capabilities allow");
        }
        if self.width % 2 == 1 || self.height % 2 == 1 {
            return refuse("an odd size cannot be expressed in 4:2:0");
        }
        Ok(())
    }

    fn check_structure(&self, config: View, function: Function) -> Result<(), u32> {
        let settings = settings();
        let refuse = |status: u32, rule: &str| Err(broke(function, status, rule));
        if self.frame_rate.0 == 0 || self.frame_rate.1 == 0 {
            return refuse(INVALID_PARAM, "the frame rate is zero or has no denominator");
        }
        if !(0..=1).contains(&self.frame_interval) {
            return refuse(
                UNSUPPORTED_PARAM,
                "frameIntervalP asks for B frames, which the capabilities deny",
            );
        }
        if self.level != 0 && !(9..=62).contains(&self.level) {
            return refuse(INVALID_PARAM, "level is no level of H.264");
        }
        self.check_references(config, function)?;
        self.check_coding(config, function)?;
        if config.u32(32) > 1 {
            return refuse(UNSUPPORTED_PARAM, "frameFieldMode asks for fields, which the capabilities deny");
        }
        if config.u32(H264 + 192) > 1 {
            return refuse(
                UNSUPPORTED_PARAM,
                "chromaFormatIDC asks for more than 4:2:0, which the capabilities deny",
            );
        }
        if let Some((period, count)) = self.intra_refresh {
            if caps::of(&settings, caps::INTRA_REFRESH) == 0 {
                return refuse(UNSUPPORTED_PARAM, "intra refresh is asked for, which the capabilities deny");
            }
            if count == 0 || count >= period {
                return refuse(INVALID_PARAM, "intraRefreshCnt is not below intraRefreshPeriod");
            }
        }
        if config.bit(RATE + 36, 5) && config.half(RATE + 90) > 0 {
            return refuse(UNSUPPORTED_PARAM, "lookahead is asked for, which the capabilities deny");
        }
        if self.gop_length == INFINITE && self.frame_interval != 1 {
            return refuse(INVALID_PARAM, "gopLength is infinite and frameIntervalP is not 1");
        }
        if self.no_headers && self.repeat_headers {
            return refuse(INVALID_PARAM, "disableSPSPPS and repeatSPSPPS are both set");
        }
        Ok(())
    }

    /// Refuses coding tools that the capabilities of the GPU deny.
    fn check_coding(&self, config: View, function: Function) -> Result<(), u32> {
        let settings = settings();
        let is_baseline = self.profile == Profile::Baseline;
        let asked = [
            // Zero leaves the choice to the driver.
            (!is_baseline && config.u32(H264 + 44) == 1, caps::CABAC, "CABAC"),
            (!is_baseline && config.u32(H264 + 32) == 2, caps::TRANSFORM_8X8, "the 8x8 transform"),
            (matches!(self.slices, Slices::Bytes(_)), caps::DYNAMIC_SLICES, "slices of so many bytes"),
            (config.bit(H264, 20), caps::SINGLE_SLICE_REFRESH, "intra refresh in one slice"),
            (config.bit(RATE + 36, 8), caps::TEMPORAL_AQ, "temporal adaptive quantisation"),
        ];
        for (is_asked, capability, what) in asked {
            if is_asked && caps::of(&settings, capability) == 0 {
                let rule = format!("{what} is asked for, which the capabilities deny");
                return Err(broke(function, UNSUPPORTED_PARAM, &rule));
            }
        }
        Ok(())
    }

    fn check_references(&self, config: View, function: Function) -> Result<(), u32> {
        let refuse = |status: u32, rule: &str| Err(broke(function, status, rule));
        let settings = settings();
        if self.references > 16 {
            return refuse(INVALID_PARAM, "maxNumRefFrames is above 16");
        }
        let macroblocks = self.width.div_ceil(16) * self.height.div_ceil(16);
        if level_room(self.level).is_some_and(|room| self.references * macroblocks > room) {
            return refuse(INVALID_PARAM, "maxNumRefFrames is more than the level has room for");
        }
        if config.u32(H264 + 204) > 1 && caps::of(&settings, caps::MULTIPLE_REFERENCES) == 0 {
            return refuse(UNSUPPORTED_PARAM, "numRefL0 asks for references, which the capabilities deny");
        }
        if config.u32(H264 + 204) > 7 {
            return refuse(INVALID_PARAM, "numRefL0 is above 7");
        }
        if !config.bit(H264, 0) {
            return Ok(());
        }
        let most = u32::try_from(caps::of(&settings, caps::MAX_TEMPORAL_LAYERS)).unwrap_or(0);
        if caps::of(&settings, caps::TEMPORAL_SVC) == 0 || !(1..=most).contains(&self.temporal_layers) {
            let rule = "temporal layers are asked for, which the capabilities deny";
            return refuse(UNSUPPORTED_PARAM, rule);
        }
        let largest = config.u32(H264 + 196);
        if largest < self.temporal_layers || largest > most {
            let rule = "maxTemporalLayers is below numTemporalLayers, or above the capability";
            return refuse(INVALID_PARAM, rule);
        }
        if self.references < largest.saturating_sub(2) * 2 {
            let rule = "maxNumRefFrames is below what maxTemporalLayers needs";
            return refuse(INVALID_PARAM, rule);
        }
        Ok(())
    }

    fn check_rate(&self, config: View, function: Function) -> Result<(), u32> {
        let refuse = |status: u32, rule: &str| Err(broke(function, status, rule));
        let mode = config.u32(RATE + 4);
        let modes = u32::try_from(caps::of(&settings(), caps::RATE_CONTROL_MODES)).unwrap_or(0);
        // Constant QP, which is mode 0, needs no bit.
        if !matches!(mode, 0 | 1 | 2 | 8 | 16 | 32) || mode & !modes != 0 {
            return refuse(UNSUPPORTED_PARAM, "rateControlMode is none of the capabilities");
        }
        if self.constant_qp.is_some_and(|qp| qp > HIGHEST_QP) {
            return refuse(INVALID_PARAM, "a constant QP is above 51");
        }
        if self.least_qp > self.most_qp || self.most_qp > HIGHEST_QP {
            return refuse(INVALID_PARAM, "minQP is above maxQP, or maxQP above 51");
        }
        let (average, maximum) = (self.average_rate, config.u32(RATE + 24));
        if mode == 1 && maximum != 0 && maximum < average {
            return refuse(INVALID_PARAM, "maxBitRate is below averageBitRate");
        }
        let (buffer, initial) = (config.u32(RATE + 28), config.u32(RATE + 32));
        if buffer != 0 && caps::of(&settings(), caps::CUSTOM_VBV) == 0 {
            return refuse(UNSUPPORTED_PARAM, "vbvBufferSize is set, which the capabilities deny");
        }
        if buffer != 0 && initial > buffer {
            return refuse(INVALID_PARAM, "vbvInitialDelay is above vbvBufferSize");
        }
        // A client may find out by trying.
        if mode != 0 && !level::has_room(self.level, self.profile, average.max(maximum), buffer) {
            return Err(INVALID_PARAM);
        }
        Ok(())
    }
}

/// Macroblocks of all the frames that a decoder of a level keeps; none where the driver chooses the level.
fn level_room(level: u32) -> Option<u32> {
    Some(match level {
        0 => return None,
        1..=10 => 396,
        11 => 900,
        12..=20 => 2_376,
        21 => 4_752,
        22..=30 => 8_100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51 | 52 => 184_320,
        _ => 696_320,
    })
}

fn read_profile(config: View, function: Function) -> Result<Profile, u32> {
    match config.guid(4) {
        guid::PROFILE_BASELINE => Ok(Profile::Baseline),
        guid::PROFILE_MAIN => Ok(Profile::Main),
        guid::PROFILE_AUTO
        | guid::PROFILE_HIGH
        | guid::PROFILE_PROGRESSIVE_HIGH
        | guid::PROFILE_CONSTRAINED_HIGH => Ok(Profile::High),
        _ => Err(broke(function, UNSUPPORTED_PARAM, "profileGUID is no profile that the double encodes")),
    }
}

fn read_slices(config: View, width: u32, height: u32, function: Function) -> Result<Slices, u32> {
    let (mode, data) = (config.u32(H264 + 64), config.u32(H264 + 68));
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let count = |slices: u32| if slices <= 1 { Slices::One } else { Slices::Count(slices.min(rows).min(35)) };
    match (mode, data) {
        (0..=2, 0) => Ok(Slices::One),
        (0, macroblocks) => Ok(count((columns * rows).div_ceil(macroblocks))),
        (1, bytes) => Ok(Slices::Bytes(bytes)),
        (2, rows_each) => Ok(count(rows.div_ceil(rows_each))),
        (3, slices) => Ok(count(slices)),
        _ => Err(broke(function, INVALID_PARAM, "sliceMode is above 3")),
    }
}

fn read_vui(init: View, config: View, version: usize) -> Vui {
    let signal = (config.u32(VUI + 8) != 0).then(|| crate::h264::Signal {
        format: config.u32(VUI + 12) & 7,
        full_range: config.u32(VUI + 16) != 0,
        colour: (config.u32(VUI + 20) != 0)
            .then(|| (config.u32(VUI + 24) & 0xff, config.u32(VUI + 28) & 0xff, config.u32(VUI + 32) & 0xff)),
    });
    let timed = version >= 2 && config.u32(VUI + 52) != 0;
    Vui {
        aspect: aspect(init),
        overscan: (config.u32(VUI) != 0).then(|| config.u32(VUI + 4) & 1),
        signal,
        chroma_location: (config.u32(VUI + 36) != 0).then(|| (config.u32(VUI + 40), config.u32(VUI + 44))),
        timing: timed.then(|| (config.u32(VUI + 56), config.u32(VUI + 60))),
        restriction: config.u32(VUI + 48) != 0,
    }
}

/// The shape of a sample, if the display's shape was given and samples are not square.
fn aspect(init: View) -> Option<(u32, u32)> {
    let (width, height) = (u64::from(init.u32(36)), u64::from(init.u32(40)));
    let (shown_width, shown_height) = (u64::from(init.u32(44)), u64::from(init.u32(48)));
    if shown_width == 0 || shown_height == 0 || shown_width * height == shown_height * width {
        return None;
    }
    let (mut across, mut down) = (shown_width * height, shown_height * width);
    let (mut a, mut b) = (across, down);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    across /= a;
    down /= a;
    Some((u32::try_from(across).ok()?, u32::try_from(down).ok()?)).filter(|(w, h)| *w < 65536 && *h < 65536)
}

fn describe(init: View, config: View) -> Value {
    let mut all = serde_json::Map::new();
    for part in [describe_frame(init, config), describe_rate(config), describe_h264(config)] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

fn describe_frame(init: View, config: View) -> Value {
    let preset =
        guid::PRESETS.iter().position(|preset| *preset == init.guid(20)).map_or(0, |place| place + 1);
    json!({
        "preset": format!("P{preset}"),
        "tuningInfo": init.u32(136),
        "encodeWidth": init.u32(36), "encodeHeight": init.u32(40),
        "darWidth": init.u32(44), "darHeight": init.u32(48),
        "maxEncodeWidth": init.u32(96), "maxEncodeHeight": init.u32(100),
        "frameRateNum": init.u32(52), "frameRateDen": init.u32(56),
        "enablePTD": init.u32(64), "initFlags": init.u32(68),
        "profile": profile_name(config.guid(4)),
        "gopLength": config.u32(20), "frameIntervalP": config.u32(24),
    })
}

fn describe_rate(config: View) -> Value {
    json!({
        "rateControlMode": config.u32(RATE + 4),
        "constQP": [config.u32(RATE + 8), config.u32(RATE + 12), config.u32(RATE + 16)],
        "averageBitRate": config.u32(RATE + 20), "maxBitRate": config.u32(RATE + 24),
        "vbvBufferSize": config.u32(RATE + 28), "vbvInitialDelay": config.u32(RATE + 32),
        "rcFlags": config.u32(RATE + 36),
        "minQP": [config.u32(RATE + 40), config.u32(RATE + 44), config.u32(RATE + 48)],
        "maxQP": [config.u32(RATE + 52), config.u32(RATE + 56), config.u32(RATE + 60)],
        "lookaheadDepth": config.half(RATE + 90), "lowDelayKeyFrameScale": config.byte(RATE + 92),
        "multiPass": config.u32(RATE + 100),
    })
}

fn describe_h264(config: View) -> Value {
    json!({
        "h264Flags": config.u32(H264), "level": config.u32(H264 + 4), "idrPeriod": config.u32(H264 + 8),
        "adaptiveTransformMode": config.u32(H264 + 32), "entropyCodingMode": config.u32(H264 + 44),
        "intraRefreshPeriod": config.u32(H264 + 52), "intraRefreshCnt": config.u32(H264 + 56),
        "numTemporalLayers": config.u32(H264 + 20), "maxTemporalLayers": config.u32(H264 + 196),
        "maxNumRefFrames": config.u32(H264 + 60), "numRefL0": config.u32(H264 + 204),
        "sliceMode": config.u32(H264 + 64), "sliceModeData": config.u32(H264 + 68),
        "chromaFormatIDC": config.u32(H264 + 192),
        "vui": {
            "overscan": [config.u32(VUI), config.u32(VUI + 4)],
            "videoSignalTypePresentFlag": config.u32(VUI + 8), "videoFormat": config.u32(VUI + 12),
            "videoFullRangeFlag": config.u32(VUI + 16),
            "colourDescriptionPresentFlag": config.u32(VUI + 20),
            "colour": [config.u32(VUI + 24), config.u32(VUI + 28), config.u32(VUI + 32)],
            "bitstreamRestrictionFlag": config.u32(VUI + 48),
        },
    })
}

fn profile_name(profile: Guid) -> &'static str {
    match profile {
        guid::PROFILE_AUTO => "auto",
        guid::PROFILE_BASELINE => "baseline",
        guid::PROFILE_MAIN => "main",
        guid::PROFILE_HIGH => "high",
        guid::PROFILE_PROGRESSIVE_HIGH => "progressive high",
        guid::PROFILE_CONSTRAINED_HIGH => "constrained high",
        _ => "unknown",
    }
}
