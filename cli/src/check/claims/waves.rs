//! Waves of intra refresh, at a receiver that lost a frame.

use std::num::NonZeroU32;

use direct264::Picture;
use h264_reader::Context;

use super::frames::{FLOOR_DB, expect_idrs, usual};
use crate::check::conceal::repetition;
use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect, failed};
use crate::check::stream::Stream;
use crate::check::subject::Subject;

/// The frame that the receiver loses, and the one that starts the wave.
const LOST: usize = 6;
const START: usize = 10;
/// The length asked for in frames. A wave sweeps rows of 32 pixels, of which the usual size has fewer.
const ASKED: u32 = 24;
const FRAMES: usize = 24;
/// The PSNR in dB of a receiver's picture against that of a receiver which lost nothing. The pictures are noisy: what
/// is left of a loss stays below.
const REPAIRED_DB: f64 = 42.0;

pub(in crate::check) fn waves(subject: &Subject) -> Proof {
    subject.needs(|can| can.intra_refresh, "intra refresh")?;
    let size = usual()?;
    let mut stream = Stream::open(subject, &subject.config(size)?)?;
    let wave = Picture::IntraRefresh { frames: NonZeroU32::new(ASKED).unwrap_or(NonZeroU32::MIN) };
    for number in 0..FRAMES {
        stream.frame(if number == START { wave } else { Picture::Auto })?;
    }
    let call = "Encoder::encode with Picture::IntraRefresh";
    expect_idrs(&stream, &[0], call)?;
    let wanted = stream.decoded()?;
    decode::near(&wanted, &stream.sources, size, FLOOR_DB)?;

    let mut sets = Context::new();
    headers::note_sets(&mut sets, &stream.units[0].bytes)?;
    let lost = repetition(&sets, &stream.units[LOST].bytes)?;
    let units = stream.units.iter().enumerate();
    let received = units.map(|(number, unit)| if number == LOST { &lost[..] } else { &unit.bytes[..] });
    let shown = decode::all(received)?;
    let psnr = |number: usize| decode::psnr(&shown[number], &wanted[number].i420, size);
    let before = psnr(START - 1);
    if before >= REPAIRED_DB {
        return Err(Unproven::NotApplicable(format!("the lost frame does not show: {before:.1} dB")));
    }
    let last = stream.units.iter().rposition(|unit| unit.refresh.is_some());
    let closed = last.ok_or_else(|| failed("access units with their place in the wave", "none", call))?;
    let length = closed + 1 - START;
    let after = (closed..FRAMES).map(psnr).fold(f64::INFINITY, f64::min);
    let got = format!("{after:.1} dB, and {before:.1} dB before the wave");
    let expected =
        format!("at least {REPAIRED_DB} dB of the whole stream's picture from access unit {closed} on");
    expect(after >= REPAIRED_DB, expected, got, call)?;
    Ok(format!(
        "{before:.1} dB of the whole stream's picture before the wave of {length} frames, {after:.1} dB after it"
    ))
}
