//! Copies and fills: checked when they are asked for, done when their stream is waited for.

use d264_double_common::Function;
use d264_double_common::pointer::Bytes;

use crate::error::INVALID_VALUE;
use crate::ledger::{LEDGER, violation};
use crate::order::Touch;
use crate::stream::Op;
use crate::world::World;

/// A rectangle of bytes: a copy if it has a source, a fill if it has a pattern.
#[derive(Debug)]
pub(crate) struct Transfer {
    source: Source,
    source_pitch: usize,
    target: usize,
    target_pitch: usize,
    width: usize,
    height: usize,
    function: Function,
}

#[derive(Debug)]
enum Source {
    /// Bytes where they lie, and their hash when the copy was asked for.
    Lent { address: usize, hash: Option<u64> },
    /// Bytes that were taken when the copy was asked for.
    Staged(Vec<u8>),
    /// A value over and over.
    Pattern(Vec<u8>),
    /// No bytes at all: see the setting `COPIES`.
    Nothing,
}

/// One end of a copy as the client gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) address: u64,
    pub(crate) pitch: usize,
    pub(crate) side: Side,
}

/// What an address is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Host,
    Device,
    /// Whatever it turns out to be.
    Any,
}

/// One end of a copy as it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Device,
    Pinned,
    Pageable,
}

impl Transfer {
    pub(crate) fn run(self) {
        match &self.source {
            Source::Lent { address, hash } => {
                let now = hash.map(|_| self.source_hash(*address));
                if *hash != now {
                    violation(
                        self.function,
                        "the source of an asynchronous copy was changed before the copy was waited for",
                    );
                }
                for row in 0..self.height {
                    Bytes::new(address + row * self.source_pitch, self.width).copy_to(self.target_row(row));
                }
            }
            Source::Staged(bytes) => {
                for (row, bytes) in bytes.chunks(self.width.max(1)).enumerate() {
                    Bytes::new(self.target_row(row), self.width).write(bytes);
                }
            }
            Source::Nothing => {}
            Source::Pattern(pattern) => {
                let line: Vec<u8> = pattern.iter().copied().cycle().take(self.width).collect();
                for row in 0..self.height {
                    Bytes::new(self.target_row(row), self.width).write(&line);
                }
            }
        }
    }

    fn target_row(&self, row: usize) -> usize {
        self.target + row * self.target_pitch
    }

    fn source_hash(&self, address: usize) -> u64 {
        rows_hash(address, self.source_pitch, self.width, self.height)
    }
}

fn rows_hash(address: usize, pitch: usize, width: usize, height: usize) -> u64 {
    (0..height).fold(0, |hash, row| hash.rotate_left(7) ^ Bytes::new(address + row * pitch, width).hash())
}

fn span(pitch: usize, width: usize, height: usize) -> usize {
    if width == 0 || height == 0 { 0 } else { pitch * (height - 1) + width }
}

impl World {
    /// A copy of `width` by `height` bytes; on a stream, or at once.
    pub(crate) fn copy(
        &mut self,
        from: End,
        to: End,
        (width, height): (usize, usize),
        stream: Option<u64>,
        function: Function,
    ) -> Result<(), u32> {
        let context = self.current()?;
        let on = match stream {
            Some(handle) => self.stream_here(handle, function)?,
            None => self.stream_in(context, 0)?,
        };
        if width == 0 || height == 0 {
            return Ok(());
        }
        if height > 1 && (from.pitch < width || to.pitch < width) {
            violation(function, "the pitch of a copy is less than its width");
            return Err(INVALID_VALUE);
        }
        let source = self.locate(from, span(from.pitch, width, height), function)?;
        let target = self.locate(to, span(to.pitch, width, height), function)?;
        let mut touches = Vec::with_capacity(2);
        for (place, pitch, write) in [(source, from.pitch, false), (target, to.pitch, true)] {
            if place.kind != Kind::Pageable {
                touches.push(Touch { start: place.address, len: span(pitch, width, height), write });
            }
        }
        let transfer = Transfer {
            source: self.source(source, from.pitch, width, height, stream.is_some()),
            source_pitch: from.pitch,
            target: target.address,
            target_pitch: to.pitch,
            width,
            height,
            function,
        };
        let ticket = self.submit(on, Op::Transfer(Box::new(transfer)), &touches, function);
        // A copy between two places on the device is asynchronous even when it is not called so; one that has
        // pageable memory at its far end never is.
        let both_on_device = source.kind == Kind::Device && target.kind == Kind::Device;
        if target.kind == Kind::Pageable || (stream.is_none() && !both_on_device) {
            self.synchronise_stream(on);
        } else if target.kind == Kind::Pinned && LEDGER.settings().copies && !self.is_done(ticket) {
            self.spoil(target.address, to.pitch, width, height);
        }
        Ok(())
    }

    /// Until a copy to page-locked memory was waited for, what lies there is noise.
    fn spoil(&self, address: usize, pitch: usize, width: usize, height: usize) {
        for row in 0..height {
            Bytes::new(address + row * pitch, width).fill(0xa5);
        }
    }

    fn source(&self, place: Place, pitch: usize, width: usize, height: usize, later: bool) -> Source {
        if !LEDGER.settings().copies {
            return Source::Nothing;
        }
        if place.kind == Kind::Pageable && later {
            let mut bytes = vec![0; width * height];
            for (row, line) in bytes.chunks_mut(width).enumerate() {
                Bytes::new(place.address + row * pitch, width).read(line);
            }
            return Source::Staged(bytes);
        }
        let watch = place.kind == Kind::Pinned && later && LEDGER.settings().thorough;
        let hash = watch.then(|| rows_hash(place.address, pitch, width, height));
        Source::Lent { address: place.address, hash }
    }

    /// Fills `width` bytes of `height` rows of device memory with a pattern.
    pub(crate) fn fill(
        &mut self,
        to: End,
        (width, height): (usize, usize),
        pattern: &[u8],
        stream: u64,
        function: Function,
    ) -> Result<(), u32> {
        let on = self.stream_here(stream, function)?;
        if width == 0 || height == 0 {
            return Ok(());
        }
        let target = self.locate(to, span(to.pitch, width, height), function)?;
        let transfer = Transfer {
            source: Source::Pattern(pattern.to_vec()),
            source_pitch: 0,
            target: target.address,
            target_pitch: to.pitch,
            width,
            height,
            function,
        };
        let touch = Touch { start: target.address, len: span(to.pitch, width, height), write: true };
        self.submit(on, Op::Transfer(Box::new(transfer)), &[touch], function);
        Ok(())
    }

    /// Finds the bytes of one end, which must all lie in one allocation if they are the device's.
    fn locate(&self, end: End, len: usize, function: Function) -> Result<Place, u32> {
        if end.address == 0 {
            return Err(INVALID_VALUE);
        }
        if let Some(found) = self.memory.containing(end.address) {
            let offset = usize::try_from(end.address - found.base).map_err(|_| INVALID_VALUE)?;
            if end.side == Side::Host {
                violation(function, "a device address is given where a host address is due");
                return Err(INVALID_VALUE);
            }
            if found.released || offset + len > found.len {
                let rule = if found.released {
                    "device memory is used after its release was queued"
                } else {
                    "a copy runs past the end of its device allocation"
                };
                violation(function, rule);
                return Err(INVALID_VALUE);
            }
            return Ok(Place { address: found.bytes.address() + offset, kind: Kind::Device });
        }
        let address = usize::try_from(end.address).map_err(|_| INVALID_VALUE)?;
        if self.pinned_at(address).is_some_and(|(base, range)| address + len <= base + range.len) {
            return Ok(Place { address, kind: Kind::Pinned });
        }
        if end.side != Side::Device {
            return Ok(Place { address, kind: Kind::Pageable });
        }
        violation(function, "an address is given that no allocation of the device contains");
        Err(INVALID_VALUE)
    }
}
