//! NAL units: taken out of Annex B, put back into it.

use super::bits::Writer;

/// The units of an Annex B stream, without start codes.
pub(crate) fn split(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    let mut units = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let mut end = starts.get(index + 1).map_or(stream.len(), |next| next - 3);
        while end > *start && stream[end - 1] == 0 {
            end -= 1;
        }
        units.push(&stream[*start..end]);
    }
    units
}

/// Joins units with four-byte start codes.
pub(crate) fn annex_b<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = Vec::new();
    for unit in units {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(unit);
    }
    stream
}

/// The kind of a unit: 1 a slice, 5 a slice of an IDR, 7 a sequence header, 8 a picture header.
pub(crate) fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |first| first & 0x1f)
}

/// The payload without the bytes that keep start codes out of it.
pub(crate) fn unescape(unit: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(unit.len());
    let mut zeroes = 0;
    for byte in unit {
        if zeroes >= 2 && *byte == 3 {
            zeroes = 0;
            continue;
        }
        zeroes = if *byte == 0 { zeroes + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}

/// The payload with them.
pub(crate) fn escape(payload: &[u8]) -> Vec<u8> {
    let mut unit = Vec::with_capacity(payload.len());
    let mut zeroes = 0;
    for byte in payload {
        if zeroes >= 2 && *byte <= 3 {
            unit.push(3);
            zeroes = 0;
        }
        zeroes = if *byte == 0 { zeroes + 1 } else { 0 };
        unit.push(*byte);
    }
    unit
}

/// A unit of supplemental information with one message.
pub(crate) fn sei(kind: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![6];
    for number in [kind as usize, payload.len()] {
        message.extend(std::iter::repeat_n(0xff, number / 255));
        message.push(u8::try_from(number % 255).unwrap_or(0));
    }
    message.extend_from_slice(payload);
    message.push(0x80);
    escape(&message)
}

/// Tells that so many pictures from here all is as it should be.
pub(crate) fn recovery_point(pictures: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.ue(pictures);
    // Exact, no broken link, no change of slice groups.
    writer.bits(0b1000, 4);
    sei(6, &writer.finish())
}

/// The unit that goes before a slice to tell its temporal layer (ITU-T H.264 annex F).
pub(crate) fn prefix(slice: &[u8], layer: u8) -> Vec<u8> {
    let header = slice.first().copied().unwrap_or(0);
    let (is_idr, is_reference) = (kind(slice) == 5, header & 0x60 != 0);
    let idr = u8::from(is_idr) << 6;
    // No inter-layer prediction; layer; droppable, to be shown.
    let last = layer << 5 | u8::from(!is_reference) << 3 | 0b111;
    let mut unit = vec![header & 0x60 | 14, 0x80 | idr, 0x80, last];
    if is_reference {
        // Neither base pictures nor extensions.
        unit.push(0b0010_0000);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::{annex_b, escape, split, unescape};

    #[test]
    fn units_survive_annex_b() {
        let units: [&[u8]; 3] = [&[7, 1, 2], &[8, 0, 9], &[5, 3]];
        assert_eq!(split(&annex_b(units)), units);
    }

    #[test]
    fn escaping_is_undone() {
        let payload = [0, 0, 0, 0, 0, 1, 0, 0, 3, 9];
        assert_eq!(unescape(&escape(&payload)), payload);
        assert!(split(&escape(&payload)).is_empty());
    }
}
