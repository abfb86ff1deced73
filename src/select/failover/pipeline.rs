//! The pipelined form: a frame in flight survives the backend that it was submitted to.

use std::mem;
use std::time::Instant;

use super::FailoverEncoder;
use crate::encoder::Picture;
use crate::error::Error;
use crate::frame::Frame;
use crate::pipeline::{Done, Pipelined, Ready, Stages};
use crate::select::held::Held;

/// What is in flight, and what has come out.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// When the frame in flight came, if there is one.
    flying: Option<Instant>,
    /// What the pipeline has not taken yet: it does so by a swap, with nothing of its own.
    ready: Ready,
}

impl Pipelined for FailoverEncoder {}

impl Stages for FailoverEncoder {
    fn push(&mut self, frame: &Frame<'_>, picture: Picture, ready: &mut Ready) -> Result<(), Error> {
        let start = Instant::now();
        let picture = self.prepare(frame, picture)?;
        let submitted = self.encode_anyhow(|held| held.submit(frame, picture))?;
        self.frames_since_idr = if submitted.is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.idr_requested &= !submitted.is_idr;
        self.tell();
        self.record.taken();
        let of_done =
            if submitted.is_in_flight { self.pipe.flying.replace(start).unwrap_or(start) } else { start };
        if let Some(done) = submitted.done {
            self.add(done, of_done, None);
        }
        mem::swap(ready, &mut self.pipe.ready);
        Ok(())
    }

    fn drain(&mut self, ready: &mut Ready) -> Result<(), Error> {
        self.settle()?;
        self.tell();
        mem::swap(ready, &mut self.pipe.ready);
        Ok(())
    }
}

impl FailoverEncoder {
    /// Waits for the frame in flight, and keeps what comes out.
    ///
    /// # Errors
    /// When the backend fails and there is none left.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let Some(start) = self.pipe.flying else { return Ok(()) };
        match self.active.finish() {
            Ok(done) => {
                self.pipe.flying = None;
                if let Some(done) = done {
                    self.add(done, start, None);
                }
                Ok(())
            }
            // The frame comes from the next one.
            Err(error) => self.fall_back(error),
        }
    }

    /// The same before the stream leaves its backend in any case.
    pub(super) fn settle_anyhow(&mut self) {
        if let Err(error) = self.settle() {
            self.pipe.flying = None;
            self.lose(error);
        }
    }

    /// Takes what is in flight in a backend that the stream leaves, if that still gives it.
    pub(super) fn finish(&mut self, left: &mut Held) {
        let Some(start) = self.pipe.flying else { return };
        if let Ok(done) = left.finish() {
            self.pipe.flying = None;
            if let Some(done) = done {
                self.add(done, start, Some(left));
            }
        }
    }

    /// Encodes again what is in flight in a backend that the stream has left for an error.
    pub(super) fn rescue(&mut self, left: &Held, why: &Error) {
        let Some(start) = self.pipe.flying.take() else { return };
        let Some(frame) = left.in_flight() else { return self.lose(why.clone()) };
        match self.active.encode(&frame, Picture::Auto) {
            Ok(coded) => {
                let (timestamp, backend) = (frame.timestamp(), self.active.backend());
                self.add(Done { coded, timestamp, backend }, start, None);
            }
            Err(error) => self.lose(error),
        }
    }

    /// Counts an access unit, which has come out of the active encoder or the one that is given.
    fn add(&mut self, mut done: Done, start: Instant, from: Option<&mut Held>) {
        if done.coded.is_idr {
            // One more at most was submitted since.
            self.frames_since_idr = self.frames_since_idr.min(1 + u32::from(self.pipe.flying.is_some()));
        }
        done.coded.times.total = start.elapsed();
        let is_of_active = from.is_none();
        let from = from.unwrap_or(&mut self.active);
        let frame_id = self.record.coded(done.backend, &done.coded, from.last_unit().0.len());
        if is_of_active {
            self.ids.coded(frame_id, done.coded.frame_id);
        }
        done.coded.frame_id = frame_id;
        from.hand_over(done, &mut self.pipe.ready);
    }

    fn lose(&mut self, error: Error) {
        tracing::warn!(%error, "a frame in flight is lost");
        self.mind(&error);
        self.record.lost();
        self.pipe.ready.lose(error);
    }
}
