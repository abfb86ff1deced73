//! Bits of a raw byte sequence payload.

/// Reads bits from the front.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb number.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeroes = 0;
        while self.bit()? == 0 {
            zeroes += 1;
            if zeroes > 31 {
                return None;
            }
        }
        Some((1 << zeroes) - 1 + self.bits(zeroes)?)
    }
}

/// Writes bits to the end.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    used: usize,
}

impl Writer {
    pub(super) fn bit(&mut self, bit: u32) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit & 1 == 1
            && let Some(last) = self.bytes.last_mut()
        {
            *last |= 0x80 >> (self.used % 8);
        }
        self.used += 1;
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.bit(value >> shift);
        }
    }

    pub(super) fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let len = 64 - code.leading_zeros();
        for _ in 1..len {
            self.bit(0);
        }
        for shift in (0..len).rev() {
            self.bit(u32::from(code >> shift & 1 == 1));
        }
    }

    /// The bytes so far, the last one filled up with ones.
    pub(super) fn aligned_by_ones(mut self) -> Vec<u8> {
        while !self.used.is_multiple_of(8) {
            self.bit(1);
        }
        self.bytes
    }

    /// Ends the payload: a one and zeroes up to a byte.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bit(1);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        for value in [0, 1, 2, 7, 8, 255, 65_535, 1 << 30] {
            writer.ue(value);
        }
        writer.bits(0b1011, 4);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        for value in [0, 1, 2, 7, 8, 255, 65_535, 1 << 30] {
            assert_eq!(reader.ue(), Some(value));
        }
        assert_eq!(reader.bits(4), Some(0b1011));
    }

    #[test]
    fn the_end_is_an_answer_and_not_a_panic() {
        assert_eq!(Reader::new(&[]).ue(), None);
        assert_eq!(Reader::new(&[0, 0, 0, 0, 0, 0]).ue(), None);
    }
}
