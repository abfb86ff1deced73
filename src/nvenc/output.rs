//! Checks the driver's output and copies it once, as an access unit with 4-byte start codes.
//!
//! The header promises a byte stream without saying the length of its start codes, which the contract of this crate
//! fixes at 4 bytes. So each NAL unit is copied behind a new start code, and no byte has to be moved afterwards.

use std::ops::Range;

use crate::annexb::{NalKind, nals};

/// The contents of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Contents {
    pub(super) is_idr: bool,
    has_slice: bool,
    /// Whether another picture may be predicted from one of the slices.
    has_reference: bool,
    has_parameter_sets: bool,
}

impl Contents {
    /// Whether no other picture refers to this one.
    pub(super) const fn is_droppable(self) -> bool {
        self.has_slice && !self.has_reference
    }
}

/// Replaces `bytes` by the access unit in `stream`, and `ranges` by where its NAL units lie.
///
/// # Errors
/// The fault of the driver's output, in words.
pub(super) fn take(
    stream: &[u8],
    bytes: &mut Vec<u8>,
    ranges: &mut Vec<Range<usize>>,
) -> Result<Contents, &'static str> {
    bytes.clear();
    ranges.clear();
    if stream.is_empty() {
        return Err("an empty access unit");
    }
    if !begins_with_start_code(stream) {
        return Err("an access unit that does not begin with a start code");
    }
    let (mut contents, mut sps, mut pps) = (Contents::default(), false, false);
    for nal in nals(stream) {
        match nal.kind() {
            NalKind::Sps => sps = true,
            NalKind::Pps => pps = true,
            NalKind::IdrSlice => {
                contents.has_parameter_sets |= sps && pps && !contents.has_slice;
                contents.is_idr = true;
            }
            _ => {}
        }
        if matches!(nal.kind(), NalKind::Slice | NalKind::IdrSlice) {
            contents.has_slice = true;
            contents.has_reference |= nal.ref_idc() != 0;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(nal.bytes());
        ranges.push(start..bytes.len());
    }
    if !contents.has_slice {
        return Err("an access unit without a slice");
    }
    if contents.is_idr && !contents.has_parameter_sets {
        return Err("an IDR without SPS and PPS in front of it");
    }
    Ok(contents)
}

fn begins_with_start_code(stream: &[u8]) -> bool {
    let zeros = stream.iter().take_while(|&&byte| byte == 0).count();
    zeros >= 2 && stream.get(zeros) == Some(&1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Taken {
        is_idr: bool,
        bytes: Vec<u8>,
        ranges: Vec<Range<usize>>,
    }

    /// Into buffers that hold something else already.
    fn taken(stream: &[u8]) -> Result<Taken, &'static str> {
        let (mut bytes, mut ranges) = (vec![1, 2, 3], Vec::from([7..9, 9..11]));
        let contents = take(stream, &mut bytes, &mut ranges)?;
        Ok(Taken { is_idr: contents.is_idr, bytes, ranges })
    }

    #[test]
    fn short_start_codes_become_long_and_trailing_zeros_go() {
        let stream = [0, 0, 1, 0x67, 9, 0, 0, 0, 0, 1, 0x68, 8, 0, 0, 1, 0x65, 7, 6, 0, 0];
        let Taken { is_idr, bytes, ranges } = taken(&stream).unwrap();
        assert!(is_idr);
        assert_eq!(bytes, [0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x68, 8, 0, 0, 0, 1, 0x65, 7, 6]);
        assert_eq!(ranges, [0..6, 6..12, 12..19]);
    }

    #[test]
    fn what_is_no_access_unit_is_refused_in_words() {
        assert_eq!(taken(&[]).unwrap_err(), "an empty access unit");
        assert!(taken(&[0x5a; 40]).is_err());
        assert!(taken(&[9, 0, 0, 1, 0x41, 1]).is_err());
        assert!(taken(&[0, 0, 0, 1, 0x67, 1]).unwrap_err().contains("slice"));
    }

    #[test]
    fn an_idr_without_its_parameter_sets_is_refused() {
        for stream in [
            &[0, 0, 1, 0x65, 1][..],
            &[0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1],
            &[0, 0, 1, 0x65, 1, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1],
        ] {
            assert!(taken(stream).unwrap_err().contains("SPS"), "{stream:?}");
        }
        assert!(!taken(&[0, 0, 1, 0x41, 1]).unwrap().is_idr);
    }
}
