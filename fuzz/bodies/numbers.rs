//! Numbers from bytes.

/// Takes numbers off the front of the bytes; without bytes the number is 0.
pub(crate) struct Numbers<'a>(pub(crate) &'a [u8]);

impl Numbers<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Returns a number that is mostly small, and sometimes at the edge of its type.
    pub(crate) fn number(&mut self) -> usize {
        match self.byte() {
            kind @ 250.. => usize::MAX >> (8 * usize::from(kind - 250)),
            kind @ 240.. => (usize::from(kind) << 8) | usize::from(self.byte()),
            small => usize::from(small),
        }
    }

    /// Returns such a number within 32 bits.
    pub(crate) fn number32(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    /// Returns one of several values.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }
}
