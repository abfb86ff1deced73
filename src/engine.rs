//! The one path of a frame through an encoder: `submit` takes it, `finish` gives its access unit.

use crate::access_unit::AccessUnit;
use crate::config::Settings;
use crate::error::{Error, FrameError, Internal};
use crate::frame::Frame;
use crate::picture::Picture;
use crate::ready::Ready;

/// How far a frame goes within the call that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// To its access unit: nothing is in flight afterwards.
    One,
    /// To the encoder: it stays in flight while the next frame comes, where the encoder can overlap the two.
    Two,
}

#[cfg(nvenc)]
impl Depth {
    /// The most frames that are in flight after the call.
    pub(crate) const fn kept(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

/// The inside of an encoder: what [`Encoder::encode`](crate::Encoder::encode), its setters and
/// [`Pipeline`](crate::Pipeline) are made of.
pub(crate) trait Engine {
    /// Puts settings in force from the next frame on.
    ///
    /// # Errors
    /// [`Error::Config`] leaves the encoder as it was.
    fn apply(&mut self, settings: Settings) -> Result<(), Error>;

    /// Takes a frame. Access units that come out meanwhile are in [`ready`](Engine::ready), in order: with
    /// [`Depth::One`] that of this frame, with [`Depth::Two`] that of the frame before, and of this one if nothing is in
    /// flight afterwards.
    ///
    /// # Errors
    /// As [`Encoder::encode`](crate::Encoder::encode). After [`Error::Frame`] what is in flight still is.
    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error>;

    /// Waits for the access unit of the frame in flight, if there is one.
    ///
    /// # Errors
    /// As [`Encoder::encode`](crate::Encoder::encode).
    fn finish(&mut self) -> Result<(), Error>;

    /// The access units that came out and were not taken.
    fn ready(&mut self) -> &mut Ready;

    /// Makes room for the one access unit of an `encode` call.
    ///
    /// # Errors
    /// [`FrameError::InFlight`] while a pipeline has not taken all of its own.
    fn begin_unit(&mut self) -> Result<(), FrameError> {
        self.ready().begin();
        if self.ready().is_empty() { Ok(()) } else { Err(FrameError::InFlight) }
    }

    /// The access unit of an `encode` call, after [`submit`](Engine::submit) with [`Depth::One`].
    ///
    /// # Errors
    /// [`Error::Internal`] where none came out.
    fn unit(&mut self) -> Result<AccessUnit<'_>, Error> {
        let nothing = || Internal::new("a frame was encoded and gave no access unit").into();
        self.ready().hand_out_one().ok_or_else(nothing)
    }
}

/// An encoder behind a pointer is the same encoder.
macro_rules! engine_behind_a_pointer {
    ($($pointer:ty),*) => {$(
        impl<E: Engine + ?Sized> Engine for $pointer {
            fn apply(&mut self, settings: Settings) -> Result<(), Error> {
                (**self).apply(settings)
            }

            fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error> {
                (**self).submit(frame, picture, depth)
            }

            fn finish(&mut self) -> Result<(), Error> {
                (**self).finish()
            }

            fn ready(&mut self) -> &mut Ready {
                (**self).ready()
            }
        }
    )*};
}

engine_behind_a_pointer!(&mut E, Box<E>);
