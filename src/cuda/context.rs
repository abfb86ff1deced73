//! The primary context of a device, shared with all other code of the process that uses the device.
#![expect(unsafe_code, reason = "contexts are made, entered and left by calls of the CUDA driver")]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use direct264_sys::cuda::{CUcontext, CUctx_st, CUdevice, Driver, Functions};

use super::check;
use crate::backend::Backend;
use crate::error::DriverError;

/// The primary context of one device, retained once for all its users in this crate and released with the last one.
#[derive(Debug)]
pub(crate) struct Context {
    driver: &'static Driver,
    device: CUdevice,
    handle: NonNull<CUctx_st>,
    process: u32,
}

// SAFETY: CUDA ties a context to no thread: any thread may make it current, and several at once. The handle
// itself is never written to.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// The live contexts, by device.
type Retained = Vec<(CUdevice, Weak<Context>)>;

/// The contexts that are retained.
static RETAINED: Mutex<Retained> = Mutex::new(Vec::new());

/// Locks the list. No code that holds the lock can panic, so a poisoned lock is as good as any.
fn retained() -> MutexGuard<'static, Retained> {
    RETAINED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The context of a device, if this crate has it retained.
fn alive(retained: &mut Retained, device: CUdevice) -> Option<Arc<Context>> {
    retained.retain(|(_, context)| context.strong_count() > 0);
    retained.iter().find(|(of, _)| *of == device).and_then(|(_, context)| context.upgrade())
}

impl Context {
    /// Returns the primary context of `device`, which `driver` has listed after its initialisation.
    pub(crate) fn primary(driver: &'static Driver, device: CUdevice) -> Result<Arc<Self>, DriverError> {
        // The lock is not held across a driver call: a call that hangs would hold up every other session and GPU.
        if let Some(context) = alive(&mut retained(), device) {
            return Ok(context);
        }
        let mut handle: CUcontext = std::ptr::null_mut();
        // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (driver.functions().cuDevicePrimaryCtxRetain)(&raw mut handle, device) };
        check("cuDevicePrimaryCtxRetain", code)?;
        let handle = NonNull::new(handle)
            .ok_or_else(|| DriverError::unusable(Backend::Nvenc, "cuDevicePrimaryCtxRetain", "no context"))?;
        let context = Arc::new(Self { driver, device, handle, process: std::process::id() });
        let mut retained = retained();
        // Another thread may have been first. Then `context`, dropped after the lock, releases the device once more.
        let shared = alive(&mut retained, device).unwrap_or_else(|| {
            retained.push((device, Arc::downgrade(&context)));
            Arc::clone(&context)
        });
        drop(retained);
        Ok(shared)
    }

    /// The handle, valid while this value lives.
    pub(crate) fn handle(&self) -> CUcontext {
        self.handle.as_ptr()
    }

    /// The device of this primary context.
    pub(crate) fn device(&self) -> CUdevice {
        self.device
    }

    /// Whether this process was forked from the process of the context. CUDA does not work in a forked process, and the
    /// objects of the context are not its own to free.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// The driver's functions.
    pub(crate) fn functions(&self) -> &'static Functions {
        self.driver.functions()
    }

    /// Makes the context current on this thread until the guard is dropped.
    pub(crate) fn enter(&self) -> Result<Entered<'_>, DriverError> {
        // SAFETY: the context is retained while `self` lives.
        let code = unsafe { (self.functions().cuCtxPushCurrent_v2)(self.handle()) };
        check("cuCtxPushCurrent", code)?;
        Ok(Entered { context: self, _this_thread: PhantomData })
    }
}

impl Drop for Context {
    /// Releases the context; `drop` cannot return a status.
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        // SAFETY: retained once in `primary`, and released only here.
        let _ = unsafe { (self.functions().cuDevicePrimaryCtxRelease_v2)(self.device) };
    }
}

/// A guard for the time in which a context is current on this thread.
#[derive(Debug)]
#[must_use = "the context is left as soon as this is dropped"]
pub(crate) struct Entered<'a> {
    context: &'a Context,
    /// A context that was pushed on one thread cannot be popped on another.
    _this_thread: PhantomData<*mut ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut popped: CUcontext = std::ptr::null_mut();
        // SAFETY: `popped` lives through the call. What is popped was pushed in `enter`, on this thread: guards
        // cannot leave their thread, and those that are entered later are dropped earlier.
        let _ = unsafe { (self.context.functions().cuCtxPopCurrent_v2)(&raw mut popped) };
    }
}
