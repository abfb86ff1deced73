//! Splits a byte stream into NAL units (ITU-T H.264 annex B). No unsafe code, no allocation.

use std::ops::Range;

/// The kind of a NAL unit (ITU-T H.264 table 7-1), by name where this crate's streams have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NalKind {
    /// 1: a slice of a picture that is not an IDR.
    Slice,
    /// 5: a slice of an IDR picture.
    IdrSlice,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9: access unit delimiter.
    AccessUnitDelimiter,
    /// 12: filler.
    Filler,
    /// Another kind, with its number, 0 to 31.
    Other(u8),
}

/// A NAL unit, borrowed from its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a> {
    /// The unit without its start code; never empty.
    bytes: &'a [u8],
}

impl<'a> Nal<'a> {
    /// The unit without its start code, from the header byte on.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The kind of the unit, by `nal_unit_type`.
    #[must_use]
    pub fn kind(&self) -> NalKind {
        match self.header() & 0x1f {
            1 => NalKind::Slice,
            5 => NalKind::IdrSlice,
            6 => NalKind::Sei,
            7 => NalKind::Sps,
            8 => NalKind::Pps,
            9 => NalKind::AccessUnitDelimiter,
            12 => NalKind::Filler,
            other => NalKind::Other(other),
        }
    }

    /// `nal_ref_idc`, 0 to 3. At 0 no other picture refers to this one, so the unit may be dropped.
    #[must_use]
    pub fn ref_idc(&self) -> u8 {
        self.header() >> 5 & 3
    }

    /// Returns the unit at `range` of `stream`, which includes the start code; `None` when the range holds no unit.
    fn at(stream: &'a [u8], range: Range<usize>) -> Option<Self> {
        let bytes = strip_start_code(stream.get(range)?);
        (!bytes.is_empty()).then_some(Self { bytes })
    }

    fn header(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }
}

/// Returns the units of `stream` at known ranges.
pub(crate) fn nals_at<'a>(stream: &'a [u8], ranges: &'a [Range<usize>]) -> impl Iterator<Item = Nal<'a>> {
    ranges.iter().filter_map(move |range| Nal::at(stream, range.clone()))
}

/// Whether the units of `stream` at known ranges are a picture to which no other picture refers.
#[cfg(any(openh264, test))]
pub(crate) fn is_droppable(stream: &[u8], ranges: &[Range<usize>]) -> bool {
    let mut slices = nals_at(stream, ranges)
        .filter(|nal| matches!(nal.kind(), NalKind::Slice | NalKind::IdrSlice))
        .peekable();
    slices.peek().is_some() && slices.all(|slice| slice.ref_idc() == 0)
}

/// Splits a byte stream into NAL units. Start codes may have 3 or 4 bytes, and trailing zeros belong to no unit.
/// Bytes before the first start code are passed over.
///
/// ```
/// use direct264::annexb::{NalKind, nals};
///
/// let stream = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce];
/// let kinds: Vec<NalKind> = nals(&stream).map(|nal| nal.kind()).collect();
/// assert_eq!(kinds, [NalKind::Sps, NalKind::Pps]);
/// ```
pub fn nals(stream: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut next = start_code(stream, 0);
    std::iter::from_fn(move || {
        loop {
            let begin = next? + 3;
            next = start_code(stream, begin);
            let unit = trim_zeros(&stream[begin..next.unwrap_or(stream.len())]);
            if !unit.is_empty() {
                return Some(Nal { bytes: unit });
            }
        }
    })
}

/// The offset of the next `00 00 01` from `from` on.
fn start_code(stream: &[u8], from: usize) -> Option<usize> {
    let rest = skip_blocks(stream.get(from..)?);
    let passed = stream.len() - rest.len();
    let mut at = 0;
    while let Some(&third) = rest.get(at + 2) {
        match third {
            0 => at += 1,
            1 if rest[at..at + 2] == [0, 0] => return Some(passed + at),
            // No start code holds this byte elsewhere than at its end.
            _ => at += 3,
        }
    }
    None
}

/// Passes over blocks of bytes at which no start code begins. The bytes of a block are compared together, without a
/// branch between them, so that the compiler makes SIMD code.
fn skip_blocks(mut rest: &[u8]) -> &[u8] {
    const BLOCK: usize = 64;
    while let Some(bytes) = rest.first_chunk::<{ BLOCK + 2 }>() {
        // Most blocks have no two zeros in a row, which takes less to see.
        let has_zeros = (0..BLOCK).fold(false, |any, at| any | (bytes[at] | bytes[at + 1] == 0));
        let is_one = |at: usize| bytes[at] | bytes[at + 1] | (bytes[at + 2] ^ 1) == 0;
        if has_zeros && (0..BLOCK).fold(false, |any, at| any | is_one(at)) {
            break;
        }
        rest = &rest[BLOCK..];
    }
    rest
}

fn strip_start_code(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0, 0, 0, 1]).or_else(|| bytes.strip_prefix(&[0, 0, 1])).unwrap_or(bytes)
}

fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_start_codes_split_and_trailing_zeros_belong_to_nobody() {
        let stream = [9, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0, 0];
        let found: Vec<_> = nals(&stream).map(|nal| (nal.kind(), nal.bytes().to_vec())).collect();
        let expected = vec![
            (NalKind::Sps, vec![0x67, 1, 2]),
            (NalKind::Pps, vec![0x68, 3]),
            (NalKind::IdrSlice, vec![0x65, 4]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_stream_without_units_has_none() {
        for stream in [&[][..], &[0, 0, 1], &[0, 0, 0, 1, 0, 0, 0], &[1, 2, 3]] {
            assert_eq!(nals(stream).count(), 0, "{stream:?}");
        }
    }

    #[test]
    fn a_picture_is_droppable_when_each_of_its_slices_is() {
        let (sei, lone, kept, idr) = (0x06, 0x01, 0x21, 0x65);
        for (headers, droppable) in [
            (&[lone][..], true),
            (&[sei, lone, lone], true),
            (&[lone, kept], false),
            (&[kept], false),
            (&[0x67, 0x68, idr], false),
            (&[sei], false),
            (&[], false),
        ] {
            let stream: Vec<u8> = headers.iter().flat_map(|&header| [0, 0, 0, 1, header, 7]).collect();
            let ranges: Vec<_> = (0..headers.len()).map(|at| 6 * at..6 * at + 6).collect();
            assert_eq!(is_droppable(&stream, &ranges), droppable, "{headers:02x?}");
        }
    }

    #[test]
    fn a_start_code_is_found_wherever_it_lies() {
        // Interpreted, all of them would take an hour.
        let step = if cfg!(miri) { 31 } else { 1 };
        for length in (3..200).step_by(step) {
            for at in 0..length - 2 {
                let mut stream = vec![0x80; length];
                // Looks like one until its last byte.
                stream[at.saturating_sub(2)..at].fill(0);
                stream[at..at + 3].copy_from_slice(&[0, 0, 1]);
                let first = at - at.min(2);
                for from in [0, first, at] {
                    assert_eq!(start_code(&stream, from), Some(at), "{length} bytes from {from}");
                }
                assert_eq!(start_code(&stream, at + 1), None, "{length} bytes behind {at}");
            }
        }
    }

    #[test]
    fn the_header_tells_kind_and_reference() {
        let stream = [0, 0, 1, 0x01, 7, 0, 0, 1, 0x7f];
        let found: Vec<_> = nals(&stream).map(|nal| (nal.kind(), nal.ref_idc())).collect();
        assert_eq!(found, [(NalKind::Slice, 0), (NalKind::Other(31), 3)]);
    }
}
