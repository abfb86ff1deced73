//! Opens, checks, warms up and drops engines for the failover encoder.

use std::thread;

use crate::backend::Backend;
use crate::backends::row;
use crate::config::{EncoderConfig, Settings};
use crate::engine::Depth;
use crate::error::Error;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::remains::Remains;
use crate::replaceable::Replaceable;
use crate::units::Timestamp;

/// Opens an engine with settings; `base` holds the settings that never change.
pub(super) fn open(
    backend: Backend,
    base: &EncoderConfig,
    settings: Settings,
) -> Result<Box<dyn Replaceable>, Error> {
    (row(backend).open)(&base.with_settings(settings))
}

/// Encodes a grey picture, which touches all memory and exposes a driver that opens sessions but cannot encode. The
/// stream begins after that picture.
pub(super) fn warm_up(engine: &mut dyn Replaceable, format: PixelFormat) -> Result<(), Error> {
    let size = engine.settings().size;
    let grey = vec![128; format.frame_bytes(size)];
    let frame = Frame::contiguous(size, format, &grey, Timestamp(0))?;
    engine.submit(&frame, Picture::Auto, Depth::One)?;
    begin_stream(engine);
    Ok(())
}

/// Forces an IDR on the next picture, and discards pending access units and events.
pub(super) fn begin_stream(engine: &mut dyn Replaceable) {
    engine.start_over();
    engine.ready().clear();
    drop(engine.take_events());
}

/// Drops an engine off the caller's thread, so that a driver that hangs there hangs alone.
pub(super) fn discard(engine: Box<dyn Replaceable>) -> Vec<Remains> {
    let remains = engine.remains();
    let dropping = thread::Builder::new().name("direct264-end".to_owned()).spawn(move || drop(engine));
    if let Err(error) = dropping {
        tracing::warn!(%error, "an encoder ended on the caller's thread: no thread was started");
    }
    remains
}

/// The remains of an engine's sessions before the current one.
pub(super) fn left_by(engine: &dyn Replaceable) -> Vec<Remains> {
    let mut remains = engine.remains();
    remains.pop();
    remains
}
