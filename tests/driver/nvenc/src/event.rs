//! Completion events: which are registered, which picture each is for, and when each is signalled.

use std::collections::BTreeMap;
use std::time::Instant;

use d264_double_common::Function;

use crate::driver::broke;
use crate::layout::Struct;
use crate::session::{self, Session, lock};
use crate::status::{EVENT_NOT_REGISTERED, INVALID_CALL, INVALID_EVENT, UNIMPLEMENTED};
use crate::view::{Address, View};

/// The registered events of a session.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Each with the number of the submission that is to signal it.
    registered: BTreeMap<u64, Option<u64>>,
    submissions: u64,
    /// The picture under way signals no event.
    pub(crate) are_silent: bool,
}

/// An event that was given with a picture or an end of stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    event: u64,
    submission: u64,
}

impl Events {
    pub(crate) fn count(&self) -> usize {
        self.registered.len()
    }

    /// Whether the event is still to be signalled.
    pub(crate) fn is_pending(&self, ticket: Ticket) -> bool {
        self.registered.get(&ticket.event) == Some(&Some(ticket.submission))
    }

    fn signal(&mut self, ticket: Ticket) {
        if self.is_pending(ticket) {
            self.registered.insert(ticket.event, None);
            set(ticket.event);
        }
    }
}

impl Session {
    pub(crate) fn register_event(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncRegisterAsyncEvent;
        if !self.config()?.signals_events {
            if !cfg!(windows) {
                return Err(UNIMPLEMENTED);
            }
            return Err(broke(FUNCTION, INVALID_CALL, "an event is registered in a session without events"));
        }
        let event = self.view(parameters, Struct::Event, FUNCTION)?.u64(8);
        if event == 0 || !exists(event) {
            return Err(broke(FUNCTION, INVALID_EVENT, "the event to register is none"));
        }
        if self.events.registered.contains_key(&event) {
            return Err(broke(FUNCTION, INVALID_EVENT, "an event is registered twice"));
        }
        self.events.registered.insert(event, None);
        self.given_back.remove(&event);
        Ok(())
    }

    pub(crate) fn unregister_event(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncUnregisterAsyncEvent;
        if self.config.is_none() && !cfg!(windows) {
            return Err(UNIMPLEMENTED);
        }
        let event = self.view(parameters, Struct::Event, FUNCTION)?.u64(8);
        match self.events.registered.remove(&event) {
            None if self.given_back.contains(&event) => Err(EVENT_NOT_REGISTERED),
            None => {
                Err(broke(FUNCTION, EVENT_NOT_REGISTERED, "an event is unregistered that is not registered"))
            }
            Some(pending) => {
                if pending.is_some() && !self.is_spent() {
                    broke(FUNCTION, 0, "an event is unregistered before it was signalled");
                }
                self.note_given_back(event);
                Ok(())
            }
        }
    }

    /// Takes the event of a picture or of an end of stream, which must be there in a session with events and nowhere
    /// else.
    pub(crate) fn take_event(&mut self, view: View) -> Result<Option<Ticket>, u32> {
        const FUNCTION: Function = Function::nvEncEncodePicture;
        let refuse = |status: u32, rule: &str| Err(broke(FUNCTION, status, rule));
        let event = view.u64(56);
        match (self.config()?.signals_events, event) {
            (false, 0) => return Ok(None),
            (false, _) => {
                return refuse(INVALID_EVENT, "a completion event is given in a session without events");
            }
            (true, 0) => return refuse(INVALID_EVENT, "a session with events is given no completion event"),
            (true, _) => {}
        }
        match self.events.registered.get(&event) {
            None => {
                return refuse(EVENT_NOT_REGISTERED, "a completion event is given that is not registered");
            }
            Some(Some(_)) => {
                return refuse(
                    INVALID_EVENT,
                    "a completion event is given before it was signalled for another",
                );
            }
            Some(None) => {}
        }
        self.events.submissions += 1;
        let submission = self.events.submissions;
        self.events.registered.insert(event, Some(submission));
        Ok(Some(Ticket { event, submission }))
    }

    /// Signals an event when its time has come, at once if that is now.
    pub(crate) fn signal_at(&mut self, ticket: Ticket, ready: Option<Instant>) {
        if self.events.are_silent {
            // A client that gives such a picture up owes no order at the end.
            return self.spend();
        }
        let wait = ready.and_then(|ready| ready.checked_duration_since(Instant::now()));
        let Some(wait) = wait else { return self.events.signal(ticket) };
        let handle = self.handle;
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            if let Some(session) = session::find(handle) {
                lock(&session).events.signal(ticket);
            }
        });
    }
}

#[cfg(windows)]
fn set(event: u64) {
    // SAFETY: the client registered the handle and has to keep it open until it is unregistered. The system refuses a
    // handle that is none.
    unsafe { windows_sys::Win32::System::Threading::SetEvent(event as *mut _) };
}

/// Whether the handle is an open one.
#[cfg(windows)]
fn exists(event: u64) -> bool {
    let mut flags = 0;
    // SAFETY: the system refuses a handle that is none; `flags` lives through the call.
    unsafe { windows_sys::Win32::Foundation::GetHandleInformation(event as *mut _, &raw mut flags) != 0 }
}

/// Elsewhere an event is any number. Only the tests of the double have events there.
#[cfg(not(windows))]
fn set(_event: u64) {}

#[cfg(not(windows))]
fn exists(_event: u64) -> bool {
    true
}
