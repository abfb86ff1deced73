//! One pass against two.

use direct264::config::MultiPass;
use direct264::{EncoderConfig, Frame, PixelFormat, Timestamp};

use super::frames::usual;
use crate::bench::source::BuiltIn;
use crate::check::outcome::{Proof, Unproven, expect};
use crate::check::stream::{encode, open_encoder};
use crate::check::subject::{Subject, ours};

/// Frames with a change of scene in the middle, which is where a picture outgrows its share.
const FRAMES: u32 = 40;
/// Access units before this one are those in which the rate control settles.
const SETTLED: usize = 10;

pub(in crate::check) fn passes(subject: &Subject) -> Proof {
    let one = largest(subject, MultiPass::Off)?;
    let two = largest(subject, MultiPass::QuarterResolution)?;
    // Within a tenth the two count as equal.
    let is_kept = two as f64 <= one as f64 * 1.1;
    let expected = format!("at most {one} bytes, as with one pass");
    expect(is_kept, expected, format!("{two} bytes with two passes"), "NvencConfig::multi_pass")?;
    Ok(format!("largest P picture across a change of scene: {one} bytes with one pass, {two} with two"))
}

/// Returns the bytes of the largest settled access unit.
fn largest(subject: &Subject, passes: MultiPass) -> Result<usize, Unproven> {
    let size = usual()?;
    let config: EncoderConfig = subject.config(size)?.nvenc(subject.nvenc().multi_pass(passes));
    let mut encoder = open_encoder(subject, &config)?;
    let source = BuiltIn::new(size, FRAMES, 2);
    let mut largest = 0;
    for number in 0..FRAMES {
        let pixels = source.picture(number);
        let frame = ours(Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number.into())))?;
        let unit = encode(&mut encoder, &frame, direct264::Picture::Auto)?;
        if number as usize >= SETTLED {
            largest = largest.max(unit.bytes.len());
        }
    }
    Ok(largest)
}
