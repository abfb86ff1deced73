//! The settings of an encoder, as Python gives them.

use std::fmt::Display;
use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};
use std::time::Duration;

use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{
    BackOff, CallForm, CallLimits, FailoverConfig, GpuChoice, IntraRefresh, MultiPass, NvencConfig,
    NvencPreset, Profile, TemporalLayers,
};
use direct264::units::SampleAspect;
use direct264::{Backend, BackendOrder, Bitrate, EncoderConfig, FrameRate, FrameSize, QpRange};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString, PyTuple};

use crate::errors;

/// The keyword arguments of `Encoder`.
pub(crate) struct Arguments<'a, 'py> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: &'a Bound<'py, PyAny>,
    pub(crate) bitrate: u64,
    pub(crate) max_size: Option<(u32, u32)>,
    pub(crate) max_bitrate: Option<u64>,
    pub(crate) max_memory: Option<u64>,
    pub(crate) idr_period: Option<u32>,
    pub(crate) profile: &'a str,
    pub(crate) matrix: &'a str,
    pub(crate) full_range: bool,
    pub(crate) sample_aspect: Option<(u16, u16)>,
    pub(crate) temporal_layers: u8,
    pub(crate) slices: Option<u8>,
    pub(crate) threads: Option<u8>,
    pub(crate) qp_range: (u8, u8),
    pub(crate) nvenc: Option<&'a Bound<'py, PyAny>>,
    pub(crate) failover: Option<&'a Bound<'py, PyAny>>,
}

impl Arguments<'_, '_> {
    pub(crate) fn config(&self) -> PyResult<EncoderConfig> {
        let size = size((self.width, self.height))?;
        let layers = match self.temporal_layers {
            1 => TemporalLayers::One,
            2 => TemporalLayers::Two,
            other => return Err(errors::config(format!("temporal_layers={other}: 1 and 2 are taken"))),
        };
        let range = if self.full_range { ColourRange::Full } else { ColourRange::Limited };
        let matrices = [("bt709", ColourMatrix::Bt709), ("bt601", ColourMatrix::Bt601)];
        let profiles = [
            ("constrained_baseline", Profile::ConstrainedBaseline),
            ("main", Profile::Main),
            ("high", Profile::High),
        ];
        let aspect = self.sample_aspect.map(|(width, height)| SampleAspect::new(width, height));
        let config = EncoderConfig::new(size, frame_rate(self.fps)?, bitrate(self.bitrate)?)
            .max_bitrate(self.max_bitrate.map(|bps| wrong(Bitrate::from_bps(bps))).transpose()?)
            .max_memory_bytes(nonzero("max_memory", self.max_memory, NonZeroU64::new)?)
            .idr_period_frames(nonzero("idr_period", self.idr_period, NonZeroU32::new)?)
            .profile(word("profile", self.profile, &profiles)?)
            .colour(Colour { matrix: word("matrix", self.matrix, &matrices)?, range })
            .sample_aspect(aspect.map(wrong).transpose()?)
            .temporal_layers(layers)
            .slices(nonzero("slices", self.slices, NonZeroU8::new)?)
            .threads(nonzero("threads", self.threads, NonZeroU8::new)?)
            .qp_range(qp_range(self.qp_range)?);
        let config = match self.max_size {
            Some(sides) => config.max_size(self::size(sides)?),
            None => config,
        };
        let config = match self.nvenc {
            Some(nvenc) => config.nvenc(nvenc_config(nvenc)?),
            None => config,
        };
        Ok(match self.failover {
            Some(failover) => config.failover(failover_config(failover)?),
            None => config,
        })
    }
}

/// The value, or the library's error as one of a setting.
fn wrong<T, E: Display>(value: Result<T, E>) -> PyResult<T> {
    value.map_err(|error| errors::config(error.to_string()))
}

pub(crate) fn size((width, height): (u32, u32)) -> PyResult<FrameSize> {
    wrong(FrameSize::new(width, height))
}

pub(crate) fn bitrate(bps: u64) -> PyResult<Bitrate> {
    wrong(Bitrate::from_bps(bps))
}

pub(crate) fn qp_range((min, max): (u8, u8)) -> PyResult<QpRange> {
    wrong(QpRange::new(min, max))
}

/// A frame rate as a number, a fraction, or a tuple of numerator and denominator.
pub(crate) fn frame_rate(fps: &Bound<'_, PyAny>) -> PyResult<FrameRate> {
    let refused = || {
        errors::config_type(format!("fps={fps}: a number, a Fraction or (numerator, denominator) is taken"))
    };
    if fps.is_instance_of::<PyBool>() || fps.is_instance_of::<PyString>() {
        return Err(refused());
    }
    let fraction = match fps.cast::<PyTuple>() {
        Ok(tuple) => Some(tuple.extract::<(u32, u32)>().map_err(|_| refused())?),
        Err(_) => numerator_and_denominator(fps)?,
    };
    if let Some((numerator, denominator)) = fraction {
        return wrong(FrameRate::new(numerator, denominator));
    }
    let hz: f64 = fps.extract().map_err(|_| refused())?;
    // Rates of TV are thousandths of a whole number by 1001, which millionths tell apart.
    let thousandths = (hz * 1_000.0).round();
    if !(0.0..=f64::from(u32::MAX)).contains(&thousandths) {
        return Err(errors::config(format!("fps={fps} is no frame rate")));
    }
    wrong(FrameRate::new(thousandths as u32, 1_000))
}

/// The attributes of an `int`, a `Fraction` or another rational; `None` without them.
fn numerator_and_denominator(value: &Bound<'_, PyAny>) -> PyResult<Option<(u32, u32)>> {
    let (Some(numerator), Some(denominator)) =
        (value.getattr_opt("numerator")?, value.getattr_opt("denominator")?)
    else {
        return Ok(None);
    };
    let part = |part: &Bound<'_, PyAny>| {
        part.extract::<u32>().map_err(|_| errors::config(format!("fps={value} is no frame rate")))
    };
    Ok(Some((part(&numerator)?, part(&denominator)?)))
}

/// An order of backends as `"auto"`, the word of one backend, or a sequence of words, best first.
pub(crate) fn order(backend: &Bound<'_, PyAny>) -> PyResult<BackendOrder> {
    if let Ok(word) = backend.extract::<String>() {
        return wrong(word.parse());
    }
    let words: Vec<String> = backend.extract().map_err(|_| {
        errors::config_type(format!("backend={backend}: a word or a sequence of words is taken"))
    })?;
    let backends: Vec<Backend> = words.iter().map(|word| wrong(word.parse())).collect::<PyResult<_>>()?;
    wrong(BackendOrder::of(backends))
}

/// The value of a word, or an error that lists the words.
fn word<T: Copy>(argument: &str, value: &str, words: &[(&str, T)]) -> PyResult<T> {
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|&(_, meaning)| meaning).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
        errors::config(format!("{argument}={value:?}: one of {} is taken", known.join(", ")))
    })
}

/// A count of 1 or more, or `None`.
fn nonzero<T: Copy, N>(
    argument: &str,
    value: Option<T>,
    make: impl Fn(T) -> Option<N>,
) -> PyResult<Option<N>> {
    value
        .map(|value| make(value).ok_or_else(|| errors::config(format!("{argument}=0: 1 or more is taken"))))
        .transpose()
}

/// An attribute of `direct264.Nvenc` or `direct264.Failover`.
fn field<T>(options: &Bound<'_, PyAny>, class: &str, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObjectOwned<'a>,
{
    let value = options
        .getattr_opt(name)?
        .ok_or_else(|| errors::config_type(format!("{options} is no direct264.{class}: it has no {name}")))?;
    value
        .extract()
        .map_err(|_| errors::config_type(format!("{class}.{name}={value} is of another type than is taken")))
}

fn seconds(argument: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| errors::config(format!("{argument}: {seconds} is no number of seconds")))
}

fn nvenc_config(options: &Bound<'_, PyAny>) -> PyResult<NvencConfig> {
    let passes = [
        ("off", MultiPass::Off),
        ("quarter", MultiPass::QuarterResolution),
        ("full", MultiPass::FullResolution),
    ];
    let text = |name: &str| field::<String>(options, "Nvenc", name);
    let intra_refresh = field::<Option<(u32, u32)>>(options, "Nvenc", "intra_refresh")?
        .map(|(period, length)| wrong(IntraRefresh::new(period, length)))
        .transpose()?;
    let form = match field::<Option<(f64, f64, f64)>>(options, "Nvenc", "limits")? {
        Some((open, first, rest)) => CallForm::Bounded(
            CallLimits::DEFAULT
                .open(seconds("Nvenc.limits", open)?)
                .first(seconds("Nvenc.limits", first)?)
                .rest(seconds("Nvenc.limits", rest)?),
        ),
        None => CallForm::Direct,
    };
    let vbv_percent: u32 = field(options, "Nvenc", "vbv_percent")?;
    let references: u8 = field(options, "Nvenc", "reference_frames")?;
    let none = |name: &str| errors::config(format!("Nvenc.{name}=0: 1 or more is taken"));
    Ok(NvencConfig::new()
        .preset(word("Nvenc.preset", &text("preset")?, &NvencPreset::NAMED)?)
        .multi_pass(word("Nvenc.multi_pass", &text("multi_pass")?, &passes)?)
        .vbv_percent(NonZeroU32::new(vbv_percent).ok_or_else(|| none("vbv_percent"))?)
        .intra_refresh(intra_refresh)
        .single_slice_refresh(field(options, "Nvenc", "single_slice_refresh")?)
        .reference_frames(NonZeroU8::new(references).ok_or_else(|| none("reference_frames"))?)
        .gpu(gpu(options)?)
        .form(form)
        .converts_rgb(field(options, "Nvenc", "converts_rgb")?))
}

/// An index, or the text of [`GpuChoice`].
fn gpu(options: &Bound<'_, PyAny>) -> PyResult<GpuChoice> {
    match field::<u32>(options, "Nvenc", "gpu") {
        Ok(index) => Ok(GpuChoice::Index(index)),
        Err(_) => wrong(field::<String>(options, "Nvenc", "gpu")?.parse()),
    }
}

fn failover_config(options: &Bound<'_, PyAny>) -> PyResult<FailoverConfig> {
    let retry = field::<Option<(f64, f64)>>(options, "Failover", "retry")?
        .map(|(first, longest)| {
            wrong(BackOff::new(seconds("Failover.retry", first)?, seconds("Failover.retry", longest)?))
        })
        .transpose()?;
    Ok(FailoverConfig::new()
        .retry(retry)
        .warm_software(field(options, "Failover", "warm_software")?)
        .bitrate_threshold_percent(field(options, "Failover", "bitrate_threshold_percent")?))
}
