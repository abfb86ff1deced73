//! Calls that pass their limit.

use std::time::{Duration, Instant};

use direct264::config::{CallForm, FailoverConfig};
use direct264::{
    Backend, BackendOrder, Encoder, EventKind, Frame, FrameSize, OwnedAccessUnit, Picture, PixelFormat,
    Reason, Timestamp, open,
};

use super::sizes::START_DB;
use crate::check::decode;
use crate::check::outcome::{Proof, Unproven, expect, failed, refused};
use crate::check::stream::{ENCODE, encode, open_encoder, scene};
use crate::check::subject::{LIMITS, Subject, ours, size};

/// Frames within which a call passes its limit.
const MOST_FRAMES: u32 = 100;
/// Less than a picture of the [`large`] size takes. The first picture, which shows that NVENC works, has a long limit.
const LIMIT: Duration = Duration::from_millis(1);
/// The longest that a call may take that passes its limit: the limit and a frame in software, with much room for a
/// machine that is busy.
const LONGEST: Duration = Duration::from_secs(10);

fn large() -> Result<FrameSize, Unproven> {
    size(1920, 1080)
}

pub(in crate::check) fn timeout(subject: &Subject) -> Proof {
    let software = Subject { backend: Backend::OpenH264, gpu: None, memory_of: None };
    if open_encoder(&software, &software.config(large()?)?).is_err() {
        return Err(Unproven::NotApplicable("there is no software backend to take the frame".to_owned()));
    }
    let size = large()?;
    let nvenc = subject.nvenc().form(CallForm::Bounded(LIMITS.rest(LIMIT)));
    let config = subject.config(size)?.nvenc(nvenc).failover(FailoverConfig::new().retry(None));
    let order = ours(BackendOrder::of([subject.backend, Backend::OpenH264]))?;
    let opened =
        open(&config, &order).map_err(|error| refused("an open encoder", &error, "direct264::open"))?;
    let mut encoder = opened.encoder;
    expect(encoder.backend() == subject.backend, subject.backend, encoder.backend(), "direct264::open")?;

    let mut units = Vec::new();
    let mut sources = Vec::new();
    let mut took = Duration::ZERO;
    while units.last().is_none_or(|unit: &OwnedAccessUnit| unit.backend == subject.backend) {
        let number = u32::try_from(units.len()).unwrap_or(MOST_FRAMES);
        if number == MOST_FRAMES {
            let why = format!("the GPU encodes each of {MOST_FRAMES} pictures of {size} within {LIMIT:?}");
            return Err(Unproven::NotApplicable(why));
        }
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
    expect(took <= LONGEST, format!("an access unit within {LONGEST:?}"), format!("{took:?}"), ENCODE)?;
    let decoded = decode::all(units.iter().map(|unit| &unit.bytes[..]))?;
    decode::near(&decoded, &sources, size, START_DB)?;
    let ms = took.as_secs_f64() * 1e3;
    Ok(format!("the limit of {LIMIT:?} passed, and {ms:.1} ms after the call the frame came from openh264"))
}
