//! Queue of access units that an engine has finished and nobody has taken yet.

use std::slice;

use crate::access_unit::{AccessUnit, AccessUnitInfo, UnitBuffer};
use crate::error::Error;

/// The finished access units of an engine, oldest first, and the errors of frames that are lost. Memory that was handed
/// out is used again for the units after it.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    items: Vec<Item>,
    /// The items from here on are memory for later.
    count: usize,
    /// The caller has seen the items, which go with the next call.
    is_handed_out: bool,
}

#[derive(Debug)]
struct Item {
    buffer: UnitBuffer,
    /// The facts, or the error that says why the frame is lost.
    outcome: Result<AccessUnitInfo, Error>,
}

impl Ready {
    /// Forgets the items that the caller has seen.
    pub(crate) fn begin(&mut self) {
        if self.is_handed_out {
            self.clear();
        }
    }

    /// Forgets all items and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.is_handed_out = false;
    }

    /// Whether no unit waits for the caller.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Memory for the next unit, to be given back with [`push`](Ready::push).
    pub(crate) fn take_buffer(&mut self) -> UnitBuffer {
        self.begin();
        self.items
            .get_mut(self.count)
            .map_or_else(UnitBuffer::default, |item| std::mem::take(&mut item.buffer))
    }

    /// Memory of a unit that did not come.
    pub(crate) fn give_back(&mut self, buffer: UnitBuffer) {
        if let Some(item) = self.items.get_mut(self.count) {
            item.buffer = buffer;
        }
    }

    /// Adds a finished access unit.
    // In line, so that the facts are written where they stay.
    #[inline(always)]
    pub(crate) fn push(&mut self, buffer: UnitBuffer, info: AccessUnitInfo) {
        self.begin();
        match self.items.get_mut(self.count) {
            Some(Item { buffer: free, outcome: Ok(facts) }) => {
                // Its memory was taken for this unit.
                *free = buffer;
                *facts = info;
                self.count += 1;
            }
            _ => self.add(Item { buffer, outcome: Ok(info) }),
        }
    }

    /// Adds the error of a frame whose access unit never comes.
    pub(crate) fn push_lost(&mut self, error: Error) {
        let buffer = self.take_buffer();
        self.add(Item { buffer, outcome: Err(error) });
    }

    fn add(&mut self, item: Item) {
        // A unit that comes between two calls of the caller stays for the next one.
        self.begin();
        match self.items.get_mut(self.count) {
            Some(free) => *free = item,
            None => self.items.push(item),
        }
        self.count += 1;
    }

    /// Moves the oldest unit of another queue here, and shows its facts and its length in bytes. `None` when there is
    /// none: the queue of a backend holds no errors.
    pub(crate) fn take_from(&mut self, other: &mut Self) -> Option<(&mut AccessUnitInfo, usize)> {
        if other.count == 0 {
            return None;
        }
        self.begin();
        if self.count == self.items.len() {
            let outcome = other.items[0].outcome.clone();
            self.items.push(Item { buffer: UnitBuffer::default(), outcome });
        }
        std::mem::swap(&mut self.items[self.count], &mut other.items[0]);
        other.items[..other.count].rotate_left(1);
        other.count -= 1;
        self.count += 1;
        let Item { buffer, outcome } = &mut self.items[self.count - 1];
        Some((outcome.as_mut().ok()?, buffer.bytes.len()))
    }

    /// Shows the caller the only item, which is an access unit.
    pub(crate) fn hand_out_one(&mut self) -> Option<AccessUnit<'_>> {
        self.is_handed_out = true;
        match self.items[..self.count].first()? {
            Item { buffer, outcome: Ok(info) } => Some(shown(buffer, info)),
            Item { outcome: Err(_), .. } => None,
        }
    }

    /// Shows the caller all items.
    pub(crate) fn hand_out(&mut self) -> AccessUnits<'_> {
        self.is_handed_out = true;
        AccessUnits(self.items[..self.count].iter())
    }
}

fn shown<'r>(buffer: &'r UnitBuffer, info: &'r AccessUnitInfo) -> AccessUnit<'r> {
    AccessUnit { bytes: &buffer.bytes, nal_ranges: &buffer.nal_ranges, info }
}

/// The access units that came out of a [`Pipeline`](crate::Pipeline), in the order of the frames, and in the place of a
/// lost frame the error that says why. It borrows the pipeline until its next call.
#[derive(Debug)]
pub struct AccessUnits<'p>(slice::Iter<'p, Item>);

impl<'p> Iterator for AccessUnits<'p> {
    type Item = Result<AccessUnit<'p>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Item { buffer, outcome } = self.0.next()?;
        Some(outcome.as_ref().map(|info| shown(buffer, info)).map_err(Clone::clone))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for AccessUnits<'_> {}
