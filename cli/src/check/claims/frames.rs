//! One frame in, one access unit out; IDRs.

use std::time::Instant;

use direct264::annexb::NalKind;
use direct264::{Encoder, FrameId, FrameSize, Picture, Timestamp};

use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect};
use crate::check::stream::{ENCODE, Stream};
use crate::check::subject::{Subject, size};

/// The size of most proofs: large enough for every encoder, with a last row of macroblocks that is whole.
pub(super) fn usual() -> Result<FrameSize, Unproven> {
    size(320, 192)
}

/// The PSNR in dB below which a picture is another one. At the bits of [`Subject::config`] encoders give more.
pub(super) const FLOOR_DB: f64 = 28.0;

pub(in crate::check) fn open(subject: &Subject) -> Proof {
    let start = Instant::now();
    let mut stream = Stream::open(subject, &subject.config(usual()?)?)?;
    let opened = start.elapsed();
    let backend = stream.encoder.backend();
    expect(backend == subject.backend, subject.backend, backend, "direct264::open")?;
    let unit = stream.frame(Picture::Auto)?;
    expect(unit.is_idr, "an IDR as the first access unit", "a P picture", ENCODE)?;
    let ms = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Ok(format!("open {}, first access unit {}", ms(opened), ms(unit.times.total)))
}

pub(in crate::check) fn frames(subject: &Subject) -> Proof {
    let mut stream = Stream::open(subject, &subject.config(usual()?)?)?;
    stream.frames(30)?;
    for (number, unit) in stream.units.iter().enumerate() {
        let expected = (FrameId(number as u64), Timestamp(number as i64), number == 0);
        let got = (unit.frame_id, unit.timestamp, unit.is_idr);
        let words = |(id, Timestamp(timestamp), is_idr): (FrameId, _, _)| {
            format!("{id} with timestamp {timestamp}, {}", if is_idr { "an IDR" } else { "no IDR" })
        };
        expect(got == expected, words(expected), words(got), ENCODE)?;
        let is_framed = |range: &std::ops::Range<usize>| unit.bytes[range.clone()].starts_with(&[0, 0, 0, 1]);
        expect(
            unit.nal_ranges.iter().all(is_framed),
            "a start code of four bytes before each NAL unit",
            format!("another one in access unit {number}"),
            ENCODE,
        )?;
    }
    let psnr_db = stream.decoded_near(FLOOR_DB)?;
    Ok(format!("30 frames, lowest PSNR {psnr_db:.1} dB"))
}

pub(in crate::check) fn idr(subject: &Subject) -> Proof {
    let mut stream = Stream::open(subject, &subject.config(usual()?)?)?;
    for number in 0..16 {
        let picture = if matches!(number, 5 | 9 | 10) { Picture::Idr } else { Picture::Auto };
        stream.frame(picture)?;
    }
    expect_idrs(&stream, &[0, 5, 9, 10], "Encoder::encode with Picture::Idr")?;
    stream.decoded_near(FLOOR_DB)?;
    // Decoding starts at a requested IDR.
    let from = 9;
    let decoded = decode::all(stream.units[from..].iter().map(|unit| &unit.bytes[..]))?;
    decode::near(&decoded, &stream.sources[from..], stream.encoder.size(), FLOOR_DB)?;

    let config = subject.config(usual()?)?.idr_period_frames(std::num::NonZeroU32::new(7));
    let mut periodic = Stream::open(subject, &config)?;
    periodic.frames(16)?;
    expect_idrs(&periodic, &[0, 7, 14], "EncoderConfig::idr_period_frames(7)")?;
    periodic.decoded_near(FLOOR_DB)?;
    Ok("4 requested IDRs, 3 of a period".to_owned())
}

/// Checks which access units are IDRs, by their facts and by their NAL units.
pub(super) fn expect_idrs(stream: &Stream, wanted: &[usize], call: &str) -> Result<(), Unproven> {
    let words = |numbers: &[usize]| format!("IDRs at {numbers:?}");
    let told = stream.idrs();
    expect(told == wanted, words(wanted), words(&told), call)?;
    let is_idr =
        |unit: &&direct264::OwnedAccessUnit| headers::kinds(&unit.bytes).contains(&NalKind::IdrSlice);
    let coded: Vec<usize> =
        stream.units.iter().filter(is_idr).filter_map(|unit| usize::try_from(unit.frame_id.0).ok()).collect();
    expect(coded == wanted, format!("IDR slices at {wanted:?}"), words(&coded), call)
}
