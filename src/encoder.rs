//! The contract of every encoder: one frame in, one access unit out.

use std::fmt;
use std::ops::RangeInclusive;

use crate::access_unit::AccessUnit;
use crate::backend::Backend;
use crate::config::{Settings, SettingsChange};
use crate::engine::{Depth, Engine};
use crate::error::Error;
use crate::event::Event;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::recovery::Recovery;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange};

/// One H.264 stream: one frame in, one access unit out, in order.
///
/// No encoder makes B frames, looks ahead or skips a frame: every [`encode`](Encoder::encode) that returns `Ok`
/// returns the access unit of the frame that went in.
///
/// The trait is sealed. Its implementors are [`FailoverEncoder`](crate::FailoverEncoder),
/// [`NvencEncoder`](crate::nvenc::NvencEncoder), `OpenH264Encoder`, and a `Box` or `&mut` of any of them. `dyn Encoder`
/// works.
#[expect(
    private_bounds,
    reason = "the trait is sealed by what the crate asks of an encoder beyond the contract"
)]
pub trait Encoder: Engine + Send + fmt::Debug {
    /// The backend that encodes.
    fn backend(&self) -> Backend;

    /// The settings that can change in flight, as last set by the caller.
    fn settings(&self) -> Settings;

    /// The size that frames must have, in pixels.
    fn size(&self) -> FrameSize {
        self.settings().size
    }

    /// The size that a decoder shows: [`size`](Encoder::size) with odd sides padded to even, since 4:2:0 has no odd
    /// sides. The added column and row repeat the last one.
    fn coded_size(&self) -> FrameSize {
        self.size().padded_to_even()
    }

    /// Encodes one frame. The access unit borrows the encoder; [`AccessUnit::to_owned`] keeps it longer.
    ///
    /// # Errors
    /// [`Error::Frame`] and [`Error::Config`] leave the encoder usable; after any other error every further call fails.
    /// A frame of a [`Pipeline`](crate::Pipeline) that is still in flight or not yet taken is refused with
    /// [`FrameError::InFlight`](crate::error::FrameError::InFlight).
    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        self.begin_unit()?;
        self.submit(frame, picture, Depth::One)?;
        self.unit()
    }

    /// Reports frames that the receiver did not get, so that the next frame is predicted only from frames that the
    /// receiver has.
    ///
    /// Later frames depend on the lost ones and are given up without being named. Frames before the last IDR, ids that
    /// no access unit has, and frames that were reported before need no report.
    ///
    /// NVENC keeps as many older frames to predict from as
    /// [`reference_frames`](crate::config::NvencConfig::reference_frames) says. The next frame is an IDR if none of
    /// those is left, the GPU lacks the capability, the driver refuses, or an intra refresh runs. Frames before the
    /// last frame of an intra refresh are none of those, since the receiver may have asked for the refresh after a
    /// loss. With openh264 every loss costs an IDR.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode), when the session has ended.
    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error>;

    /// Changes settings from the next frame on, all in one call. A change of size forces an IDR, and so does a new
    /// session where the GPU's driver refuses to change the rate within the current one.
    ///
    /// A change of bitrate, frame rate or quantisers that the driver refuses for a new session too is no error: the
    /// settings before stay in force, and the event [`ChangeRefused`](crate::EventKind::ChangeRefused) tells the reason.
    ///
    /// # Errors
    /// [`Error::Config`] when the backend cannot take the size; the encoder is unchanged. Any other error when the
    /// backend refuses; the old settings stay in force.
    fn change(&mut self, change: SettingsChange) -> Result<(), Error> {
        let settings = self.settings().with(change);
        self.apply(settings)
    }

    /// Changes the target bitrate from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.change(SettingsChange::new().bitrate(bitrate))
    }

    /// Changes the frame rate by which the bits are shared out, from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.change(SettingsChange::new().frame_rate(frame_rate))
    }

    /// Changes the QP range of the rate control from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.change(SettingsChange::new().qp_range(qp_range))
    }

    /// Changes the size. The next frame must have the new size and becomes an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.change(SettingsChange::new().size(size))
    }

    /// Returns the current SPS and PPS in Annex B format, for containers and signalling. Every IDR carries the same
    /// bytes. A bitrate that outgrows the level raises the level, and changes the SPS, at the next IDR.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode), when the session has ended or the backend refuses.
    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error>;

    /// Releases CUDA device memory that frames came from, so that the caller may free it: the allocation that holds
    /// `address`, or with `None` all memory. See [`Frame::cuda`](crate::Frame::cuda). After an error the call still
    /// works, and ends the rest of the encoder.
    ///
    /// # Errors
    /// An error other than [`Error::Frame`] when a session still holds the memory, which must then not be freed.
    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// Drains the events since the last call (at most 256): see [`Event`]. Allocates nothing when there are none.
    fn take_events(&mut self) -> Vec<Event>;
}

macro_rules! encoder_behind_a_pointer {
    ($($pointer:ty),*) => {$(
        impl<E: Encoder + ?Sized> Encoder for $pointer {
            fn backend(&self) -> Backend {
                (**self).backend()
            }

            fn settings(&self) -> Settings {
                (**self).settings()
            }

            fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
                (**self).invalidate(lost)
            }

            fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
                (**self).parameter_sets()
            }

            fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
                (**self).forget_cuda(address)
            }

            fn take_events(&mut self) -> Vec<Event> {
                (**self).take_events()
            }
        }
    )*};
}

encoder_behind_a_pointer!(&mut E, Box<E>);
