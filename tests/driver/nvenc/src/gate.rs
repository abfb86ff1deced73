//! The way into every function: counted, faulted on demand, never unwinding into C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use d264_double_common::Function;

use crate::driver::{broke, enter, leave};
use crate::session::{self, Session, lock};
use crate::status::{GENERIC, INVALID_ENCODERDEVICE};

/// What a lock is to hand out instead of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoiled {
    No,
    Empty,
    Garbage,
}

/// Runs a function that needs no session.
pub(crate) fn call(function: Function, body: impl FnOnce() -> Result<(), u32>) -> u32 {
    guarded(function, |faulted, _| match faulted {
        Some((status, work_first)) => {
            if work_first {
                let _ = body();
            }
            Err(status)
        }
        None => body(),
    })
}

/// Runs a function of a session.
pub(crate) fn session_call(
    function: Function,
    handle: u64,
    body: impl FnOnce(&mut Session) -> Result<(), u32>,
) -> u32 {
    shared_call(function, handle, |session, _| body(&mut lock(session)))
}

/// Runs a function of a session that takes its lock itself, to wait without it.
pub(crate) fn shared_call(
    function: Function,
    handle: u64,
    body: impl FnOnce(&Arc<Mutex<Session>>, Spoiled) -> Result<(), u32>,
) -> u32 {
    guarded(function, |faulted, spoiled| {
        if handle == 0 {
            return Err(faulted.map_or(INVALID_ENCODERDEVICE, |(status, _)| status));
        }
        let Some(session) = session::find(handle) else {
            return Err(broke(function, INVALID_ENCODERDEVICE, "the encoder handle is of no open session"));
        };
        let result = match faulted {
            None => body(&session, spoiled),
            Some((status, work_first)) => {
                if work_first {
                    let _ = body(&session, spoiled);
                }
                Err(status)
            }
        };
        if let Err(status) = result {
            lock(&session).note_failure(function, status, faulted.is_some());
        }
        result
    })
}

fn guarded(function: Function, body: impl FnOnce(Option<(u32, bool)>, Spoiled) -> Result<(), u32>) -> u32 {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let verdict = enter(function);
        let spoiled = match verdict.kind {
            2 => Spoiled::Empty,
            3 => Spoiled::Garbage,
            _ => Spoiled::No,
        };
        body(verdict.answer(function), spoiled).err().unwrap_or(0)
    }));
    let answer = answer.unwrap_or_else(|_| broke(function, GENERIC, "the double itself panicked"));
    leave(function, answer);
    answer
}
