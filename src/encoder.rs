//! The contract that every encoder keeps: a frame in, an access unit out.

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
/// No encoder makes B frames, looks ahead or skips a frame: every [`encode`](Encoder::encode) that returns `Ok` returns
/// the access unit of the frame that went in.
///
/// The trait is sealed: only the encoders of this crate have it, [`FailoverEncoder`](crate::FailoverEncoder),
/// [`NvencEncoder`](crate::nvenc::NvencEncoder) and `OpenH264Encoder`, and a `Box` or `&mut` of any of them. It can be
/// used as `dyn Encoder`.
#[expect(
    private_bounds,
    reason = "the trait is sealed by what the crate asks of an encoder beyond the contract"
)]
pub trait Encoder: Engine + Send + fmt::Debug {
    /// The backend that encodes.
    fn backend(&self) -> Backend;

    /// The settings that can change in flight, as the caller set them last.
    fn settings(&self) -> Settings;

    /// The size that frames must have, in pixels.
    fn size(&self) -> FrameSize {
        self.settings().size
    }

    /// The size that a decoder shows: [`size`](Encoder::size) with odd sides padded to even, since 4:2:0 cannot
    /// express them. The added column and row repeat the last one.
    fn coded_size(&self) -> FrameSize {
        self.size().padded_to_even()
    }

    /// Encodes one frame. The result borrows the encoder; [`AccessUnit::to_owned`] keeps it longer.
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

    /// Reports the frames that the receiver did not get, so that the next one is predicted only from frames that it
    /// has. The frames encoded since then depend on them and are given up too, without being named; frames before the
    /// last IDR, ids that no access unit has had, and frames that were reported before need nothing.
    ///
    /// NVENC keeps as many older frames to predict from as
    /// [`reference_frames`](crate::config::NvencConfig::reference_frames) says. Where none of them is left, the GPU cannot
    /// do it, or the driver refuses, the next frame is an IDR, as it always is with openh264.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode), when the session has ended.
    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error>;

    /// Changes settings from the next frame on, all in one call. Only a change of size makes an IDR.
    ///
    /// # Errors
    /// [`Error::Config`] when the backend cannot take the size, which leaves the encoder as it was; another error when
    /// the backend refuses, which keeps the old settings.
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

    /// Changes the rate that shares out the bits, from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.change(SettingsChange::new().frame_rate(frame_rate))
    }

    /// Changes the quantisers that rate control may use, from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.change(SettingsChange::new().qp_range(qp_range))
    }

    /// Changes the size; the next frame must have it and becomes an IDR.
    ///
    /// # Errors
    /// As [`change`](Encoder::change).
    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.change(SettingsChange::new().size(size))
    }

    /// The current SPS and PPS, in Annex B format. The same bytes are in every IDR; this is for containers and signalling
    /// that want them apart. A bitrate that outgrows the level raises it at the next IDR, and with it the SPS.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode), when the session has ended or the backend refuses.
    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error>;

    /// Releases the CUDA device memory that frames came from, so that it may be freed: the allocation that holds
    /// `address` with every frame in it, or with `None` all of it. See [`Frame::cuda`](crate::Frame::cuda). It works
    /// after an error too, when it ends the rest of the encoder.
    ///
    /// # Errors
    /// An error other than [`Error::Frame`] when a session has not released the memory yet, which must then not be freed.
    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// Drains the events since the last call (at most 256): see [`Event`]. Empty, and without an allocation, when nothing
    /// happened.
    fn take_events(&mut self) -> Vec<Event>;
}

/// An encoder behind a pointer is the same encoder.
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
