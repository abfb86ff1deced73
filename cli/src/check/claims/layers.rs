//! Temporal layers.

use direct264::config::TemporalLayers;

use super::frames::{FLOOR_DB, usual};
use crate::check::decode;
use crate::check::headers;
use crate::check::outcome::{Proof, expect};
use crate::check::stream::Stream;
use crate::check::subject::Subject;

pub(in crate::check) fn layers(subject: &Subject) -> Proof {
    subject.needs(|can| can.temporal_layers >= 2, "second temporal layer")?;
    let config = subject.config(usual()?)?.temporal_layers(TemporalLayers::Two);
    let mut stream = Stream::open(subject, &config)?;
    stream.frames(16)?;
    for (number, unit) in stream.units.iter().enumerate() {
        let is_unreferred = unit.nals().filter(headers::is_slice).all(|slice| slice.ref_idc() == 0);
        let got = format!(
            "is_droppable {}, nal_ref_idc 0 {is_unreferred} of access unit {number}",
            unit.is_droppable
        );
        let wanted = number % 2 == 1;
        let call = "EncoderConfig::temporal_layers";
        expect((unit.is_droppable, is_unreferred) == (wanted, wanted), format!("both {wanted}"), got, call)?;
    }
    stream.decoded_near(FLOOR_DB)?;
    // Every second one and, among the others, every third.
    for keeps in [
        |number: usize| number.is_multiple_of(2),
        |number: usize| number.is_multiple_of(2) || number.is_multiple_of(3),
    ] {
        let kept: Vec<usize> = (0..stream.units.len()).filter(|&number| keeps(number)).collect();
        let decoded = decode::all(kept.iter().map(|&number| &stream.units[number].bytes[..]))?;
        let sources: Vec<_> = kept.iter().map(|&number| stream.sources[number].clone()).collect();
        decode::near(&decoded, &sources, usual()?, FLOOR_DB)?;
    }
    Ok("half of 16 frames dropped, and a third of those".to_owned())
}
