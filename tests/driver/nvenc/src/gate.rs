//! The way into every function: counted, faulted on demand, never unwinding into C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use d264_double_common::Function;
use d264_double_common::bridge::LOST;

use crate::driver::{bridge, broke, enter, leave};
use crate::session::{self, Session, lock};
use crate::status::{GENERIC, INVALID_ENCODERDEVICE, NEED_MORE_INPUT};

/// The way in which a fault spoils the answer of a lock or the event of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoiled {
    No,
    Empty,
    Garbage,
    /// The completion event is not signalled.
    Silent,
    /// A lock hands out the part of the picture that is there before the picture is complete.
    Early,
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
        let body = |session: &Arc<Mutex<Session>>| {
            check_context(function, session)?;
            body(session, spoiled)
        };
        let result = match faulted {
            None => body(&session),
            Some((status, work_first)) => {
                // "Need more input" is the answer of a driver that has taken what it was given, an end of stream too.
                let was_taken = function == Function::nvEncEncodePicture && status == NEED_MORE_INPUT;
                if work_first || was_taken {
                    lock(&session).answers_failure = true;
                    let _ = body(&session);
                    lock(&session).answers_failure = false;
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

/// Runs the function that answers with a text instead of a status; null is the only fault that it knows.
pub(crate) fn text_call(function: Function, body: impl FnOnce() -> usize) -> usize {
    let mut text = 0;
    guarded(function, |faulted, _| {
        if faulted.is_none() {
            text = body();
        }
        faulted.map_or(Ok(()), |(status, _)| Err(status))
    });
    text
}

/// What a session is asked, FFmpeg asks with any context. All else wants the session's, and what gives something back
/// does so without it.
fn check_context(function: Function, session: &Mutex<Session>) -> Result<(), u32> {
    if function.name().starts_with("nvEncGet") {
        return Ok(());
    }
    let checked = lock(session).require_context(function);
    if function.releases() { Ok(()) } else { checked }
}

/// Kills the context that is current on this thread, as a GPU does that falls off the bus.
fn lose_gpu() {
    if let Some(bridge) = bridge() {
        (bridge.kill)((bridge.current_context)(), LOST);
    }
}

fn guarded(function: Function, body: impl FnOnce(Option<(u32, bool)>, Spoiled) -> Result<(), u32>) -> u32 {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let verdict = enter(function);
        if verdict.loses_gpu() {
            lose_gpu();
        }
        let spoiled = match verdict.kind {
            2 => Spoiled::Empty,
            3 => Spoiled::Garbage,
            7 => Spoiled::Silent,
            _ => Spoiled::No,
        };
        body(verdict.answer(function), spoiled).err().unwrap_or(0)
    }));
    let answer = answer.unwrap_or_else(|_| broke(function, GENERIC, "the double itself panicked"));
    leave(function, answer);
    answer
}
