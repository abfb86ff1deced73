//! RTP payloads of an access unit (RFC 6184, packetization mode 1).

use std::ops::Range;

use crate::access_unit::AccessUnit;
use crate::annexb::nals_at;

/// The NAL unit types of RFC 6184 table 3.
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// The bytes of a NAL unit's header, and of the length in front of a NAL unit within a STAP-A.
const HEADER: usize = 1;
const LENGTH: usize = 2;
/// The bytes in front of the piece of a NAL unit in an FU-A: indicator and header.
const FU_A_HEADER: usize = 2;
const NAL_REF_IDC: u8 = 0x60;
const FORBIDDEN_BIT: u8 = 0x80;
/// The most NAL units of one STAP-A, as aiortc has it.
const MOST_AGGREGATED: usize = 9;

/// Returns the RTP payloads of an access unit, each of at most `max_bytes`, in the order in which they are sent.
///
/// NAL units that fit into one payload together share a STAP-A, a NAL unit larger than a payload is cut into FU-As of
/// nearly equal size, and any other is a payload by itself. The caller sets the RTP marker bit on the last payload.
/// `max_bytes` below [`MIN_PAYLOAD_BYTES`] counts as that.
///
/// ```
/// # fn sent(unit: &direct264::AccessUnit<'_>, mut send: impl FnMut(&[u8], bool)) {
/// let mut packet = Vec::new();
/// let mut payloads = direct264::rtc::payloads(unit, 1_200).peekable();
/// while let Some(payload) = payloads.next() {
///     packet.resize(payload.len(), 0);
///     payload.copy_to(&mut packet);
///     let has_marker = payloads.peek().is_none();
///     send(&packet, has_marker);
/// }
/// # }
/// ```
#[must_use]
pub fn payloads<'a>(unit: &AccessUnit<'a>, max_bytes: usize) -> Payloads<'a> {
    let (bytes, nal_ranges) = (unit.bytes, unit.nal_ranges);
    Payloads { bytes, nal_ranges, max_bytes: max_bytes.max(MIN_PAYLOAD_BYTES), pieces: None }
}

/// The least that a payload may hold.
pub const MIN_PAYLOAD_BYTES: usize = 16;

/// The payloads of an access unit: see [`payloads`].
#[derive(Debug, Clone)]
pub struct Payloads<'a> {
    bytes: &'a [u8],
    /// The NAL units that are still to come.
    nal_ranges: &'a [Range<usize>],
    max_bytes: usize,
    /// The rest of a NAL unit that is being cut.
    pieces: Option<Pieces<'a>>,
}

/// A NAL unit that is cut into pieces which differ by at most a byte.
#[derive(Debug, Clone, Copy)]
struct Pieces<'a> {
    nal_header: u8,
    rest: &'a [u8],
    left: usize,
    is_first: bool,
}

impl<'a> Pieces<'a> {
    fn of(nal: &'a [u8], max_bytes: usize) -> Option<Self> {
        let (&nal_header, rest) = nal.split_first()?;
        let left = rest.len().div_ceil(max_bytes - FU_A_HEADER);
        Some(Self { nal_header, rest, left, is_first: true })
    }

    /// Cuts the next piece off. The first ones are a byte longer where the pieces are not equal.
    fn next(&mut self) -> Payload<'a> {
        let (piece, rest) = self.rest.split_at(self.rest.len().div_ceil(self.left.max(1)));
        let start = if self.is_first { 0x80 } else { 0 };
        let end = if rest.is_empty() { 0x40 } else { 0 };
        let header = [self.nal_header & !0x1f | FU_A, start | end | self.nal_header & 0x1f];
        *self = Self { rest, left: self.left.saturating_sub(1), is_first: false, ..*self };
        Payload(Kind::Fragment { header, piece })
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Payload<'a>;

    fn next(&mut self) -> Option<Payload<'a>> {
        if let Some(pieces) = self.pieces.as_mut().filter(|pieces| !pieces.rest.is_empty()) {
            return Some(pieces.next());
        }
        let first = nals_at(self.bytes, self.nal_ranges).next()?.bytes();
        if first.len() > self.max_bytes {
            self.nal_ranges = self.nal_ranges.get(1..)?;
            self.pieces = Pieces::of(first, self.max_bytes);
            return self.pieces.as_mut().map(Pieces::next);
        }
        let mut len = HEADER;
        let fitting = nals_at(self.bytes, self.nal_ranges).take(MOST_AGGREGATED).take_while(|nal| {
            len += LENGTH + nal.bytes().len();
            len <= self.max_bytes
        });
        let (together, rest) = self.nal_ranges.split_at_checked(fitting.count().max(1))?;
        self.nal_ranges = rest;
        Some(Payload(match together {
            [_] => Kind::Single(first),
            _ => Kind::Aggregate { bytes: self.bytes, nal_ranges: together },
        }))
    }
}

/// The payload of one RTP packet.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a>(Kind<'a>);

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    /// A NAL unit as it is.
    Single(&'a [u8]),
    /// Several NAL units, each behind its length (STAP-A).
    Aggregate { bytes: &'a [u8], nal_ranges: &'a [Range<usize>] },
    /// A piece of a NAL unit (FU-A).
    Fragment { header: [u8; FU_A_HEADER], piece: &'a [u8] },
}

impl Payload<'_> {
    /// The number of bytes; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no payload is empty")]
    pub fn len(&self) -> usize {
        match self.0 {
            Kind::Single(nal) => nal.len(),
            Kind::Aggregate { bytes, nal_ranges } => {
                HEADER + nals_at(bytes, nal_ranges).map(|nal| LENGTH + nal.bytes().len()).sum::<usize>()
            }
            Kind::Fragment { header, piece } => header.len() + piece.len(),
        }
    }

    /// Writes the payload to the first [`len`](Payload::len) bytes of `to`, as far as `to` goes.
    pub fn copy_to(&self, to: &mut [u8]) {
        let mut to = Writer(to);
        match self.0 {
            Kind::Single(nal) => to.put(nal),
            Kind::Aggregate { bytes, nal_ranges } => {
                let headers = || nals_at(bytes, nal_ranges).filter_map(|nal| nal.bytes().first().copied());
                // The forbidden bit is set if any unit has it; nal_ref_idc is the highest of all (section 5.7.1).
                let forbidden = headers().fold(0, |all, header| all | header & FORBIDDEN_BIT);
                let highest = headers().map(|header| header & NAL_REF_IDC).max().unwrap_or(0);
                to.put(&[forbidden | highest | STAP_A]);
                for nal in nals_at(bytes, nal_ranges) {
                    // A payload is far below 64 KiB, and so is what it holds.
                    let len = u16::try_from(nal.bytes().len()).unwrap_or(u16::MAX);
                    to.put(&len.to_be_bytes());
                    to.put(nal.bytes());
                }
            }
            Kind::Fragment { header, piece } => {
                to.put(&header);
                to.put(piece);
            }
        }
    }
}

/// The part of a buffer that is not written yet.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(self.0.len());
        let (to, rest) = std::mem::take(&mut self.0).split_at_mut(len);
        to.copy_from_slice(&bytes[..len]);
        self.0 = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access_unit::AccessUnitInfo;
    use crate::backend::Backend;
    use crate::units::{FrameId, Timestamp};

    /// The payloads of NAL units, which are given without start codes.
    fn of(nals: &[Vec<u8>], max_bytes: usize) -> Vec<Vec<u8>> {
        let (mut bytes, mut nal_ranges) = (Vec::new(), Vec::new());
        for nal in nals {
            let start = bytes.len();
            bytes.extend_from_slice(&[0, 0, 0, 1]);
            bytes.extend_from_slice(nal);
            nal_ranges.push(start..bytes.len());
        }
        let info = AccessUnitInfo::new(Backend::OpenH264, FrameId(0), Timestamp(0));
        let unit = AccessUnit { bytes: &bytes, nal_ranges: &nal_ranges, info: &info };
        let copied = |payload: Payload<'_>| {
            let mut copy = vec![0; payload.len()];
            payload.copy_to(&mut copy);
            copy
        };
        payloads(&unit, max_bytes).map(copied).collect()
    }

    fn nal(header: u8, len: usize) -> Vec<u8> {
        let mut nal = vec![header];
        nal.extend((1..len).map(|at| at as u8));
        nal
    }

    /// Takes payloads apart again, as a receiver does.
    fn received(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut nals: Vec<Vec<u8>> = Vec::new();
        for payload in payloads {
            match payload[0] & 0x1f {
                STAP_A => {
                    let mut rest = &payload[1..];
                    while let [high, low, behind @ ..] = rest {
                        let (nal, further) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
                        nals.push(nal.to_vec());
                        rest = further;
                    }
                }
                FU_A => {
                    if payload[1] & 0x80 != 0 {
                        nals.push(vec![payload[0] & 0xe0 | payload[1] & 0x1f]);
                    }
                    nals.last_mut().unwrap().extend_from_slice(&payload[2..]);
                }
                _ => nals.push(payload.clone()),
            }
        }
        nals
    }

    #[test]
    fn parameter_sets_share_a_payload_and_a_long_slice_is_cut_evenly() {
        let nals = [nal(0x67, 20), nal(0x68, 4), nal(0x65, 3_001)];
        let made = of(&nals, 1_200);
        assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), [1 + 2 + 20 + 2 + 4, 1_002, 1_002, 1_002]);
        assert_eq!(made[0][..4], [0x78, 0, 20, 0x67]);
        let headers: Vec<&[u8]> = made[1..].iter().map(|payload| &payload[..2]).collect();
        assert_eq!(headers, [[0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x45]]);
    }

    #[test]
    fn a_unit_that_just_fits_is_a_payload_by_itself() {
        for len in [1_197, 1_198, 1_200] {
            assert_eq!(of(&[nal(0x41, len)], 1_200), [nal(0x41, len)]);
        }
        assert_eq!(of(&[nal(0x41, 1_201)], 1_200).len(), 2);
    }

    #[test]
    fn at_most_nine_units_share_a_payload() {
        let nals = vec![nal(0x41, 10); 12];
        assert_eq!(of(&nals, 1_200).iter().map(Vec::len).collect::<Vec<_>>(), [1 + 9 * 12, 1 + 3 * 12]);
    }

    proptest! {
        #[test]
        fn a_receiver_puts_the_same_units_together(
            lens in prop::collection::vec(1..4_000usize, 0..20),
            headers in prop::collection::vec(prop::sample::select(vec![0x67, 0x68, 0x65, 0x41, 0x01, 0x06]), 20),
            max_bytes in 0..1_500usize,
        ) {
            let nals: Vec<_> = lens.iter().zip(&headers).map(|(&len, &header)| nal(header, len)).collect();
            let made = of(&nals, max_bytes);
            prop_assert!(made.iter().all(|payload| payload.len() <= max_bytes.max(MIN_PAYLOAD_BYTES)));
            prop_assert_eq!(received(&made), nals);
        }
    }
}
