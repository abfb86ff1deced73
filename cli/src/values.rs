//! Parses the values of the command line: `6M`, `1280x720`, `29.97`, `GPU-...`.
//!
//! The error of each function names the text and how to write the value; clap adds the option's name.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};

use direct264::config::GpuChoice;
use direct264::error::ConfigError;
use direct264::{Backend, Bitrate, FrameRate, FrameSize, PixelFormat, QpRange};

/// Television frame rates in Hz; the exact rates are 1000/1001 of them.
const TELEVISION_HZ: [u32; 7] = [15, 24, 30, 48, 60, 120, 240];

/// Parses a bitrate: `6M`, `2.5M`, `800k`, or bits per second in digits.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn bitrate(text: &str) -> Result<Bitrate, String> {
    let refused = || format!("\"{text}\" is no bitrate: write it like 6M, 2.5M, 800k or 2500000 (bit/s)");
    let (digits, decimals) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 6),
        Some(b'k' | b'K') => (&text[..text.len() - 1], 3),
        _ => (text, 0),
    };
    let bps = decimal(digits, decimals).ok_or_else(refused)?;
    Bitrate::from_bps(bps).map_err(|error| error.to_string())
}

/// Parses a frame rate: `30`, `30000/1001`, `29.97` (which means 30000/1001) or another decimal.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn frame_rate(text: &str) -> Result<FrameRate, String> {
    let refused = || format!("\"{text}\" is no frame rate: write it like 30, 29.97 or 30000/1001");
    let (numerator, denominator) = match text.split_once('/') {
        Some((upper, lower)) => (decimal(upper, 0), decimal(lower, 0)),
        None => match decimal(text, 3) {
            Some(thousandths) => (Some(thousandths), Some(1_000)),
            None => (None, None),
        },
    };
    let (Some(numerator), Some(denominator)) = (numerator, denominator) else { return Err(refused()) };
    let (numerator, denominator) = match television(numerator, denominator) {
        Some(rate) if !text.contains('/') => rate,
        _ => reduced(numerator, denominator),
    };
    let (Ok(numerator), Ok(denominator)) = (u32::try_from(numerator), u32::try_from(denominator)) else {
        return Err(refused());
    };
    // The message shows the text as typed, not the reduced fraction.
    let outside = |_| format!("frame rate {text} is outside 1/10 to {} frames per second", FrameRate::MAX_HZ);
    FrameRate::new(numerator, denominator).map_err(outside)
}

/// Parses a size such as `1280x720`.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn size(text: &str) -> Result<FrameSize, String> {
    let refused = || format!("\"{text}\" is no size: write it like 1280x720");
    let (width, height) = text.split_once('x').ok_or_else(refused)?;
    let side = |digits: &str| match decimal(digits, 0) {
        Some(pixels) => Ok(u32::try_from(pixels).unwrap_or(u32::MAX)),
        None => Err(refused()),
    };
    let outside = |_| format!("size {text} has a side outside 1 to {} pixels", FrameSize::MAX_SIDE);
    FrameSize::new(side(width)?, side(height)?).map_err(outside)
}

/// Parses the name of a backend: `nvenc` or `openh264`.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn backend(text: &str) -> Result<Backend, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no backend that can be measured: say nvenc or openh264"))
}

/// Parses the name of a pixel format, such as `i420` or `nv12`.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn pixel_format(text: &str) -> Result<PixelFormat, String> {
    let names = PixelFormat::NAMED.map(|(name, _)| name).join(", ");
    PixelFormat::NAMED
        .into_iter()
        .find_map(|(name, format)| (name == text).then_some(format))
        .ok_or_else(|| format!("\"{text}\" is no pixel format: say one of {names}"))
}

/// Returns the name of a pixel format.
#[must_use]
pub fn pixel_format_name(format: PixelFormat) -> &'static str {
    PixelFormat::NAMED.into_iter().find_map(|(name, named)| (named == format).then_some(name)).unwrap_or("?")
}

/// Parses a range of quantisers such as `10..51`, both ends included.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn qp_range(text: &str) -> Result<QpRange, String> {
    let refused = || format!("\"{text}\" is no range of quantisers: write it like 10..51");
    let (min, max) = text.split_once("..").ok_or_else(refused)?;
    let side = |digits: &str| match decimal(digits, 0) {
        Some(qp) => Ok(u8::try_from(qp).unwrap_or(u8::MAX)),
        None => Err(refused()),
    };
    let outside = |_| format!("quantiser range {text} is empty or goes beyond {}", QpRange::MAX_QP);
    QpRange::new(side(min)?, side(max)?).map_err(outside)
}

/// Parses a number from 1 to 255.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn count(text: &str) -> Result<NonZeroU8, String> {
    let count = decimal(text, 0).and_then(|count| NonZeroU8::new(u8::try_from(count).ok()?));
    count.ok_or_else(|| format!("\"{text}\" is no number from 1 to {}", u8::MAX))
}

/// The distance of periodic IDRs in frames; `None` for no periodic IDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdrPeriod(pub(crate) Option<NonZeroU32>);

/// Parses an IDR period: a number of frames, or `never`.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn idr_period(text: &str) -> Result<IdrPeriod, String> {
    if text == "never" {
        return Ok(IdrPeriod(None));
    }
    let frames = decimal(text, 0).and_then(|frames| NonZeroU32::new(u32::try_from(frames).ok()?));
    let refused = || format!("\"{text}\" is neither a number of frames (1 to {}) nor never", u32::MAX);
    frames.map(|frames| IdrPeriod(Some(frames))).ok_or_else(refused)
}

/// A GPU by index or UUID, as `nvidia-smi -L` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuName {
    /// The GPU's place in the driver's list, from 0.
    Index(u32),
    /// The GPU's UUID, which does not depend on the slot.
    Uuid(String),
}

impl GpuName {
    /// Converts the name to the library's type.
    ///
    /// # Errors
    /// [`ConfigError`] when the UUID is malformed.
    pub fn choice(&self) -> Result<GpuChoice, ConfigError> {
        self.to_string().parse()
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Uuid(uuid) => f.write_str(uuid),
        }
    }
}

/// Parses a GPU: an index such as `0`, or a UUID such as `GPU-8f6d...`.
///
/// # Errors
/// One clause that names the text and how to write the value.
pub fn gpu(text: &str) -> Result<GpuName, String> {
    if let Some(index) = decimal(text, 0).and_then(|index| u32::try_from(index).ok()) {
        return Ok(GpuName::Index(index));
    }
    if text.starts_with("GPU-") && text.parse::<GpuChoice>().is_ok() {
        return Ok(GpuName::Uuid(text.to_owned()));
    }
    Err(format!(
        "\"{text}\" is no GPU: give its index or its UUID (GPU- and 36 characters), as nvidia-smi -L lists them"
    ))
}

/// Formats a bitrate in kbit/s or Mbit/s.
pub(crate) fn rate_for_people(bps: f64) -> String {
    if bps >= 999_500.0 { format!("{:.2} Mbit/s", bps / 1e6) } else { format!("{:.0} kbit/s", bps / 1e3) }
}

/// Parses a decimal number and returns it times ten to the power of `decimals`. Returns `None` for other text, for more
/// decimals, and for a number that overflows.
fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let significant = part.trim_end_matches('0');
    if !is_number(whole) || !is_number(part) || significant.len() > decimals {
        return None;
    }
    format!("{whole}{significant:0<decimals$}").parse().ok()
}

/// Returns the television frame rate that the fraction rounds.
fn television(numerator: u64, denominator: u64) -> Option<(u64, u64)> {
    let given = numerator as f64 / denominator as f64;
    TELEVISION_HZ
        .into_iter()
        .find(|&hz| (f64::from(hz) * 1_000.0 / 1_001.0 - given).abs() < 0.006)
        .map(|hz| (u64::from(hz) * 1_000, 1_001))
}

fn reduced(numerator: u64, denominator: u64) -> (u64, u64) {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let divisor = a.max(1);
    (numerator / divisor, denominator / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrates_are_read_as_people_write_them() {
        for (text, bps) in
            [("6M", 6_000_000), ("2.5M", 2_500_000), ("800k", 800_000), ("800K", 800_000), ("64000", 64_000)]
        {
            assert_eq!(bitrate(text).map(Bitrate::bps), Ok(bps), "{text}");
        }
    }

    #[test]
    fn what_is_no_bitrate_is_refused_with_the_value() {
        for text in
            ["6Q", "", "M", "-6M", "+6M", "6 M", "1.5", "6MM", "0x6", "1.2.3M", ".5M", "6.M", "\u{e9}M"]
        {
            let refused = bitrate(text).unwrap_err();
            assert!(refused.contains(&format!("\"{text}\" is no bitrate")), "{refused}");
        }
        assert!(bitrate("0").unwrap_err().contains("bitrate 0 is outside 1000 to 800000000"));
        assert!(bitrate("900M").unwrap_err().contains("900000000 is outside"));
        assert!(bitrate("99999999999999999999M").is_err());
    }

    #[test]
    fn frame_rates_are_read_as_people_write_them() {
        for (text, numerator, denominator) in [
            ("30", 30, 1),
            ("30000/1001", 30_000, 1_001),
            ("29.97", 30_000, 1_001),
            ("23.976", 24_000, 1_001),
            ("59.94", 60_000, 1_001),
            ("12.5", 25, 2),
            ("60/2", 30, 1),
            ("2997/100", 2_997, 100),
        ] {
            assert_eq!(frame_rate(text), Ok(FrameRate::new(numerator, denominator).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_frame_rate_is_refused_with_the_value() {
        for text in [
            "",
            "fast",
            "30/",
            "/1",
            "30:1",
            "-30",
            "1e3",
            "30.12345",
            "99999999999",
            "7664337746/3233444444440",
        ] {
            assert!(
                frame_rate(text).unwrap_err().contains(&format!("\"{text}\" is no frame rate")),
                "{text}"
            );
        }
        for text in ["0", "30/0", "0/30", "1001", "0.01"] {
            let wanted = format!("frame rate {text} is outside 1/10 to 1000");
            assert!(frame_rate(text).unwrap_err().contains(&wanted), "{text}");
        }
    }

    #[test]
    fn sizes_periods_ranges_and_gpus_are_read_or_refused() {
        assert_eq!(size("1280x720"), Ok(FrameSize::new(1280, 720).unwrap()));
        for text in ["1280", "x720", "1280x", "1280X720", "1280x720x3", "-1x2"] {
            assert!(size(text).unwrap_err().contains("is no size"), "{text}");
        }
        for text in ["0x720", "99999999999x2"] {
            let wanted = format!("size {text} has a side outside 1 to 16384 pixels");
            assert_eq!(size(text).unwrap_err(), wanted);
        }
        assert_eq!(idr_period("never"), Ok(IdrPeriod(None)));
        assert_eq!(idr_period("60"), Ok(IdrPeriod(NonZeroU32::new(60))));
        assert!(idr_period("0").is_err());
        assert_eq!(count("4"), Ok(NonZeroU8::new(4).unwrap()));
        assert!(count("0").unwrap_err().contains("\"0\" is no number from 1 to 255"));
        assert!(count("256").is_err());
        assert_eq!(qp_range("12..40"), Ok(QpRange::new(12, 40).unwrap()));
        assert!(qp_range("40..12").unwrap_err().contains("40..12 is empty"));
        assert!(qp_range("0..300").unwrap_err().contains("0..300 is empty or goes beyond 51"));
        assert!(qp_range("12").is_err());
        assert_eq!(gpu("1"), Ok(GpuName::Index(1)));
        let uuid = "GPU-01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(gpu(uuid), Ok(GpuName::Uuid(uuid.into())));
        assert!(gpu("GPU-1").is_err());
        let misplaced = "GPU-01234567-89ab-cdef-01236-45789abcdef";
        assert!(gpu(misplaced).unwrap_err().contains(&format!("\"{misplaced}\" is no GPU")));
    }
}
