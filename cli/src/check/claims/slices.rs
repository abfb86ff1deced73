//! Slices of a picture.

use std::num::NonZeroU8;

use super::frames::{FLOOR_DB, usual};
use crate::check::headers;
use crate::check::outcome::{Proof, expect};
use crate::check::stream::Stream;
use crate::check::subject::Subject;

pub(in crate::check) fn slices(subject: &Subject) -> Proof {
    let mut lowest = f64::INFINITY;
    for wanted in [1, 2, 4] {
        let config = subject.config(usual()?)?.slices(NonZeroU8::new(wanted));
        let mut stream = Stream::open(subject, &config)?;
        stream.frames(6)?;
        for (number, unit) in stream.units.iter().enumerate() {
            let (told, coded) = (unit.slices(), unit.nals().filter(headers::is_slice).count());
            let got = format!("{told} told and {coded} coded in access unit {number}");
            let is_right = (told, coded) == (wanted.into(), wanted.into());
            expect(is_right, format!("{wanted} slices"), got, "EncoderConfig::slices")?;
        }
        lowest = lowest.min(stream.decoded_near(FLOOR_DB)?);
    }
    Ok(format!("1, 2 and 4 slices, lowest PSNR {lowest:.1} dB"))
}
