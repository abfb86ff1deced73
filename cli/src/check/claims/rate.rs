//! Changes of rate and size in mid-stream.

use std::time::{Duration, Instant};

use direct264::{Bitrate, Encoder, EncoderConfig, Event, EventKind, FrameRate, Picture};

use super::frames::{FLOOR_DB, expect_idrs, usual};
use crate::check::decode;
use crate::check::outcome::{Proof, Unproven, expect, refused};
use crate::check::stream::{ENCODE, Stream};
use crate::check::subject::{Subject, ours, size};

/// Frames at each rate. The first third of them is left to the rate control.
const FRAMES: usize = 45;

/// How far a rate may be from its target over a second.
const LEAST: f64 = 0.6;
const MOST: f64 = 1.4;

pub(in crate::check) fn rate(subject: &Subject) -> Proof {
    subject.needs(|can| can.dynamic_bitrate, "change of bitrate within a session")?;
    let [high, low, half] = [1_500, 500, 750].map(Bitrate::from_kbps);
    let (high, low, half) = (ours(high)?, ours(low)?, ours(half)?);
    let config = EncoderConfig::new(usual()?, ours(FrameRate::hz(30))?, high).nvenc(subject.nvenc());
    let mut stream = Stream::open(subject, &config)?;
    stream.frames(FRAMES)?;
    let call = "Encoder::set_bitrate";
    stream.encoder.set_bitrate(low).map_err(|error| refused("another bitrate", &error, call))?;
    stream.frames(FRAMES)?;
    let (fast, slow) = (settled(&stream, 0), settled(&stream, FRAMES));
    stream.encoder.set_bitrate(half).map_err(|error| refused("another bitrate", &error, call))?;
    let call = "Encoder::set_frame_rate";
    let slower = ours(FrameRate::hz(15))?;
    stream.encoder.set_frame_rate(slower).map_err(|error| refused("another frame rate", &error, call))?;
    stream.frames(FRAMES)?;
    let sparse = settled(&stream, 2 * FRAMES) / 2.0;
    not_refused(&mut stream)?;
    expect_idrs(&stream, &[0], "Encoder::set_bitrate and set_frame_rate")?;
    for (target, reached) in [(high, fast), (low, slow), (half, sparse)] {
        let share = reached / f64::from(target.bps());
        let expected = format!("{:.0} % to {:.0} % of {target}", LEAST * 100.0, MOST * 100.0);
        expect(
            (LEAST..=MOST).contains(&share),
            expected,
            format!("{:.0} %", share * 100.0),
            "Encoder::set_bitrate",
        )?;
    }
    stream.decoded_near(20.0)?;
    let mbps = |bps: f64| format!("{:.2}", bps / 1e6);
    Ok(format!(
        "1.50 Mbit/s gave {}, 0.50 gave {}, 0.75 at 15 frames per second gave {}",
        mbps(fast),
        mbps(slow),
        mbps(sparse)
    ))
}

/// The bits per second of the settled frames of a rate, at 30 frames per second.
fn settled(stream: &Stream, from: usize) -> f64 {
    stream.bps(from + FRAMES / 3..from + FRAMES, 30.0)
}

/// Checks that no change was refused by the driver.
pub(super) fn not_refused(stream: &mut Stream) -> Result<(), Unproven> {
    for event in stream.encoder.take_events() {
        if let EventKind::ChangeRefused { reason, detail, .. } = event.kind {
            return expect(
                false,
                "a change that the driver takes",
                format!("{reason}: {detail}"),
                "Encoder::change",
            );
        }
    }
    Ok(())
}

fn opened_a_session(event: &Event) -> bool {
    matches!(event.kind, EventKind::Recreated { is_new_session: true, .. })
}

pub(in crate::check) fn resize(subject: &Subject) -> Proof {
    let (small, large) = (usual()?, size(640, 384)?);
    let mut stream = Stream::open(subject, &subject.config(large)?.max_size(large))?;
    let mut slowest = Duration::ZERO;
    let mut parts = Vec::new();
    for next in [large, small, large] {
        let start = Instant::now();
        let call = "Encoder::set_size";
        stream.encoder.set_size(next).map_err(|error| refused(format!("the size {next}"), &error, call))?;
        let from = stream.units.len();
        let unit = stream.frame(Picture::Auto)?;
        expect(unit.is_idr, format!("an IDR at {next}"), "a P picture", ENCODE)?;
        slowest = slowest.max(start.elapsed());
        stream.frames(5)?;
        parts.push((next, from..stream.units.len()));
    }
    let sessions = stream.encoder.take_events().into_iter().filter(opened_a_session).count();
    if subject.needs(|can| can.dynamic_size, "change of size within a session").is_ok() {
        let got = format!("{sessions} sessions for 3 changes");
        expect(sessions == 0, "changes within the session", got, "Encoder::set_size")?;
    }
    for (size, part) in parts {
        let decoded = decode::all(stream.units[part.clone()].iter().map(|unit| &unit.bytes[..]))?;
        decode::near(&decoded, &stream.sources[part], size, FLOOR_DB)?;
    }
    Ok(format!(
        "3 sizes, {sessions} new sessions; the slowest change with its IDR took {:.1} ms",
        slowest.as_secs_f64() * 1e3
    ))
}
