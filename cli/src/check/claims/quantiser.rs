//! The range of quantisers.

use direct264::QpRange;
use h264_reader::Context;

use super::frames::usual;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect};
use crate::check::stream::Stream;
use crate::check::subject::{Subject, ours};

const CALL: &str = "EncoderConfig::qp_range";

pub(in crate::check) fn quantiser(subject: &Subject) -> Proof {
    let mut figures = Vec::new();
    // Finer and coarser than the rate control would choose.
    for (min, max) in [(12, 18), (40, 46)] {
        let config = subject.config(usual()?)?.qp_range(ours(QpRange::new(min, max))?);
        let mut stream = Stream::open(subject, &config)?;
        stream.frames(12)?;
        let found = quantisers(&stream)?;
        for (number, qp) in &found {
            let expected = format!("a quantiser of {min} to {max}");
            expect((min..=max).contains(qp), expected, format!("{qp} in access unit {number}"), CALL)?;
        }
        let all = found.iter().map(|(_, qp)| *qp);
        if let Some((least, most)) = all.clone().min().zip(all.max()) {
            figures.push(format!("{least} to {most} within {min} to {max}"));
        }
    }
    Ok(figures.join(", "))
}

/// The quantisers of all slices, and those that the access units tell, each with the number of its access unit.
fn quantisers(stream: &Stream) -> Result<Vec<(usize, u8)>, Unproven> {
    let mut sets = Context::new();
    let mut found = Vec::new();
    for (number, unit) in stream.units.iter().enumerate() {
        headers::note_sets(&mut sets, &unit.bytes)?;
        found.extend(unit.qp.map(|qp| (number, qp)));
        for nal in unit.nals().filter(headers::is_slice) {
            let (slice, _, set) = headers::slice(&sets, &nal)?;
            let qp = 26 + set.pic_init_qp_minus26 + slice.slice_qp_delta;
            found.push((number, u8::try_from(qp).unwrap_or(u8::MAX)));
        }
    }
    Ok(found)
}
