//! The head of a slice: read, and written anew with other numbers.

use super::bits::{Reader, Writer};
use super::nal::{escape, unescape};

/// What of the parameter sets the head of a slice is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(super) frame_num_bits: u32,
    /// Of the picture order count, where it is written.
    pub(super) order_bits: Option<u32>,
    pub(super) cabac: bool,
}

/// Which picture of a stream it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    /// References since the IDR.
    pub(crate) frame_num: u32,
    /// Pictures since the IDR.
    pub(crate) picture: u32,
    /// Tells one IDR from the next.
    pub(crate) idr: u32,
    /// How many references back lies the one that it is predicted from; 1 is the last.
    pub(crate) back: u32,
    /// An IDR of openh264's becomes an intra picture that is none.
    pub(crate) is_plain_intra: bool,
}

/// Gives a slice these numbers; none if it has a head such as openh264 does not write.
pub(crate) fn renumber(unit: &[u8], syntax: Syntax, numbers: Numbers) -> Option<Vec<u8>> {
    let payload = unescape(unit);
    let mut from = Reader::new(&payload);
    let mut to = Writer::default();
    let header = from.bits(8)?;
    let (was_idr, is_reference) = (header & 0x1f == 5, header >> 5 & 3 != 0);
    let is_idr = was_idr && !numbers.is_plain_intra;
    to.bits(if was_idr && !is_idr { header & 0xe0 | 1 } else { header }, 8);
    // First macroblock, type, picture parameter set.
    let mut copy_ue = |from: &mut Reader<'_>| {
        let value = from.ue()?;
        to.ue(value);
        Some(value)
    };
    copy_ue(&mut from)?;
    let is_p = copy_ue(&mut from)? % 5 == 0;
    copy_ue(&mut from)?;
    from.bits(syntax.frame_num_bits)?;
    to.bits(numbers.frame_num, syntax.frame_num_bits);
    if was_idr {
        from.ue()?;
    }
    if is_idr {
        to.ue(numbers.idr);
    }
    if let Some(bits) = syntax.order_bits {
        from.bits(bits)?;
        to.bits(2 * numbers.picture, bits);
    }
    if is_p {
        let replaces_count = from.bit()?;
        to.bit(replaces_count);
        if replaces_count == 1 {
            to.ue(from.ue()?);
        }
        pass_modification(&mut from)?;
        write_modification(&mut to, numbers.back);
    }
    if was_idr {
        let marking = from.bits(2)?;
        if is_idr { to.bits(marking, 2) } else { to.bit(0) }
    } else if is_reference {
        // Marked by the sliding window, and by nothing else.
        if from.bit()? == 1 {
            return None;
        }
        to.bit(0);
    }
    if !syntax.cabac {
        copy_rest(&payload, &mut from, &mut to);
        return Some(escape(&to.finish()));
    }
    if is_p {
        to.ue(from.ue()?);
    }
    // The quantiser, as the code of a signed number; then deblocking, which openh264 always writes.
    to.ue(from.ue()?);
    let off = from.ue()?;
    to.ue(off);
    if off != 1 {
        to.ue(from.ue()?);
        to.ue(from.ue()?);
    }
    while !from.position().is_multiple_of(8) {
        from.bit()?;
    }
    let mut bytes = to.aligned_by_ones();
    bytes.extend_from_slice(payload.get(from.position() / 8..)?);
    Some(escape(&bytes))
}

/// openh264 names the reference that it uses in any case.
fn pass_modification(from: &mut Reader<'_>) -> Option<()> {
    if from.bit()? == 1 {
        while from.ue()? != 3 {
            from.ue()?;
        }
    }
    Some(())
}

fn write_modification(to: &mut Writer, back: u32) {
    to.bit(1);
    to.ue(0);
    to.ue(back - 1);
    to.ue(3);
}

/// Copies bits up to the one that ends the payload.
fn copy_rest(payload: &[u8], from: &mut Reader<'_>, to: &mut Writer) {
    let zeroes = payload.iter().rev().take_while(|byte| **byte == 0).count();
    let Some(last) = payload.len().checked_sub(zeroes + 1) else { return };
    let end = last * 8 + 7 - payload[last].trailing_zeros() as usize;
    while from.position() < end {
        let Some(bit) = from.bit() else { return };
        to.bit(bit);
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, Syntax, renumber};
    use crate::h264::bits::{Reader, Writer};
    use crate::h264::nal::{escape, unescape};

    const SYNTAX: Syntax = Syntax { frame_num_bits: 15, order_bits: Some(16), cabac: false };

    /// A P slice of a reference, third of its sequence, with nine bits of data.
    fn slice() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bits(0x61, 8);
        for value in [0, 5, 0] {
            writer.ue(value);
        }
        writer.bits(2, 15);
        writer.bits(4, 16);
        writer.bit(0);
        super::write_modification(&mut writer, 1);
        writer.bit(0);
        writer.bits(0b1_0110_0101, 9);
        escape(&writer.finish())
    }

    #[test]
    fn the_same_numbers_give_the_same_slice() {
        let same = Numbers { frame_num: 2, picture: 2, idr: 0, back: 1, is_plain_intra: false };
        assert_eq!(renumber(&slice(), SYNTAX, same).unwrap(), slice());
    }

    #[test]
    fn an_idr_becomes_an_intra_picture() {
        let head = |header, is_idr: bool| {
            let mut writer = Writer::default();
            writer.bits(header, 8);
            for value in [0, 7, 0] {
                writer.ue(value);
            }
            writer.bits(if is_idr { 0 } else { 5 }, 15);
            if is_idr {
                writer.ue(3);
            }
            writer.bits(if is_idr { 0 } else { 14 }, 16);
            writer.bits(0, if is_idr { 2 } else { 1 });
            writer.bits(0b1_0110_0101, 9);
            escape(&writer.finish())
        };
        let numbers = Numbers { frame_num: 5, picture: 7, idr: 0, back: 1, is_plain_intra: true };
        assert_eq!(renumber(&head(0x65, true), SYNTAX, numbers).unwrap(), head(0x61, false));
    }

    #[test]
    fn other_numbers_are_written_and_the_data_stays() {
        let other = Numbers { frame_num: 300, picture: 301, idr: 0, back: 6, is_plain_intra: false };
        let payload = unescape(&renumber(&slice(), SYNTAX, other).unwrap());
        let mut reader = Reader::new(&payload);
        reader.bits(8);
        assert_eq!([reader.ue(), reader.ue(), reader.ue()], [Some(0), Some(5), Some(0)]);
        assert_eq!([reader.bits(15), reader.bits(16)], [Some(300), Some(602)]);
        assert_eq!([reader.bit(), reader.bit()], [Some(0), Some(1)]);
        assert_eq!([reader.ue(), reader.ue(), reader.ue()], [Some(0), Some(5), Some(3)]);
        assert_eq!([reader.bit(), reader.bits(9), reader.bit()], [Some(0), Some(0b1_0110_0101), Some(1)]);
    }
}
