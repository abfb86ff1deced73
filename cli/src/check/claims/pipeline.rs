//! The pipelined form.

use direct264::pipeline::AccessUnits;
use direct264::{Frame, FrameId, OwnedAccessUnit, Picture, Pipeline, PixelFormat, Timestamp};

use super::frames::usual;
use crate::check::outcome::{Proof, Unproven, expect, refused};
use crate::check::stream::{Stream, open_encoder};
use crate::check::subject::{Subject, ours};

const CALL: &str = "Pipeline::submit";

pub(in crate::check) fn pipeline(subject: &Subject) -> Proof {
    let config = subject.config(usual()?)?;
    let mut stream = Stream::open(subject, &config)?;
    for number in 0..20 {
        stream.frame(picture(number))?;
    }
    let mut pipeline = Pipeline::new(open_encoder(subject, &config)?);
    let (mut units, mut in_flight) = (Vec::new(), 0);
    for (number, pixels) in stream.sources.iter().enumerate() {
        let time = Timestamp(number as i64);
        let frame = ours(Frame::contiguous(usual()?, PixelFormat::I420, pixels, time))?;
        let out = pipeline
            .submit(&frame, picture(number))
            .map_err(|error| refused("a frame in flight", &error, CALL))?;
        take(&mut units, out)?;
        in_flight = in_flight.max(number + 1 - units.len().min(number + 1));
    }
    let out = pipeline.flush().map_err(|error| refused("the last access unit", &error, "Pipeline::flush"))?;
    take(&mut units, out)?;
    expect(units.len() == stream.units.len(), "20 access units", units.len(), CALL)?;
    for (number, (unit, by_itself)) in units.iter().zip(&stream.units).enumerate() {
        let (id, wanted) = (unit.frame_id, FrameId(number as u64));
        expect(id == wanted, wanted, id, CALL)?;
        let got = format!("{} bytes that differ", unit.bytes.len());
        let expected = format!("the {} bytes of {wanted} by itself", by_itself.bytes.len());
        expect(unit.bytes == by_itself.bytes, expected, got, CALL)?;
    }
    Ok(format!("20 frames, {in_flight} in flight between two calls"))
}

fn picture(number: usize) -> Picture {
    if number == 11 { Picture::Idr } else { Picture::Auto }
}

fn take(units: &mut Vec<OwnedAccessUnit>, out: AccessUnits<'_>) -> Result<(), Unproven> {
    for unit in out {
        units.push(unit.map_err(|error| refused("an access unit", &error, CALL))?.to_owned());
    }
    Ok(())
}
