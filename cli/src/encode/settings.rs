//! Derives the encoder's settings from the options, the input and defaults.

use direct264::colour::{Colour, ColourRange};
use direct264::config::{FailoverConfig, GpuChoice, NvencConfig};
use direct264::failover::Opened;
use direct264::units::OutOfRange;
use direct264::{Bitrate, EncoderConfig, Error, FrameRate, FrameSize, QpRange, open};

use super::at::Schedule;
use super::options::EncodeArgs;
use super::source::VideoInput;
use crate::backend::Choice;
use crate::failure::{Failure, chain};
use crate::values::GpuName;

/// The default frame rate in Hz.
const DEFAULT_HZ: u32 = 30;

/// The settings of the encoder, and the sizes that `--at` adds.
#[derive(Debug)]
pub(super) struct EncodeSettings {
    /// The settings at the start.
    pub(super) config: EncoderConfig,
    /// The settings at each size of `--at`, with the option's text.
    at_sizes: Vec<(String, EncoderConfig)>,
    /// Defaults that the summary tells the user.
    pub(super) notes: Vec<String>,
}

impl EncodeSettings {
    /// Combines options, input and defaults.
    ///
    /// # Errors
    /// When the input's frame rate is out of range and the options give none.
    pub(super) fn of(args: &EncodeArgs, source: &VideoInput, schedule: &Schedule) -> Result<Self, Failure> {
        let mut notes = Vec::new();
        let frame_rate = match (args.fps, source.frame_rate) {
            (Some(rate), _) => rate,
            (None, Some((numerator, denominator))) => {
                FrameRate::new(numerator, denominator).map_err(|error| {
                    Failure::before(format!("{} says in its y4m header: {error}; give --fps", source.name))
                })?
            }
            (None, None) => {
                notes.push(format!("{DEFAULT_HZ} frames a second assumed: set it with --fps"));
                FrameRate::hz(DEFAULT_HZ).map_err(|error| impossible(&error))?
            }
        };
        let bitrate = match args.bitrate {
            Some(bitrate) => bitrate,
            None => {
                notes.push("bitrate chosen by size and frame rate: set it with --bitrate".into());
                default_bitrate(source.size, frame_rate).map_err(|error| impossible(&error))?
            }
        };
        let range = args.range.map(ColourRange::from).or(source.range).unwrap_or(ColourRange::Limited);
        let max_size = schedule.sizes().try_fold(source.size, |max, (size, _)| {
            FrameSize::new(max.width().max(size.width()), max.height().max(size.height()))
        });
        let max_size = max_size.map_err(|error| impossible(&error))?;
        // Twice the bitrate is the library's own default.
        let beyond_default = schedule.highest_bitrate().filter(|highest| highest.bps() / 2 > bitrate.bps());
        let max_bitrate = args.max_bitrate.or(beyond_default);
        let gpu = args.gpu.as_ref().map_or(Ok(GpuChoice::Any), GpuName::choice);
        let nvenc = NvencConfig::new().gpu(gpu.map_err(|error| impossible(&error))?);
        let config_of = |size| {
            EncoderConfig::new(size, frame_rate, bitrate)
                .max_size(max_size)
                .max_bitrate(max_bitrate)
                .idr_period_frames(args.idr_every.0)
                .profile(args.profile.into())
                .colour(Colour { matrix: args.colour.into(), range })
                .sample_aspect(source.aspect)
                .qp_range(args.qp.unwrap_or(QpRange::DEFAULT))
                .slices(args.slices)
                .threads(args.threads)
                .nvenc(nvenc.clone())
                // A bitrate of --at holds as written, without the threshold for small increases.
                .failover(FailoverConfig::new().bitrate_threshold_percent(0))
        };
        let at_sizes = schedule.sizes().map(|(size, text)| (text.to_owned(), config_of(size))).collect();
        Ok(Self { config: config_of(source.size), at_sizes, notes })
    }

    /// Opens the encoder after a trial of every size of `--at`, so that errors come before the first frame.
    ///
    /// # Errors
    /// When no backend of the choice accepts the settings.
    pub(super) fn open(&self, choice: &Choice, source: &VideoInput) -> Result<Opened, Failure> {
        for (text, config) in &self.at_sizes {
            open(config, &choice.order)
                .map_err(|error| Failure::before(format!("--at {text}: {}", said(&error, choice))))?;
        }
        open(&self.config, &choice.order)
            .map_err(|error| Failure::before(format!("{}: {}", source.name, said(&error, choice))))
    }
}

/// Returns a failure to open in words, with advice.
fn said(error: &Error, choice: &Choice) -> String {
    match error {
        Error::Config(error) => error.to_string(),
        Error::Unavailable(why) => {
            let mut line = why.to_string();
            if !why.advice().is_empty() {
                line = format!("{line}; what to do: {}", why.advice());
            }
            if !choice.said.is_empty() && choice.order.backends().len() == 1 {
                line = format!("{line}; {} allows no other backend", choice.said);
            }
            line
        }
        other => chain(other),
    }
}

/// Returns the default bitrate: 6 Mbit/s for 1080p at 60 frames per second. Other streams scale with the power 3/4 of
/// pixels per second, since small pictures need more bits per pixel. The result is rounded to two digits.
fn default_bitrate(size: FrameSize, frame_rate: FrameRate) -> Result<Bitrate, OutOfRange> {
    const REFERENCE_BPS: f64 = 6e6;
    const REFERENCE_PIXELS: f64 = 1920.0 * 1080.0 * 60.0;
    let pixels = f64::from(size.width()) * f64::from(size.height()) * frame_rate.as_f64();
    let bps = REFERENCE_BPS * (pixels / REFERENCE_PIXELS).powf(0.75);
    let unit = 10f64.powf(bps.log10().floor() - 1.0);
    let rounded = (bps / unit).round() * unit;
    Bitrate::from_bps((rounded as u64).clamp(64_000, u64::from(Bitrate::MAX.bps())))
}

/// Returns a failure for an error that the checks above rule out, rather than a panic.
fn impossible(error: &dyn std::error::Error) -> Failure {
    Failure::before(format!("a default of the command itself is refused: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(width: u32, height: u32, hz: u32) -> u32 {
        let size = FrameSize::new(width, height).unwrap();
        default_bitrate(size, FrameRate::hz(hz).unwrap()).unwrap().bps() / 1_000
    }

    #[test]
    fn the_default_bitrate_is_what_people_would_choose() {
        assert_eq!(kbps(1920, 1080, 60), 6_000);
        assert_eq!(kbps(1920, 1080, 30), 3_600);
        assert_eq!(kbps(1280, 720, 30), 1_900);
        assert_eq!(kbps(640, 360, 30), 690);
        assert_eq!(kbps(3840, 2160, 60), 17_000);
    }

    #[test]
    fn the_default_bitrate_stays_within_what_is_taken() {
        assert_eq!(kbps(1, 1, 1), 64);
        assert!(kbps(16_384, 16_384, 1_000) <= 800_000);
    }
}
