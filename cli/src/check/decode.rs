//! Decodes access units with openh264's decoder, which is no part of an encoder.

use direct264::FrameSize;
#[cfg(feature = "openh264")]
use openh264::decoder::Decoder;
#[cfg(feature = "openh264")]
use openh264::formats::YUVSource;

#[cfg(feature = "openh264")]
use super::outcome::failed;
use super::outcome::{Unproven, expect};

/// A decoded picture, as contiguous I420.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) i420: Vec<u8>,
}

impl Decoded {
    /// Whether the picture has this size.
    pub(super) fn is_of(&self, size: FrameSize) -> bool {
        (self.width, self.height) == (size.width() as usize, size.height() as usize)
    }

    /// Returns luma, Cb and Cr at a pixel.
    pub(super) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let luma = self.width * self.height;
        let chroma = y / 2 * (self.width / 2) + x / 2;
        [self.i420[y * self.width + x], self.i420[luma + chroma], self.i420[luma + luma / 4 + chroma]]
    }
}

const CALL: &str = "the decoder of openh264";

/// Decodes a stream from its first IDR on. Each access unit has to give its picture at once.
///
/// # Errors
/// [`Unproven::NotApplicable`] in a build without a decoder.
#[cfg(feature = "openh264")]
pub(super) fn all<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Decoded>, Unproven> {
    let mut decoder = Decoder::new().map_err(|error| failed("a decoder", error, CALL))?;
    units.into_iter().enumerate().map(|(number, unit)| one(&mut decoder, number, unit)).collect()
}

#[cfg(feature = "openh264")]
fn one(decoder: &mut Decoder, number: usize, unit: &[u8]) -> Result<Decoded, Unproven> {
    let expected = || format!("a picture of access unit {number}");
    let picture = decoder
        .decode(unit)
        .map_err(|error| failed(expected(), error, CALL))?
        .ok_or_else(|| failed(expected(), "no picture", CALL))?;
    let (width, height) = picture.dimensions();
    let (y_stride, u_stride, v_stride) = picture.strides();
    let mut i420 = Vec::with_capacity(width * height * 3 / 2);
    for (plane, stride, columns, rows) in [
        (picture.y(), y_stride, width, height),
        (picture.u(), u_stride, width / 2, height / 2),
        (picture.v(), v_stride, width / 2, height / 2),
    ] {
        plane.chunks(stride).take(rows).for_each(|row| i420.extend_from_slice(&row[..columns]));
    }
    let whole = width * height + 2 * (width / 2) * (height / 2);
    expect(i420.len() == whole, format!("{whole} bytes of pixels"), i420.len(), CALL)?;
    Ok(Decoded { width, height, i420 })
}

/// Says that this build has no decoder.
#[cfg(not(feature = "openh264"))]
pub(super) fn all<'a>(_: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Decoded>, Unproven> {
    Err(Unproven::NotApplicable(
        "this build has no decoder, which comes with the feature openh264".to_owned(),
    ))
}

/// Compares decoded pictures with their sources, and returns the lowest PSNR of a plane in dB. `sources` are
/// contiguous I420 of `size`; a decoded picture may be larger by the padding to even sides.
///
/// # Errors
/// A picture below `floor_db`, or of another size.
pub(super) fn near(
    decoded: &[Decoded],
    sources: &[Vec<u8>],
    size: FrameSize,
    floor_db: f64,
) -> Result<f64, Unproven> {
    let coded = size.padded_to_even();
    expect(decoded.len() == sources.len(), format!("{} pictures", sources.len()), decoded.len(), CALL)?;
    let mut lowest = f64::INFINITY;
    for (number, (decoded, source)) in decoded.iter().zip(sources).enumerate() {
        let got = format!("{}x{} of access unit {number}", decoded.width, decoded.height);
        expect(decoded.is_of(coded), coded, got, CALL)?;
        let psnr_db = psnr(decoded, source, size);
        let expected = format!("at least {floor_db} dB of access unit {number} in each plane");
        expect(psnr_db >= floor_db, expected, format!("{psnr_db:.1} dB"), CALL)?;
        lowest = lowest.min(psnr_db);
    }
    Ok(lowest)
}

/// Returns the lowest PSNR of the three planes in dB; 100 for equal ones.
pub(super) fn psnr(decoded: &Decoded, source: &[u8], size: FrameSize) -> f64 {
    let (columns, rows) = size.chroma();
    let sides = [(size.width(), size.height()), (columns, rows), (columns, rows)];
    let (mut theirs, mut ours) = (&decoded.i420[..], source);
    let mut lowest = 100.0_f64;
    for (place, (columns, rows)) in sides.into_iter().enumerate() {
        let (columns, rows) = (columns as usize, rows as usize);
        let halved = if place == 0 { 1 } else { 2 };
        let (stride, height) = (decoded.width / halved, decoded.height / halved);
        let pairs = theirs.chunks(stride.max(1)).zip(ours.chunks(columns)).take(rows);
        let squares: u64 = pairs.map(|(a, b)| squared_error(a, b)).sum();
        lowest = lowest.min(decibels(squares, columns * rows));
        theirs = theirs.get(stride * height..).unwrap_or_default();
        ours = ours.get(columns * rows..).unwrap_or_default();
    }
    lowest
}

fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
}

fn decibels(squares: u64, samples: usize) -> f64 {
    if squares == 0 {
        return 100.0;
    }
    (10.0 * (255.0 * 255.0 * samples as f64 / squares as f64).log10()).min(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_plane_counts_and_padding_does_not() {
        let size = FrameSize::new(3, 1).unwrap();
        // 4x2 decoded, of which the source has 3x1 luma and 2x1 chroma.
        let mut decoded = Decoded { width: 4, height: 2, i420: vec![9, 9, 9, 0, 0, 0, 0, 0, 50, 60, 70, 80] };
        let source = [9, 9, 9, 50, 60, 70, 80];
        assert!((psnr(&decoded, &source, size) - 100.0).abs() < 1e-9);
        decoded.i420[8] = 51;
        assert!((psnr(&decoded, &source, size) - 51.141).abs() < 1e-3);
        assert!(near(&[decoded.clone()], &[source.to_vec()], size, 51.0).is_ok());
        assert!(near(&[decoded], &[source.to_vec()], size, 52.0).is_err());
    }
}
