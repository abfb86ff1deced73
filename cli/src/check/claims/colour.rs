//! RGB against the matrix and range that the VUI signals, by default and where NVENC converts.

use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::frame::RgbOrder;
use direct264::{Frame, Picture, PixelFormat, QpRange, Timestamp};

use super::frames::usual;
use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect, failed};
use crate::check::stream::{encode, open_encoder};
use crate::check::subject::{Subject, ours};

/// The colour bars: grey levels, primaries and two mixed colours.
pub(super) const BARS: [[u8; 3]; 8] = [
    [235, 235, 235],
    [20, 20, 20],
    [220, 30, 30],
    [30, 200, 40],
    [40, 40, 220],
    [128, 128, 128],
    [200, 120, 40],
    [30, 90, 180],
];

/// The most by which a channel may differ after conversion to 4:2:0, coding at a fine quantiser, and conversion back.
/// Another matrix makes more than twice as much of these bars, another range too.
const MOST: f64 = 8.0;

const ALL: [(&str, Colour); 4] = [
    ("BT.709 limited", Colour { matrix: ColourMatrix::Bt709, range: ColourRange::Limited }),
    ("BT.709 full", Colour { matrix: ColourMatrix::Bt709, range: ColourRange::Full }),
    ("BT.601 limited", Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited }),
    ("BT.601 full", Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Full }),
];

pub(in crate::check) fn colour(subject: &Subject) -> Proof {
    each(subject, &[RgbOrder::Rgb24, RgbOrder::Rgba], false)
}

/// NVENC takes packed pixels of four bytes alone.
pub(in crate::check) fn rgb_on_gpu(subject: &Subject) -> Proof {
    each(subject, &[RgbOrder::Rgba, RgbOrder::Bgra], true)
}

fn each(subject: &Subject, orders: &[RgbOrder], converts_rgb: bool) -> Proof {
    let mut figures = Vec::new();
    for (name, colour) in ALL {
        let mut most = 0.0_f64;
        for &order in orders {
            most = most.max(furthest(subject, order, colour, converts_rgb)?);
        }
        figures.push(format!("{name} {most:.1}"));
    }
    Ok(format!("furthest level of a channel: {}", figures.join(", ")))
}

/// Encodes the bars as RGB, decodes them, converts them back by the VUI, and returns the largest difference of a
/// channel. With `converts_rgb` NVENC converts the pixels of four bytes itself, for any of the colours.
///
/// # Errors
/// A VUI that signals another colour than asked for; a difference above [`MOST`].
pub(super) fn furthest(
    subject: &Subject,
    order: RgbOrder,
    colour: Colour,
    converts_rgb: bool,
) -> Result<f64, Unproven> {
    let size = usual()?;
    let nvenc = subject.nvenc().converts_rgb(converts_rgb);
    let config = subject.config(size)?.colour(colour).qp_range(ours(QpRange::new(0, 10))?).nvenc(nvenc);
    let mut encoder = open_encoder(subject, &config)?;
    let (width, height) = (size.width() as usize, size.height() as usize);
    let pixels = bars(width, height, order);
    let frame = ours(Frame::contiguous(size, PixelFormat::Rgb(order), &pixels, Timestamp(0)))?;
    let bytes = encode(&mut encoder, &frame, Picture::Auto)?.bytes.to_vec();
    let signalled = signalled(&bytes)?;
    let wanted = (colour.matrix.code_point(), colour.range == ColourRange::Full);
    let words = |(matrix, is_full)| format!("matrix {matrix}, full range {is_full} in the VUI");
    expect(signalled == wanted, words(wanted), words(signalled), "EncoderConfig::colour")?;

    let decoded = decode::all([&bytes[..]])?;
    let decoded = decoded.first().ok_or_else(|| failed("a picture", "none", "the decoder of openh264"))?;
    let mut most = 0.0_f64;
    for (bar, wanted) in BARS.into_iter().enumerate() {
        let middle = (2 * bar + 1) * width / (2 * BARS.len());
        for row in [0, height / 2, height - 1] {
            let got = rgb(decoded.at(middle, row), signalled);
            let difference = got.iter().zip(wanted).map(|(got, wanted)| (got - f64::from(wanted)).abs());
            let difference = difference.fold(0.0, f64::max);
            let words = got.map(|level| level.round() as i64);
            let call = format!("Encoder::encode of {order:?}");
            expect(difference <= MOST, format!("RGB {wanted:?}"), format!("{words:?} by the VUI"), &call)?;
            most = most.max(difference);
        }
    }
    Ok(most)
}

/// Returns matrix and full range of the VUI.
fn signalled(unit: &[u8]) -> Result<(u8, bool), Unproven> {
    let vui = headers::sps(unit)?.vui_parameters;
    let signal = vui.and_then(|vui| vui.video_signal_type);
    let told = signal.and_then(|signal| {
        Some((signal.colour_description?.matrix_coefficients, signal.video_full_range_flag))
    });
    told.ok_or_else(|| failed("a colour description in the VUI", "none", "EncoderConfig::colour"))
}

fn bars(width: usize, height: usize, order: RgbOrder) -> Vec<u8> {
    let pixel = |column: usize| {
        let [r, g, b] = BARS[column * BARS.len() / width];
        match order {
            RgbOrder::Bgr24 => vec![b, g, r],
            RgbOrder::Rgba => vec![r, g, b, 0xa5],
            RgbOrder::Bgra => vec![b, g, r, 0xa5],
            _ => vec![r, g, b],
        }
    };
    let row: Vec<u8> = (0..width).flat_map(pixel).collect();
    row.repeat(height)
}

/// Converts a pixel to RGB by matrix and range (ITU-T H.264, equations E-16 and on).
fn rgb([y, cb, cr]: [u8; 3], (matrix, is_full): (u8, bool)) -> [f64; 3] {
    let (kr, kb) = match matrix {
        1 => (0.2126, 0.0722),
        9 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    };
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    let (y, cb, cr) = if is_full {
        (y, cb, cr)
    } else {
        ((y - 16.0) * 255.0 / 219.0, cb * 255.0 / 224.0, cr * 255.0 / 224.0)
    };
    let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b].map(|level| level.clamp(0.0, 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrices_are_those_of_the_standards() {
        let near = |pixel, signalled, wanted: [f64; 3]| {
            let got = rgb(pixel, signalled);
            assert!(got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 2.0), "{got:?}");
        };
        // Red in BT.601 at limited range is 81, 90, 240; green in BT.709 at full range is 182, 30, 12.
        near([81, 90, 240], (6, false), [255.0, 0.0, 0.0]);
        near([182, 30, 12], (1, true), [0.0, 255.0, 0.0]);
        near([235, 128, 128], (1, false), [255.0; 3]);
    }

    #[test]
    fn another_matrix_or_range_is_beyond_the_tolerance() {
        // The bars in BT.601 limited, read as each of the other three.
        let (kr, kb) = (0.299, 0.114);
        let yuv = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(f64::from);
            let y = kr * r + (1.0 - kr - kb) * g + kb * b;
            let (cb, cr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
            [16.0 + y * 219.0 / 255.0, 128.0 + cb * 224.0 / 255.0, 128.0 + cr * 224.0 / 255.0]
                .map(|v| v.round() as u8)
        };
        let furthest = |signalled| {
            let differences = BARS.into_iter().flat_map(|bar| {
                let got = rgb(yuv(bar), signalled);
                (0..3).map(move |channel| (got[channel] - f64::from(bar[channel])).abs())
            });
            differences.fold(0.0, f64::max)
        };
        assert!(furthest((6, false)) < 3.0);
        for other in [(6, true), (1, false), (1, true)] {
            assert!(furthest(other) > 2.0 * MOST, "{other:?}: {}", furthest(other));
        }
    }
}
