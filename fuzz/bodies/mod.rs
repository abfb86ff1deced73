//! The body of each fuzz target. `cli/tests/fuzzed.rs` runs the bodies on the kept inputs and on random ones, so that
//! every test run compiles and runs them.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each target uses one body, and a part of the tests' module"
)]
#![allow(clippy::expect_used, reason = "a broken promise ends the run, here as in a test")]

mod access_units;
mod config;
mod failover;
mod frames;
mod nals;
mod numbers;

#[path = "../../tests/common/form.rs"]
mod form;

use direct264_cli::encode::at;
use direct264_cli::{raw, values, y4m};

pub(crate) use access_units::access_units;
pub(crate) use config::config;
pub(crate) use failover::failover;
pub(crate) use frames::frames;
pub(crate) use nals::{nals, sps};

/// The most frames read, since an input of frame headers alone would take all day.
const MOST_FRAMES: usize = 64;

/// Reads a y4m stream. Each frame is as long as the header says.
pub(crate) fn y4m(bytes: &[u8]) {
    let Ok(mut reader) = y4m::Y4mReader::new(bytes) else { return };
    let frame_bytes = direct264::PixelFormat::I420.frame_bytes(reader.header().size);
    let most = reader.most_frames_in(bytes.len() as u64);
    let mut pixels = Vec::new();
    for read in 0..MOST_FRAMES as u64 {
        match reader.read(&mut pixels) {
            Ok(true) => assert_eq!(pixels.len(), frame_bytes),
            Ok(false) => break,
            Err(error) => {
                assert!(error.to_string().contains(&format!("frame {read}")), "{error}");
                break;
            }
        }
        assert!(read < most, "{most} frames were announced");
    }
}

/// Reads raw frames, whose length is the first byte.
pub(crate) fn raw(bytes: &[u8]) {
    let Some((&length, bytes)) = bytes.split_first() else { return };
    let length = usize::from(length).max(1);
    let mut reader = raw::RawReader::new(bytes, length);
    let mut pixels = Vec::new();
    let mut frames = bytes.chunks(length);
    loop {
        match (reader.read(&mut pixels), frames.next()) {
            (Ok(true), Some(frame)) => assert_eq!(pixels, frame),
            (Ok(false), None) => break,
            (Err(_), Some(rest)) if rest.len() < length => break,
            (read, frame) => panic!("{read:?} where {frame:?} stands"),
        }
    }
}

/// Parses a text as each value of the command line. An accepted value lies within its limits.
pub(crate) fn values(bytes: &[u8]) {
    use direct264::{Bitrate, FrameRate, FrameSize, QpRange};

    let text = String::from_utf8_lossy(bytes);
    if let Ok(bitrate) = values::bitrate(&text) {
        assert!((Bitrate::MIN..=Bitrate::MAX).contains(&bitrate));
        assert_eq!(values::bitrate(&bitrate.bps().to_string()), Ok(bitrate));
    }
    if let Ok(rate) = values::frame_rate(&text) {
        assert!(rate.as_f64() <= f64::from(FrameRate::MAX_HZ));
        assert_eq!(values::frame_rate(&rate.to_string()), Ok(rate));
    }
    if let Ok(size) = values::size(&text) {
        assert!(size.width().max(size.height()) <= FrameSize::MAX_SIDE);
        assert_eq!(values::size(&size.to_string()), Ok(size));
    }
    if let Ok(range) = values::qp_range(&text) {
        assert!(range.min() <= range.max() && range.max() <= QpRange::MAX_QP);
    }
    if let Ok(gpu) = values::gpu(&text) {
        assert_eq!(values::gpu(&gpu.to_string()), Ok(gpu.clone()));
        assert!(gpu.choice().is_ok(), "{gpu}");
    }
    if let Ok(format) = values::pixel_format(&text) {
        assert_eq!(values::pixel_format_name(format), text);
    }
    if let Ok(at) = at::At::parse(&text) {
        assert!(at::Schedule::new(std::slice::from_ref(&at)).is_ok(), "{at:?}");
        assert_eq!(at::Schedule::new(&[at.clone(), at.clone()]).unwrap_err().code, 2);
    }
    if let Ok(id) = text.parse::<direct264::rtc::ProfileLevelId>() {
        assert_eq!(id.to_string(), text.to_lowercase());
    }
    let _ = (values::idr_period(&text), values::count(&text), values::backend(&text));
}

/// Whether the parsers accept these four texts, as values that print the same.
pub(crate) fn takes([bitrate, frame_rate, size, quantisers]: &[String; 4]) -> bool {
    values::bitrate(bitrate).is_ok_and(|taken| taken.bps().to_string() == *bitrate)
        && values::frame_rate(frame_rate).is_ok_and(|taken| taken.to_string() == *frame_rate)
        && values::size(size).is_ok_and(|taken| taken.to_string() == *size)
        && values::qp_range(quantisers)
            .is_ok_and(|taken| format!("{}..{}", taken.min(), taken.max()) == *quantisers)
}
