//! Lost frames, and older references in their place.

use direct264::{Encoder, FrameId, Picture, Recovery};
use h264_reader::Context;

use super::frames::{FLOOR_DB, expect_idrs, usual};
use crate::check::conceal::repetition;
use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, expect, refused};
use crate::check::stream::Stream;
use crate::check::subject::{Subject, at_least_one};

/// The frames that the receiver loses. Each loss is reported two frames later.
const LOST: [usize; 3] = [7, 16, 17];
const DELAY: usize = 2;
const FRAMES: usize = 26;
/// The frames that a decoder keeps, which is more than a loss and its report need.
const KEPT: u8 = 6;

const CALL: &str = "Encoder::invalidate";

pub(in crate::check) fn invalidation(subject: &Subject) -> Proof {
    subject.needs(|can| can.reference_invalidation, "invalidation of references")?;
    subject.needs(|can| can.multiple_references, "second reference frame")?;
    let nvenc = subject.nvenc().reference_frames(at_least_one(KEPT));
    let mut stream = Stream::open(subject, &subject.config(usual()?)?.nvenc(nvenc))?;
    // The frames whose pictures differ at the receiver: lost frames, and frames predicted from lost ones.
    let mut is_wrong = [false; FRAMES];
    let mut is_broken = false;
    for (number, is_wrong) in is_wrong.iter_mut().enumerate() {
        if let Some(&lost) = LOST.iter().find(|&&lost| lost + DELAY + 1 == number) {
            let id = FrameId(lost as u64);
            let how =
                stream.encoder.invalidate(id..=id).map_err(|error| refused("an answer", &error, CALL))?;
            // A second loss is among the frames that the first one gave up.
            let expected = if lost == 17 { Recovery::NotNeeded } else { Recovery::OlderReference };
            expect(how == expected, expected.as_str(), how.as_str(), CALL)?;
            is_broken = false;
        }
        is_broken |= LOST.contains(&number);
        *is_wrong = is_broken;
        stream.frame(Picture::Auto)?;
    }
    expect_idrs(&stream, &[0], CALL)?;

    let mut sets = Context::new();
    headers::note_sets(&mut sets, &stream.units[0].bytes)?;
    let mut received = Vec::new();
    for (number, unit) in stream.units.iter().enumerate() {
        let is_lost = LOST.contains(&number);
        received.push(if is_lost { repetition(&sets, &unit.bytes)? } else { unit.bytes.clone() });
    }
    let shown = decode::all(received.iter().map(|unit| &unit[..]))?;
    // What depends on no lost frame is exactly the picture of a receiver that lost none.
    let wanted = stream.decoded()?;
    decode::near(&wanted, &stream.sources, usual()?, FLOOR_DB)?;
    for (number, (shown, wanted)) in
        shown.iter().zip(&wanted).enumerate().filter(|(number, _)| !is_wrong[*number])
    {
        let psnr_db = decode::psnr(shown, &wanted.i420, usual()?);
        let got = format!("access unit {number} at {psnr_db:.1} dB of it");
        expect(shown == wanted, "the picture of a receiver that lost nothing", got, CALL)?;
    }
    Ok(format!(
        "{} frames lost, no IDR, {} pictures exact",
        LOST.len(),
        is_wrong.iter().filter(|is_wrong| !**is_wrong).count()
    ))
}
