//! Output buffers: coded pictures, handed out under a lock.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use d264_double_common::Function;

use crate::driver::broke;
use crate::event::Ticket;
use crate::gate::Spoiled;
use crate::layout::Struct;
use crate::session::{Session, lock, new_handle};
use crate::status::{INVALID_CALL, INVALID_PARAM, INVALID_PTR, LOCK_BUSY, NOT_ENOUGH_BUFFER};
use crate::view::{Address, View};

/// An output buffer.
#[derive(Debug)]
pub(crate) struct Bitstream {
    pub(crate) state: State,
    /// The completion event of its last picture.
    pub(crate) event: Option<Ticket>,
    /// What is handed out while it is locked, and noise afterwards.
    bytes: Vec<u8>,
}

/// What an output buffer is about.
#[derive(Debug)]
pub(crate) enum State {
    Idle,
    InFlight {
        ready: Option<Instant>,
    },
    Ready(Finished),
    /// The picture could not be encoded.
    Failed(u32),
    Locked,
}

/// A coded picture.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: u32,
    pub(crate) qp: u32,
    /// Its temporal layer.
    pub(crate) layer: u32,
    pub(crate) slices: u32,
    pub(crate) timestamp: u64,
    pub(crate) duration: u64,
    pub(crate) index: u32,
}

/// Waits for the picture and hands it out. The wait itself does not hold the session.
pub(crate) fn lock_output(
    session: &Arc<Mutex<Session>>,
    parameters: Address,
    spoiled: Spoiled,
) -> Result<(), u32> {
    const FUNCTION: Function = Function::nvEncLockBitstream;
    let mut is_early = false;
    let (handle, ready, at_once) = {
        let session = lock(session);
        let view = session.view(parameters, Struct::LockBitstream, FUNCTION)?;
        let handle = view.u64(8);
        let Some(found) = session.bitstreams.get(&handle) else {
            return Err(broke(FUNCTION, INVALID_PARAM, "an output buffer is locked that does not exist"));
        };
        let ready = match found.state {
            State::Idle => {
                return Err(broke(
                    FUNCTION,
                    INVALID_CALL,
                    "an output buffer is locked that no picture was submitted to",
                ));
            }
            State::Locked => return Err(broke(FUNCTION, INVALID_CALL, "an output buffer is locked twice")),
            State::InFlight { .. } if found.event.is_some_and(|event| session.events.is_pending(event)) => {
                broke(FUNCTION, 0, "an output buffer is locked before its completion event was signalled");
                // The header has the lock hand out what there is, or wait.
                is_early = true;
                None
            }
            State::InFlight { ready } => ready,
            State::Ready(_) | State::Failed(_) => None,
        };
        (handle, ready, view.bit(4, 0))
    };
    if let Some(wait) = ready.and_then(|ready| ready.checked_duration_since(Instant::now())) {
        if at_once {
            return Err(LOCK_BUSY);
        }
        std::thread::sleep(wait);
    }
    let spoiled = if is_early { Spoiled::Early } else { spoiled };
    lock(session).hand_out(handle, parameters, spoiled)
}

impl Session {
    pub(crate) fn create_bitstream(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncCreateBitstreamBuffer;
        self.config()?;
        let view = self.view(parameters, Struct::CreateBitstream, FUNCTION)?;
        let handle = new_handle();
        self.bitstreams.insert(handle, Bitstream { state: State::Idle, event: None, bytes: Vec::new() });
        view.set_u64(16, handle);
        Ok(())
    }

    pub(crate) fn destroy_bitstream(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncDestroyBitstreamBuffer;
        if handle == 0 {
            return Err(INVALID_PTR);
        }
        match self.bitstreams.get(&handle).map(|found| &found.state) {
            None => {
                return Err(broke(
                    FUNCTION,
                    INVALID_PARAM,
                    "an output buffer is destroyed that does not exist",
                ));
            }
            Some(State::Locked) => {
                broke(FUNCTION, 0, "an output buffer is destroyed while it is locked");
            }
            Some(State::InFlight { .. }) => {
                self.encode_all();
                self.check_abandoned(FUNCTION);
            }
            Some(State::Ready(_)) => self.check_abandoned(FUNCTION),
            Some(State::Idle | State::Failed(_)) => {}
        }
        self.bitstreams.remove(&handle);
        Ok(())
    }

    fn hand_out(&mut self, handle: u64, parameters: Address, spoiled: Spoiled) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncLockBitstream;
        self.encode_until(handle);
        let version = self.version;
        let offsets_wanted = self.config()?.report_slice_offsets;
        let found = self.bitstreams.get_mut(&handle).ok_or(INVALID_PARAM)?;
        self.given_back.remove(&handle);
        let mut finished = match std::mem::replace(&mut found.state, State::Locked) {
            State::Ready(finished) => finished,
            State::Failed(status) => {
                found.state = State::Idle;
                return Err(status);
            }
            other => {
                found.state = other;
                return Err(broke(FUNCTION, INVALID_CALL, "an output buffer is locked by two threads"));
            }
        };
        match spoiled {
            Spoiled::No | Spoiled::Silent => {}
            Spoiled::Early => finished.bytes.truncate(finished.bytes.len() / 2),
            Spoiled::Empty => finished.bytes.clear(),
            Spoiled::Garbage => finished.bytes.fill(0x5a),
        }
        std::mem::swap(&mut found.bytes, &mut finished.bytes);
        let view = crate::view::view_of(parameters);
        fill_in(view, version, &finished, &mut found.bytes);
        if offsets_wanted {
            write_offsets(view, &found.bytes);
        }
        Ok(())
    }

    pub(crate) fn unlock_output(&mut self, handle: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncUnlockBitstream;
        let Some(found) =
            self.bitstreams.get_mut(&handle).filter(|found| matches!(found.state, State::Locked))
        else {
            if self.given_back.contains(&handle) {
                return Err(INVALID_PARAM);
            }
            return Err(broke(FUNCTION, INVALID_PARAM, "an output buffer is unlocked that is not locked"));
        };
        // Whoever still reads reads noise.
        found.bytes.fill(0xdd);
        found.state = State::Idle;
        self.note_given_back(handle);
        Ok(())
    }

    /// Gives a client the headers.
    pub(crate) fn sequence_headers(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncGetSequenceParams;
        self.config()?;
        let view = self.view(parameters, Struct::SequencePayload, FUNCTION)?;
        let Some(coder) = &self.coder else { return Err(INVALID_CALL) };
        let headers =
            crate::h264::annex_b([coder.sequence_header.as_slice(), coder.picture_header.as_slice()]);
        if view.pointer(16) == 0 || view.pointer(24) == 0 {
            return Err(broke(FUNCTION, INVALID_PTR, "there is no place for the headers"));
        }
        if (view.u32(4) as usize) < headers.len() {
            return Err(NOT_ENOUGH_BUFFER);
        }
        crate::view::view_of(view.pointer(16)).bytes(0, headers.len()).write(&headers);
        crate::view::view_of(view.pointer(24)).set_u32(0, u32::try_from(headers.len()).unwrap_or(0));
        Ok(())
    }
}

fn fill_in(view: View, version: usize, finished: &Finished, bytes: &mut [u8]) {
    view.set_u32(24, finished.index);
    view.set_u32(28, 2);
    view.set_u32(32, finished.slices);
    view.set_u32(36, u32::try_from(bytes.len()).unwrap_or(0));
    view.set_u64(40, finished.timestamp);
    view.set_u64(48, finished.duration);
    view.set_u64(56, bytes.as_mut_ptr() as u64);
    view.set_u32(64, finished.kind);
    view.set_u32(68, 1);
    view.set_u32(72, finished.qp);
    for at in [76, 80, 84] {
        view.set_u32(at, 0);
    }
    if version > 0 {
        view.set_u32(88, finished.layer);
    }
    // The counts of macroblocks moved in 12.1.
    let counts = if version == 3 { 92 } else { 140 };
    for at in [counts, counts + 4, counts + 8, counts + 12] {
        view.set_u32(at, 0);
    }
    if version == 3 {
        view.set_u32(128, finished.index);
    }
}

/// Where each slice starts.
fn write_offsets(view: View, bytes: &[u8]) {
    let list = view.pointer(16);
    if list == 0 {
        return;
    }
    let starts = bytes
        .windows(5)
        .enumerate()
        .filter(|(_, five)| five[..4] == [0, 0, 0, 1] && matches!(five[4] & 0x1f, 1 | 5));
    for (place, (start, _)) in starts.enumerate() {
        crate::view::view_of(list).set_u32(place * 4, u32::try_from(start).unwrap_or(0));
    }
}
