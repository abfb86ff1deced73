//! Access units: the bytes of one coded picture and the facts about it.

use std::num::NonZeroU32;
use std::ops::{Deref, Range};
use std::time::Duration;

use crate::annexb::{Nal, NalKind, nals_at};
use crate::backend::Backend;
use crate::units::{FrameId, Timestamp};

/// The stages of one frame's time in the encoder. A stage that a backend does not have is zero; the sum of the stages
/// is at most `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StageTimes {
    /// Colour conversion, padding and de-interleaving on the CPU.
    pub convert: Duration,
    /// The copy of the pixels to the encoder's memory.
    pub upload: Duration,
    /// The call that submits the picture. On openh264 this is the encoding itself.
    pub submit: Duration,
    /// The wait for the access unit.
    pub wait: Duration,
    /// The copy of the access unit out of the encoder's memory.
    pub copy: Duration,
    /// From the start of the call to its end; in a [`Pipeline`](crate::Pipeline), to the end of the call that gives the
    /// access unit.
    pub total: Duration,
}

/// The place of a picture in an intra refresh.
///
/// ```
/// # fn sent(unit: &direct264::AccessUnit<'_>) {
/// if let Some(place) = unit.refresh {
///     println!("picture {} of {}", place.number, place.frames);
///     if place.is_last() {
///         println!("a receiver that has all of them shows the exact picture again");
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RefreshPlace {
    /// The number of the picture in the refresh, from 1 to `frames`.
    pub number: NonZeroU32,
    /// The length of the refresh in pictures: as asked for, or shorter, since each picture of it codes at least 32 rows
    /// anew.
    pub frames: NonZeroU32,
}

impl RefreshPlace {
    /// Whether the refresh ends with this picture. A receiver that lost pictures before the refresh, and none of it,
    /// decodes this picture and those behind it exactly, unless
    /// [`single_slice_refresh`](crate::config::NvencConfig::single_slice_refresh) is set.
    #[must_use]
    pub const fn is_last(self) -> bool {
        self.number.get() == self.frames.get()
    }

    /// The length of a refresh that begins with this picture; 0 if it began before.
    #[cfg(nvenc)]
    pub(crate) const fn begins(self) -> u32 {
        if self.number.get() == 1 { self.frames.get() } else { 0 }
    }
}

/// The facts about an access unit, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessUnitInfo {
    /// The number of the access unit in its stream.
    pub frame_id: FrameId,
    /// Whether decoding can start here.
    pub is_idr: bool,
    /// Whether no other picture refers to this one (`nal_ref_idc` is 0 in each slice), so that it can be dropped without
    /// harm to any other. Such pictures come with [`TemporalLayers::Two`](crate::config::TemporalLayers::Two).
    pub is_droppable: bool,
    /// The place of the picture in an intra refresh that was [requested](crate::Picture::IntraRefresh); `None` for an
    /// IDR and outside a refresh.
    pub refresh: Option<RefreshPlace>,
    /// The frame's timestamp, untouched.
    pub timestamp: Timestamp,
    /// The quantiser (QP), 0 to 51, where the backend tells it: of the whole picture, or the mean.
    pub qp: Option<u8>,
    /// The time that each stage took.
    pub times: StageTimes,
    /// The backend that encoded the frame.
    pub backend: Backend,
}

impl AccessUnitInfo {
    /// The facts that every backend knows; the rest says nothing.
    pub(crate) fn new(backend: Backend, frame_id: FrameId, timestamp: Timestamp) -> Self {
        Self {
            frame_id,
            is_idr: false,
            is_droppable: false,
            refresh: None,
            timestamp,
            qp: None,
            times: StageTimes::default(),
            backend,
        }
    }
}

/// One coded picture, borrowed from the encoder until its next call.
///
/// The bytes are Annex B with 4-byte start codes; an IDR begins with SPS and PPS. The fields of [`AccessUnitInfo`] are
/// read as if they were the access unit's own: `unit.is_idr`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessUnit<'e> {
    /// The whole access unit.
    pub bytes: &'e [u8],
    /// The place of each NAL unit in `bytes`, start code included, in order.
    pub nal_ranges: &'e [Range<usize>],
    /// The facts about it.
    pub info: &'e AccessUnitInfo,
}

impl AccessUnit<'_> {
    /// The NAL units, in order.
    pub fn nals(&self) -> impl Iterator<Item = Nal<'_>> {
        nals_at(self.bytes, self.nal_ranges)
    }

    /// The number of slices, 1 or more: as many as [`EncoderConfig::slices`](crate::EncoderConfig::slices) asked for, else
    /// as the backend chose for the size. NVENC may code a picture of an intra refresh in other slices.
    #[must_use]
    pub fn slices(&self) -> usize {
        slices(self.nals())
    }

    /// A copy that outlives the encoder's next call.
    #[must_use]
    pub fn to_owned(&self) -> OwnedAccessUnit {
        self.copied_into(UnitBuffer::default())
    }

    /// A copy in memory that is used again.
    pub(crate) fn copied_into(&self, buffer: UnitBuffer) -> OwnedAccessUnit {
        let UnitBuffer { mut bytes, mut nal_ranges } = buffer;
        bytes.clear();
        bytes.extend_from_slice(self.bytes);
        nal_ranges.clear();
        nal_ranges.extend_from_slice(self.nal_ranges);
        OwnedAccessUnit { bytes, nal_ranges, info: *self.info }
    }
}

impl Deref for AccessUnit<'_> {
    type Target = AccessUnitInfo;

    fn deref(&self) -> &AccessUnitInfo {
        self.info
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
    /// See [`AccessUnit::info`].
    pub info: AccessUnitInfo,
}

impl OwnedAccessUnit {
    /// The same access unit, borrowed.
    #[must_use]
    pub fn as_unit(&self) -> AccessUnit<'_> {
        AccessUnit { bytes: &self.bytes, nal_ranges: &self.nal_ranges, info: &self.info }
    }

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

impl Deref for OwnedAccessUnit {
    type Target = AccessUnitInfo;

    fn deref(&self) -> &AccessUnitInfo {
        &self.info
    }
}

/// The memory of an access unit, used again from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct UnitBuffer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) nal_ranges: Vec<Range<usize>>,
}

fn slices<'a>(nals: impl Iterator<Item = Nal<'a>>) -> usize {
    nals.filter(|nal| matches!(nal.kind(), NalKind::Slice | NalKind::IdrSlice)).count()
}
