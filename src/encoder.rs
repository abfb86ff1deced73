//! The one contract that every backend keeps: a frame in, an access unit out.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::annexb::{Nal, NalKind, nals_at};
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Event;
use crate::frame::Frame;
use crate::pipeline::{Done, Submitted};
use crate::recovery::Recovery;
use crate::remains::Remains;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange, Timestamp};

/// What kind of picture the next frame becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Picture {
    /// A P picture, or an IDR where one is due.
    #[default]
    Auto,
    /// An IDR with SPS and PPS, whatever is due.
    Idr,
    /// The first of `frames` P pictures that together code the whole picture anew, a part of it each, so that a receiver
    /// recovers without the burst of an IDR. An IDR where one is due, and where the encoder cannot do it: openh264, and a
    /// GPU whose [`Capabilities`](crate::nvenc::Capabilities) say so. A change of backend or of size within these frames is
    /// an IDR anyway; another request starts anew.
    IntraRefresh {
        /// How many pictures it is spread over.
        frames: NonZeroU32,
    },
}

/// Where the time of one `encode` call went. A stage that a backend does not have is zero; the sum of the stages
/// is at most `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StageTimes {
    /// Colour conversion, padding and de-interleaving on the CPU.
    pub convert: Duration,
    /// Bringing the pixels to the encoder's memory.
    pub upload: Duration,
    /// Handing the picture over. For software: the encoding itself.
    pub submit: Duration,
    /// Waiting for the access unit.
    pub wait: Duration,
    /// Copying the access unit out.
    pub copy: Duration,
    /// From the start of the call to its end; in a [`Pipeline`](crate::Pipeline), to the end of the call that gives the
    /// access unit.
    pub total: Duration,
}

/// One coded picture, borrowed from the encoder until its next call.
///
/// The bytes are Annex B with 4-byte start codes; an IDR begins with SPS and PPS.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessUnit<'e> {
    /// The whole access unit.
    pub bytes: &'e [u8],
    /// Where each NAL unit lies in `bytes`, start code included, in order.
    pub nal_ranges: &'e [Range<usize>],
    /// Which one it is.
    pub frame_id: FrameId,
    /// Whether decoding can start here.
    pub is_idr: bool,
    /// Whether no other picture refers to it (`nal_ref_idc` is 0 in each slice), so that it can be dropped without harm to
    /// any other. There are such pictures with [`TemporalLayers::Two`](crate::TemporalLayers::Two).
    pub is_droppable: bool,
    /// The frame's timestamp, untouched.
    pub timestamp: Timestamp,
    /// The quantiser, 0 to 51, where the backend tells it: of the whole picture, or the mean.
    pub qp: Option<u8>,
    /// Where the time went.
    pub times: StageTimes,
    /// Who encoded it.
    pub backend: Backend,
}

impl AccessUnit<'_> {
    /// The NAL units, in order.
    pub fn nals(&self) -> impl Iterator<Item = Nal<'_>> {
        nals_at(self.bytes, self.nal_ranges)
    }

    /// How many slices the picture is coded in, 1 or more: as many as were asked for with
    /// [`EncoderConfig::slices`](crate::EncoderConfig::slices), else as the backend chose for the size.
    #[must_use]
    pub fn slices(&self) -> usize {
        slices(self.nals())
    }

    /// A copy that outlives the encoder's next call.
    #[must_use]
    pub fn to_owned(&self) -> OwnedAccessUnit {
        self.copied_into(Vec::new(), Vec::new())
    }

    /// As [`to_owned`](AccessUnit::to_owned), in memory that another copy was in.
    pub(crate) fn copied_into(
        &self,
        mut bytes: Vec<u8>,
        mut nal_ranges: Vec<Range<usize>>,
    ) -> OwnedAccessUnit {
        bytes.clear();
        bytes.extend_from_slice(self.bytes);
        nal_ranges.clear();
        nal_ranges.extend_from_slice(self.nal_ranges);
        OwnedAccessUnit {
            bytes,
            nal_ranges,
            frame_id: self.frame_id,
            is_idr: self.is_idr,
            is_droppable: self.is_droppable,
            timestamp: self.timestamp,
            qp: self.qp,
            times: self.times,
            backend: self.backend,
        }
    }
}

/// An [`AccessUnit`] that owns its bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnedAccessUnit {
    /// See [`AccessUnit::bytes`].
    pub bytes: Vec<u8>,
    /// See [`AccessUnit::nal_ranges`].
    pub nal_ranges: Vec<Range<usize>>,
    /// See [`AccessUnit::frame_id`].
    pub frame_id: FrameId,
    /// See [`AccessUnit::is_idr`].
    pub is_idr: bool,
    /// See [`AccessUnit::is_droppable`].
    pub is_droppable: bool,
    /// See [`AccessUnit::timestamp`].
    pub timestamp: Timestamp,
    /// See [`AccessUnit::qp`].
    pub qp: Option<u8>,
    /// See [`AccessUnit::times`].
    pub times: StageTimes,
    /// See [`AccessUnit::backend`].
    pub backend: Backend,
}

impl OwnedAccessUnit {
    /// The NAL units, in order.
    pub fn nals(&self) -> impl Iterator<Item = Nal<'_>> {
        nals_at(&self.bytes, &self.nal_ranges)
    }

    /// See [`AccessUnit::slices`].
    #[must_use]
    pub fn slices(&self) -> usize {
        slices(self.nals())
    }
}

fn slices<'a>(nals: impl Iterator<Item = Nal<'a>>) -> usize {
    nals.filter(|nal| matches!(nal.kind(), NalKind::Slice | NalKind::IdrSlice)).count()
}

/// One H.264 stream: one frame in, one access unit out, in order.
///
/// There are no B frames, there is no lookahead, and no frame is skipped: every [`encode`](Encoder::encode) that
/// returns `Ok` returns the access unit of the frame that went in.
pub trait Encoder: Send + fmt::Debug {
    /// Who encodes.
    fn backend(&self) -> Backend;

    /// The size that frames must have.
    fn size(&self) -> FrameSize;

    /// The size that a decoder shows: [`size`](Encoder::size) with odd sides padded to even, since 4:2:0 cannot
    /// express them. The added column and row repeat the last one.
    fn coded_size(&self) -> FrameSize {
        self.size().padded_to_even()
    }

    /// Encodes one frame. The result borrows the encoder; [`AccessUnit::to_owned`] keeps it longer.
    ///
    /// # Errors
    /// [`Error::Frame`] leaves the encoder usable; after any other error every further call fails with it:
    /// [`Error::leaves_encoder_usable`] tells.
    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error>;

    /// Says which frames the receiver did not get, so that the next one is predicted only from what it has. What was
    /// encoded since then depends on them and is given up too, without being named; frames before the last IDR, ids that
    /// no access unit has had, and frames that were reported before need nothing.
    ///
    /// NVENC keeps as many older frames to predict from as
    /// [`reference_frames`](crate::NvencConfig::reference_frames) says. Where none of them is left, the GPU cannot do it, or
    /// the driver refuses, the next frame is an IDR, as it always is with openh264.
    ///
    /// # Errors
    /// The error that ended the session, when it has ended.
    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error>;

    /// Changes the target from the next frame on, without an IDR.
    ///
    /// # Errors
    /// [`Error::Driver`] when the backend refuses; the encoder then keeps the old target.
    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error>;

    /// Changes the rate that shares out the bits, from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`set_bitrate`](Encoder::set_bitrate).
    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error>;

    /// Changes the quantisers that rate control may use, from the next frame on, without an IDR.
    ///
    /// # Errors
    /// As [`set_bitrate`](Encoder::set_bitrate).
    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error>;

    /// Changes the size; the next frame must have it and becomes an IDR.
    ///
    /// # Errors
    /// [`Error::Config`] when the backend cannot take the size, which leaves the encoder as it was;
    /// [`Error::Driver`] when it refuses.
    fn set_size(&mut self, size: FrameSize) -> Result<(), Error>;

    /// SPS and PPS as they stand, Annex B. A bitrate that outgrows the level raises it at the next IDR, and with it the SPS. The same bytes are in every IDR; this is for
    /// containers and signalling that want them apart.
    ///
    /// # Errors
    /// [`Error::Driver`] when the backend refuses.
    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error>;

    /// Lets go of CUDA device memory that frames came from, so that it may be freed: of the allocation that holds an
    /// address, with every frame in it, or without an address of all of it. See [`Frame::cuda`](crate::Frame::cuda). It
    /// works after an error too, when it ends what is left of the encoder.
    ///
    /// # Errors
    /// [`Error::StillInUse`] when a session has not let go of the memory yet, which is then not to be freed.
    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// What happened since the last call that is worth telling: see [`Event`]. The last 256 are kept. Empty, and without an allocation,
    /// when nothing did.
    fn take_events(&mut self) -> Vec<Event>;
}

/// What there is to say of an access unit beside its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded {
    /// The number that the encoder itself gave it.
    pub(crate) frame_id: FrameId,
    pub(crate) is_idr: bool,
    pub(crate) is_droppable: bool,
    pub(crate) qp: Option<u8>,
    pub(crate) times: StageTimes,
}

impl AccessUnit<'_> {
    pub(crate) fn coded(&self) -> Coded {
        let Self { frame_id, is_idr, is_droppable, qp, times, .. } = *self;
        Coded { frame_id, is_idr, is_droppable, qp, times }
    }
}

/// What the failover encoder and a pipeline ask of a backend beyond [`Encoder`].
pub(crate) trait Engine: Encoder {
    /// The access unit of the last `encode` that succeeded, and where its NAL units lie.
    fn last_unit(&self) -> (&[u8], &[Range<usize>]);

    /// Trades the buffers of the last access unit for others.
    fn trade_unit(&mut self, bytes: &mut Vec<u8>, nals: &mut Vec<Range<usize>>);

    /// Takes a frame, and waits for the access unit of the one before that is still in flight. An encoder that has
    /// nothing to overlap waits for that of this frame.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; after [`Error::Frame`] what is in flight still is.
    fn submit(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Submitted, Error> {
        let unit = self.encode(frame, picture)?;
        let done = Done { coded: unit.coded(), timestamp: unit.timestamp, backend: unit.backend };
        Ok(Submitted { is_idr: unit.is_idr, is_in_flight: false, done: Some(done) })
    }

    /// Waits for the access unit of the frame in flight, if there is one.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn finish(&mut self) -> Result<Option<Done>, Error> {
        Ok(None)
    }

    /// The frame in flight, from what it is encoded from: also after an error.
    fn in_flight(&self) -> Option<Frame<'_>> {
        None
    }

    /// Has the next picture start a stream: it is an IDR, and nothing learnt from pictures before it counts.
    fn start_over(&mut self);

    /// As [`Encoder::forget_cuda`], by the session that is in use alone.
    fn let_go(&mut self, address: Option<u64>) -> Result<(), Error>;

    /// Something for each of its sessions that lives as long as any part of that does, a driver's call that hangs
    /// included.
    fn remains(&self) -> Vec<Remains>;
}
