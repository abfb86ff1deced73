//! Measures the luma PSNR of the decoded stream against the source pictures.

use direct264::FrameSize;
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

use super::clip::Clip;
use super::contender::Contender;
use super::interrupt;
use crate::failure::Failure;

/// Stands for the infinite PSNR of a lossless picture.
const LOSSLESS_DB: f64 = 100.0;

/// Checks that this build has a decoder, which comes with the feature `openh264`.
///
/// # Errors
/// When the build has none.
pub(crate) fn check() -> Result<(), Failure> {
    if cfg!(feature = "openh264") {
        return Ok(());
    }
    Err(Failure::before("--quality needs a decoder, which this build lacks: build with the feature openh264"))
}

#[cfg(feature = "openh264")]
fn decoder() -> Result<Decoder, Failure> {
    Decoder::new().map_err(|error| Failure::after(format!("the decoder does not open: {error}")))
}

#[cfg(not(feature = "openh264"))]
fn decoder() -> Result<Decoder, Failure> {
    check().and(Err(Failure::after("no decoder")))
}

/// Decodes the contender's stream, notes the PSNR-Y of each frame and returns that of the stream. The latter follows
/// from the mean of the squared errors, as in `ffmpeg -lavfi psnr`.
///
/// # Errors
/// A stream that does not decode to one picture a frame; Ctrl-C.
pub(crate) fn measure(contender: &mut Contender, clip: &Clip) -> Result<Option<f64>, Failure> {
    let Some(stream) = contender.stream.take() else { return Ok(None) };
    let failed = |frame: usize, why: &str| {
        Failure::after(format!("{}: frame {frame} does not decode: {why}", contender.entrant.name))
    };
    let mut decoder = decoder()?;
    let mut sum = 0.0;
    for (frame, unit) in stream.iter().enumerate() {
        interrupt::check()?;
        let picture = decoder
            .decode(unit)
            .map_err(|e| failed(frame, &e.to_string()))?
            .ok_or_else(|| failed(frame, "no picture came out"))?;
        let (width, height) = picture.dimensions();
        let padded = clip.size.padded_to_even();
        if (width, height) != (padded.width() as usize, padded.height() as usize) {
            return Err(failed(frame, &format!("it has {width}x{height} pixels")));
        }
        let error = mean_squared_error(clip.picture(frame), picture.y(), picture.strides().0, clip.size);
        sum += error;
        contender.records[frame].psnr_db = Some(decibels(error));
    }
    Ok((!stream.is_empty()).then(|| decibels(sum / stream.len() as f64)))
}

/// Returns the mean squared error of luma. `source` has no padding; rows of `decoded` start `stride` bytes apart.
fn mean_squared_error(source: &[u8], decoded: &[u8], stride: usize, size: FrameSize) -> f64 {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let rows = source.chunks_exact(width).take(height).zip(decoded.chunks(stride));
    let sum: u64 = rows.map(|(source, decoded)| squared_error(source, decoded)).sum();
    sum as f64 / (width * height) as f64
}

fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    let squares = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2));
    u64::from(squares.sum::<u32>())
}

fn decibels(mean_squared_error: f64) -> f64 {
    if mean_squared_error == 0.0 {
        return LOSSLESS_DB;
    }
    (10.0 * (255.0 * 255.0 / mean_squared_error).log10()).min(LOSSLESS_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_is_that_of_the_textbook_and_never_infinite() {
        let size = FrameSize::new(2, 2).unwrap();
        let source = [10, 20, 30, 40, 99, 99];
        let decoded = [11, 19, 0, 0, 31, 39, 0, 0];
        let error = mean_squared_error(&source, &decoded, 4, size);
        assert!((error - 1.0).abs() < f64::EPSILON);
        assert!((decibels(error) - 48.1308).abs() < 1e-4);
        assert!((decibels(0.0) - LOSSLESS_DB).abs() < f64::EPSILON);
    }
}
