//! Values as they are written on the command line.

use direct264::{Bitrate, FrameRate, FrameSize};

/// `1920x1080`.
///
/// # Errors
/// What is wrong, with the value.
pub(crate) fn size(text: &str) -> Result<FrameSize, String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (width, height) = sides.ok_or("a size is written as 1920x1080")?;
    FrameSize::new(width, height).map_err(|e| e.to_string())
}

/// `6M`, `2.5M`, `800k` or a number of bits per second.
///
/// # Errors
/// What is wrong, with the value.
pub(crate) fn bitrate(text: &str) -> Result<Bitrate, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        _ => (text, 1.0),
    };
    let number: f64 =
        digits.parse().ok().filter(|n: &f64| n.is_finite()).ok_or("a bitrate is written as 6M or 800k")?;
    Bitrate::from_bps((number * unit).round() as u64).map_err(|e| e.to_string())
}

/// `30`, `29.97` or `30000/1001`.
///
/// # Errors
/// What is wrong, with the value.
pub(crate) fn frame_rate(text: &str) -> Result<FrameRate, String> {
    let parse = |text: &str| -> Option<(u32, u32)> {
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Some((numerator.parse().ok()?, denominator.parse().ok()?));
        }
        let number: f64 = text.parse().ok().filter(|n: &f64| n.is_finite())?;
        Some(((number * 1000.0).round() as u32, 1000))
    };
    let (numerator, denominator) = parse(text).ok_or("a frame rate is written as 30 or 30000/1001")?;
    let whole = if numerator % 1000 == 0 && denominator == 1000 { 1000 } else { 1 };
    FrameRate::new(numerator / whole, denominator / whole).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(size("640x360"), Ok(FrameSize::new(640, 360).unwrap()));
        assert_eq!(bitrate("2.5M"), Ok(Bitrate::from_kbps(2500).unwrap()));
        assert_eq!(bitrate("800k"), Ok(Bitrate::from_kbps(800).unwrap()));
        assert_eq!(frame_rate("60"), Ok(FrameRate::hz(60).unwrap()));
        assert_eq!(frame_rate("30000/1001"), Ok(FrameRate::new(30_000, 1001).unwrap()));
        assert_eq!(frame_rate("29.97"), Ok(FrameRate::new(29_970, 1000).unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "640x", "640", "-1x2", "0x0"] {
            assert!(size(text).is_err(), "{text:?}");
        }
        for text in ["", "M", "6Q", "0", "-6M", "nanM", "infM", "6€"] {
            assert!(bitrate(text).is_err(), "{text:?}");
        }
        for text in ["", "0", "-1", "30/0", "nan", "1e9"] {
            assert!(frame_rate(text).is_err(), "{text:?}");
        }
    }
}
