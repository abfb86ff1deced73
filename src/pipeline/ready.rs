//! Access units that are whole, until they are handed out.

use std::ops::Range;
use std::slice;

use crate::backend::Backend;
use crate::encoder::{AccessUnit, Coded, Engine};
use crate::error::Error;
use crate::units::Timestamp;

/// What an encoder says of an access unit that has come out: see [`Engine::submit`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) coded: Coded,
    pub(crate) timestamp: Timestamp,
    pub(crate) backend: Backend,
}

/// What became of a frame that an encoder took, and what came out meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitted {
    /// Whether this frame is an IDR.
    pub(crate) is_idr: bool,
    /// Whether this frame is still in flight. If not, `done` is of this frame, else of the one before.
    pub(crate) is_in_flight: bool,
    pub(crate) done: Option<Done>,
}

/// What has come out and was not handed out yet. Buffers are traded with the encoder, and used again.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    units: Vec<Unit>,
    /// So many of them count.
    count: usize,
    is_handed_out: bool,
}

#[derive(Debug)]
struct Unit {
    bytes: Vec<u8>,
    nals: Vec<Range<usize>>,
    /// Or why the frame is lost.
    done: Result<Done, Error>,
}

impl Ready {
    /// Lets go of what was handed out.
    pub(crate) fn begin(&mut self) {
        if std::mem::take(&mut self.is_handed_out) {
            self.count = 0;
        }
    }

    /// Takes an access unit over from the encoder that it came out of.
    pub(crate) fn add<E: Engine + ?Sized>(&mut self, done: Done, from: &mut E) {
        let unit = self.next(Ok(done));
        from.trade_unit(&mut unit.bytes, &mut unit.nals);
    }

    /// A frame whose access unit never comes.
    pub(crate) fn lose(&mut self, error: Error) {
        let unit = self.next(Err(error));
        unit.bytes.clear();
        unit.nals.clear();
    }

    fn next(&mut self, done: Result<Done, Error>) -> &mut Unit {
        if self.count == self.units.len() {
            let (bytes, nals) = (Vec::new(), Vec::new());
            self.units.push(Unit { bytes, nals, done });
        } else {
            self.units[self.count].done = done;
        }
        self.count += 1;
        &mut self.units[self.count - 1]
    }

    pub(crate) fn hand_out(&mut self) -> Units<'_> {
        self.is_handed_out = true;
        Units(self.units[..self.count].iter())
    }
}

/// What came out of a [`Pipeline`](crate::Pipeline), in the order of the frames: the access unit of each, or the error
/// that says why the frame is lost. It borrows the pipeline until its next call.
#[derive(Debug)]
pub struct Units<'p>(slice::Iter<'p, Unit>);

impl<'p> Iterator for Units<'p> {
    type Item = Result<AccessUnit<'p>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let unit = self.0.next()?;
        Some(match &unit.done {
            Ok(Done { coded: Coded { frame_id, is_idr, is_droppable, qp, times }, timestamp, backend }) => {
                Ok(AccessUnit {
                    bytes: &unit.bytes,
                    nal_ranges: &unit.nals,
                    frame_id: *frame_id,
                    is_idr: *is_idr,
                    is_droppable: *is_droppable,
                    timestamp: *timestamp,
                    qp: *qp,
                    times: *times,
                    backend: *backend,
                })
            }
            Err(error) => Err(error.clone()),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Units<'_> {}
