//! Intra refresh, at a receiver that lost a frame.

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

/// The frame that the receiver loses, and the frame that starts the intra refresh.
const LOST: usize = 6;
const START: usize = 10;
/// The length asked for in frames. A picture refreshes at least 32 rows, so the driver cuts this length.
const ASKED: u32 = 24;
const FRAMES: usize = 24;
/// The length in the recovery point is that of the pictures behind the first one, or of all: encoders do not agree.
const RECOVERY_POINT_SLACK: usize = 1;

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
    if shown[START - 1] == wanted[START - 1] {
        return Err(Unproven::NotApplicable("the lost frame does not show".to_owned()));
    }
    let psnr_db = |number: usize| decode::psnr(&shown[number], &wanted[number].i420, size);
    let before = psnr_db(START - 1);
    let last = stream.units.iter().rposition(|unit| unit.refresh.is_some());
    let closed = last.ok_or_else(|| failed("access units with their place in the wave", "none", call))?;
    let length = closed + 1 - START;
    let signalled = headers::recovery_point(&stream.units[START].bytes)?;
    let expected =
        format!("a recovery point SEI with {length} pictures, or with the {} behind the first", length - 1);
    let got = signalled.map_or_else(|| "none".to_owned(), |pictures| format!("{pictures} pictures"));
    let is_told =
        signalled.is_some_and(|pictures| (length - RECOVERY_POINT_SLACK..=length).contains(&pictures));
    expect(is_told, expected, got, call)?;
    for number in closed..FRAMES {
        let got = format!(
            "access unit {number} at {:.1} dB of it, and {before:.1} dB before the wave",
            psnr_db(number)
        );
        let expected = "the picture of a receiver that lost nothing, from the end of the refresh on";
        expect(shown[number] == wanted[number], expected, got, call)?;
    }
    Ok(format!("{before:.1} dB before the refresh of {length} pictures, exact from its end on"))
}
