//! Calls that pass their limit.

use std::time::{Duration, Instant};

use direct264::config::{CallForm, CallLimits, FailoverConfig};
use direct264::{
    Backend, BackendOrder, Encoder, EventKind, Frame, OwnedAccessUnit, Picture, PixelFormat, Reason,
    Timestamp, open,
};

use super::frames::{FLOOR_DB, usual};
use crate::check::decode;
use crate::check::outcome::{Proof, Unproven, expect, failed, refused};
use crate::check::stream::{ENCODE, encode, open_encoder, scene};
use crate::check::subject::{Subject, ours};

/// Frames within which a call passes its limit.
const MOST_FRAMES: u32 = 100;
/// A call that is not answered when the caller looks counts as one that hangs.
const NONE: CallLimits = CallLimits::DEFAULT.first(Duration::ZERO).rest(Duration::ZERO);

pub(in crate::check) fn timeout(subject: &Subject) -> Proof {
    let software = Subject { backend: Backend::OpenH264, gpu: None, memory_of: None };
    if open_encoder(&software, &software.config(usual()?)?).is_err() {
        return Err(Unproven::NotApplicable("there is no software backend to take the frame".to_owned()));
    }
    let size = usual()?;
    let nvenc = subject.nvenc().form(CallForm::Bounded(NONE));
    let config = subject.config(size)?.nvenc(nvenc).failover(FailoverConfig::new().retry(None));
    let order = ours(BackendOrder::of([subject.backend, Backend::OpenH264]))?;
    let opened =
        open(&config, &order).map_err(|error| refused("an open encoder", &error, "direct264::open"))?;
    let mut encoder = opened.encoder;
    expect(encoder.backend() == subject.backend, subject.backend, encoder.backend(), "direct264::open")?;

    // A driver may answer before the caller looks at the clock, and then has kept the limit.
    let mut units = Vec::new();
    let mut sources = Vec::new();
    let mut took = Duration::ZERO;
    while units.last().is_none_or(|unit: &OwnedAccessUnit| unit.backend == subject.backend) {
        let number = units.len() as u32;
        expect(
            number < MOST_FRAMES,
            "a call past its limit",
            format!("none in {MOST_FRAMES} frames"),
            ENCODE,
        )?;
        let pixels = scene(size).picture(number);
        let frame = ours(Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number.into())))?;
        let start = Instant::now();
        units.push(encode(&mut encoder, &frame, Picture::Auto)?.to_owned());
        took = start.elapsed();
        sources.push(pixels);
    }
    let last = units.last().ok_or_else(|| failed("an access unit", "none", ENCODE))?;
    let got = format!("{} from {}", if last.is_idr { "an IDR" } else { "a P picture" }, last.backend);
    let is_right = last.is_idr && last.frame_id.0 as usize + 1 == units.len();
    expect(is_right, "the frame as an IDR from openh264", got, ENCODE)?;
    let reason = encoder.take_events().into_iter().find_map(|event| match event.kind {
        EventKind::FellBack { reason, .. } => Some(reason),
        _ => None,
    });
    let reason = reason.ok_or_else(|| failed("the event fell_back", "none", "Encoder::take_events"))?;
    expect(reason == Reason::TimedOut, Reason::TimedOut, reason, "Encoder::take_events")?;
    let decoded = decode::all(units.iter().map(|unit| &unit.bytes[..]))?;
    decode::near(&decoded, &sources, size, FLOOR_DB)?;
    Ok(format!("the frame came {:.1} ms after the call, as an IDR from openh264", took.as_secs_f64() * 1e3))
}
