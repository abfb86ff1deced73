//! Sizes of pictures.

use direct264::FrameSize;

use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect};
use crate::check::stream::Stream;
use crate::check::subject::{Subject, size};

/// Sizes with a remainder in macroblocks, with odd sides, and of common streams.
const USUAL: [(u32, u32); 7] =
    [(176, 144), (334, 190), (321, 181), (641, 359), (854, 480), (1280, 720), (1920, 1080)];

/// The lowest PSNR in dB of an IDR and the picture after it, in which the rate control has not settled.
pub(super) const START_DB: f64 = 25.0;

pub(in crate::check) fn sizes(subject: &Subject) -> Proof {
    let mut lowest = f64::INFINITY;
    let extremes = extremes(subject);
    for &(width, height) in USUAL.iter().chain(&extremes) {
        lowest = lowest.min(one(subject, size(width, height)?)?);
    }
    let named: Vec<_> = extremes.iter().map(|(width, height)| format!("{width}x{height}")).collect();
    let count = USUAL.len() + extremes.len();
    Ok(format!("{count} sizes, {} among them, lowest PSNR {lowest:.1} dB", named.join(" and ")))
}

fn one(subject: &Subject, size: FrameSize) -> Result<f64, Unproven> {
    let mut stream = Stream::open(subject, &subject.config(size)?)?;
    stream.frames(2)?;
    let coded = size.padded_to_even();
    let shown =
        headers::readable("size in the SPS", headers::sps(&stream.units[0].bytes)?.pixel_dimensions())?;
    let got = format!("{}x{}", shown.0, shown.1);
    expect(
        shown == (coded.width(), coded.height()),
        format!("{coded} in the SPS"),
        got,
        "EncoderConfig::new",
    )?;
    let decoded = stream.decoded()?;
    decode::near(&decoded, &stream.sources, size, START_DB)
}

/// The smallest picture of the backend, and the widest and the highest one, each as small as it may be otherwise.
fn extremes(subject: &Subject) -> Vec<(u32, u32)> {
    let Some(gpu) = &subject.gpu else { return vec![(16, 16), (4096, 16), (16, 2304)] };
    let limits = gpu.capabilities;
    // A limit that the driver does not tell is 0. A decoder takes 8192 pixels with certainty.
    let (narrow, low) =
        (limits.min_width.max(2).next_multiple_of(2), limits.min_height.max(2).next_multiple_of(2));
    let (wide, high) = (limits.max_width.min(8192), limits.max_height.min(8192));
    let mut extremes = Vec::new();
    if limits.min_width > 0 && limits.min_height > 0 {
        extremes.push((narrow, low));
    }
    if wide > 0 && high > 0 {
        extremes.extend([(wide, low.max(64)), (narrow.max(160), high)]);
    }
    extremes
}
