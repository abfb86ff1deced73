//! The events by which the driver tells that a picture is complete. The driver has them on Windows only.
#![expect(
    unsafe_code,
    reason = "events are made and waited for by calls of Windows, and registered by calls of the driver"
)]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::sync::Arc;
use std::time::Duration;

use direct264_sys::nvenc::{
    NV_ENC_ERR_EVENT_NOT_REGISTERD, NV_ENC_EVENT_PARAMS, NV_ENC_INITIALIZE_PARAMS, NV_ENC_LOCK_BITSTREAM,
    NV_ENC_PIC_PARAMS, NVENCSTATUS,
};
use windows_sys::Win32::Foundation::{WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, WaitForSingleObject};

use crate::backend::Backend;
use crate::config::CallForm;
use crate::error::DriverError;
use crate::nvenc::driver::OpenSession;

const WAIT: &str = "WaitForSingleObject";

/// The longest wait for the end of stream, whose event changes nothing for the caller.
const END_OF_STREAM: Duration = Duration::from_secs(1);

/// How a session waits for its pictures.
#[derive(Debug, Clone, Copy)]
pub(in crate::nvenc) enum Completions {
    /// The lock waits.
    ByLock,
    /// Each picture has an event, which is waited for before the lock. In the direct form without a limit.
    ByEvent { limit: Option<Duration> },
}

impl Completions {
    /// The calls that a session with events makes beyond those of one without.
    pub(in crate::nvenc) const CALLS: [&str; 2] = ["CreateEventW", "nvEncRegisterAsyncEvent"];

    /// Returns whether the driver has the functions for events.
    pub(in crate::nvenc) fn are_known(session: &OpenSession) -> bool {
        let functions = session.functions();
        functions.nvEncRegisterAsyncEvent.is_some() && functions.nvEncUnregisterAsyncEvent.is_some()
    }

    pub(in crate::nvenc) fn of(init: &NV_ENC_INITIALIZE_PARAMS, form: CallForm) -> Self {
        match form {
            _ if init.enableEncodeAsync == 0 => Self::ByLock,
            CallForm::Direct => Self::ByEvent { limit: None },
            // The caller's own wait ends sooner, and judges whether the process was stopped meanwhile. This limit brings
            // the session's thread back where the event never comes.
            CallForm::Bounded(limits) => {
                Self::ByEvent { limit: Some(limits.first.max(limits.rest).saturating_mul(3)) }
            }
        }
    }

    /// The same for the end of stream.
    pub(in crate::nvenc) fn of_end(self) -> Self {
        match self {
            Self::ByLock => Self::ByLock,
            Self::ByEvent { limit } => {
                Self::ByEvent { limit: Some(limit.map_or(END_OF_STREAM, |limit| limit.min(END_OF_STREAM))) }
            }
        }
    }
}

/// The completion of one picture at a time.
#[derive(Debug)]
pub(in crate::nvenc) struct Completion(Option<Event>);

/// A registered event.
#[derive(Debug)]
struct Event {
    session: Arc<OpenSession>,
    /// Resets itself when a wait ends. `None` once the event was given back.
    handle: Option<OwnedHandle>,
    limit: Option<Duration>,
    /// Whether a picture was submitted with the event and not waited for.
    is_due: bool,
}

impl Completion {
    /// Makes and registers an event if the session works with events. The session has to be initialised and its context
    /// current.
    pub(in crate::nvenc) fn new(
        session: &Arc<OpenSession>,
        completions: Completions,
    ) -> Result<Self, DriverError> {
        match completions {
            Completions::ByLock => Ok(Self(None)),
            Completions::ByEvent { limit } => Ok(Self(Some(Event::new(session, limit)?))),
        }
    }

    /// Names the event in the parameters of a picture.
    pub(in crate::nvenc) fn name_in(&self, params: &mut NV_ENC_PIC_PARAMS) {
        params.completionEvent = self.0.as_ref().map_or(std::ptr::null_mut(), Event::raw);
    }

    /// Records that the driver has taken a picture with the event.
    pub(in crate::nvenc) fn submitted(&mut self) {
        if let Some(event) = &mut self.0 {
            event.is_due = true;
        }
    }

    /// Waits for the picture, within the limit.
    ///
    /// # Errors
    /// A driver error with the reason `TimedOut` if the event does not come.
    pub(in crate::nvenc) fn wait(&mut self) -> Result<(), DriverError> {
        let Some(event) = &mut self.0 else { return Ok(()) };
        let limit = event.limit;
        if event.wait(limit.map_or(INFINITE, millis))? {
            return Ok(());
        }
        Err(DriverError::timed_out(Backend::Nvenc, WAIT, limit.unwrap_or(Duration::MAX)))
    }

    /// Returns whether the picture is complete, as far as an event tells.
    pub(in crate::nvenc) fn has_come(&mut self) -> bool {
        self.0.as_mut().is_none_or(|event| event.wait(0) == Ok(true))
    }

    /// Makes the lock of a picture that was waited for return at once. With some drivers the lock that waits hangs in a
    /// session with events.
    pub(in crate::nvenc) fn shape_lock(&self, params: &mut NV_ENC_LOCK_BITSTREAM) {
        if self.0.is_some() {
            params.flags |= NV_ENC_LOCK_BITSTREAM::doNotWait;
        }
    }
}

impl Event {
    fn new(session: &Arc<OpenSession>, limit: Option<Duration>) -> Result<Self, DriverError> {
        // SAFETY: no attributes and no name are given, and null stands for them.
        let handle = unsafe { CreateEventW(std::ptr::null(), 0, 0, std::ptr::null()) };
        if handle.is_null() {
            return Err(of_windows("CreateEventW"));
        }
        // SAFETY: the call above made the handle, which has no other owner.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        let register = session.functions().nvEncRegisterAsyncEvent;
        let register =
            register.ok_or_else(|| DriverError::missing(Backend::Nvenc, "nvEncRegisterAsyncEvent"))?;
        let mut params = params(session, handle.as_raw_handle());
        // SAFETY: the session is open and initialised; `params` is whole, of its version, and lives through the call. The
        // event lives until it was unregistered: see `drop`.
        let code = unsafe { register(session.handle(), &raw mut params) };
        session.check("nvEncRegisterAsyncEvent", code)?;
        Ok(Self { session: Arc::clone(session), handle: Some(handle), limit, is_due: false })
    }

    fn raw(&self) -> *mut c_void {
        self.handle.as_ref().map_or(std::ptr::null_mut(), AsRawHandle::as_raw_handle)
    }

    /// Returns whether the event has come within so many milliseconds. An event that is not due has come.
    fn wait(&mut self, millis: u32) -> Result<bool, DriverError> {
        if !self.is_due {
            return Ok(true);
        }
        // SAFETY: the handle is that of an event of this value's, and open.
        match unsafe { WaitForSingleObject(self.raw(), millis) } {
            WAIT_OBJECT_0 => {
                self.is_due = false;
                Ok(true)
            }
            WAIT_TIMEOUT => Ok(false),
            _ => Err(of_windows(WAIT)),
        }
    }

    fn unregister(&self) -> NVENCSTATUS {
        let Some(unregister) = self.session.functions().nvEncUnregisterAsyncEvent else {
            return NV_ENC_ERR_EVENT_NOT_REGISTERD;
        };
        self.session.patiently(|| {
            let mut params = params(&self.session, self.raw());
            // SAFETY: registered in `new` with this session, and unregistered only from `drop`; `params` is whole, of its
            // version, and lives through the call.
            NVENCSTATUS(unsafe { unregister(self.session.handle(), &raw mut params) })
        })
    }
}

impl Drop for Event {
    /// Tries a second time after a refusal, which may report an error of earlier work. An event that stays registered
    /// stays open: the driver could signal an object of another owner that got the same handle.
    fn drop(&mut self) {
        let entered = self.session.context().enter();
        let is_back = |status: NVENCSTATUS| status.0 == 0 || status == NV_ENC_ERR_EVENT_NOT_REGISTERD;
        if !is_back(self.unregister()) && !is_back(self.unregister()) {
            let _ = self.handle.take().map(IntoRawHandle::into_raw_handle);
        }
        drop(entered);
    }
}

fn params(session: &OpenSession, event: *mut c_void) -> NV_ENC_EVENT_PARAMS {
    let mut params = NV_ENC_EVENT_PARAMS::versioned(session.api());
    params.completionEvent = event;
    params
}

/// The error of a call of Windows that has just failed.
fn of_windows(call: &'static str) -> DriverError {
    let error = io::Error::last_os_error();
    DriverError::refused(Backend::Nvenc, call, error.raw_os_error().unwrap_or_default(), error.to_string())
}

/// The limit for a call of Windows, in which the largest number stands for no limit.
fn millis(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis()).unwrap_or(INFINITE)
}
