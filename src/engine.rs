//! The one path of a frame through an encoder: `submit` takes the frame, `finish` gives its access unit.

use crate::access_unit::AccessUnit;
use crate::config::Settings;
use crate::error::{Error, FrameError, Internal};
use crate::frame::Frame;
use crate::picture::Picture;
use crate::ready::Ready;

/// The distance that a frame goes within the call that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// To its access unit: no frame is in flight afterwards.
    One,
    /// To the encoder: the frame stays in flight until the next one, where the encoder can overlap the two.
    Two,
}

#[cfg(nvenc)]
impl Depth {
    /// The highest number of frames in flight after the call.
    pub(crate) const fn kept(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

/// The interior of an encoder, behind [`Encoder::encode`](crate::Encoder::encode), its setters and
/// [`Pipeline`](crate::Pipeline).
pub(crate) trait Engine {
    /// Puts settings in force from the next frame on.
    ///
    /// # Errors
    /// [`Error::Config`] leaves the encoder as it was.
    fn apply(&mut self, settings: Settings) -> Result<(), Error>;

    /// Takes a frame. Access units that come out go to [`ready`](Engine::ready), in order. With [`Depth::One`] that is
    /// the one of this frame; with [`Depth::Two`] the one of the frame before, and of this frame if none is in flight
    /// afterwards.
    ///
    /// # Errors
    /// As [`Encoder::encode`](crate::Encoder::encode). [`Error::Frame`] leaves the frame in flight untouched.
    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error>;

    /// Waits for the access unit of the frame in flight, if there is one.
    ///
    /// # Errors
    /// As [`Encoder::encode`](crate::Encoder::encode).
    fn finish(&mut self) -> Result<(), Error>;

    /// The access units that the caller has not taken yet.
    fn ready(&mut self) -> &mut Ready;

    /// Makes room for the one access unit of an `encode` call.
    ///
    /// # Errors
    /// [`FrameError::InFlight`] while a pipeline still holds access units of its own.
    fn begin_unit(&mut self) -> Result<(), FrameError> {
        self.ready().begin();
        if self.ready().is_empty() { Ok(()) } else { Err(FrameError::InFlight) }
    }

    /// The access unit of an `encode` call, after [`submit`](Engine::submit) with [`Depth::One`].
    ///
    /// # Errors
    /// [`Error::Internal`] when no access unit came out.
    fn unit(&mut self) -> Result<AccessUnit<'_>, Error> {
        let nothing = || Internal::new("a frame was encoded and gave no access unit").into();
        self.ready().hand_out_one().ok_or_else(nothing)
    }
}

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
