//! The loaded encode library: tells its API versions and opens sessions.

use std::error::Error;
use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::version::{ApiVersion, DriverApi, TooOld};
use super::{
    EncodeFunctions, MissingFunction, NV_ENC_DEVICE_TYPE_CUDA, NV_ENC_ENCODER_PTR,
    NV_ENC_ERR_INVALID_VERSION, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS, NV_ENCODE_API_FUNCTION_LIST,
    NVENCSTATUS, NvEncEncoder,
};
use crate::cuda::CUcontext;
use crate::load::{self, DriverLibrary, DriverLoadError, LoaderMessage, Missing};

/// The two functions that the encode library exports; all others come out of the function list.
#[derive(Debug, Clone, Copy)]
pub struct EntryPoints {
    /// Writes the newest API version of the driver, packed as [`DriverApi::from_max_supported_word`] has it.
    pub NvEncodeAPIGetMaxSupportedVersion: unsafe extern "system" fn(*mut u32) -> u32,
    /// Fills a function list in, and sets the API version of the whole process.
    pub NvEncodeAPICreateInstance: unsafe extern "system" fn(*mut NV_ENCODE_API_FUNCTION_LIST) -> u32,
}

impl EntryPoints {
    fn find(
        mut resolve: impl FnMut(&'static CStr) -> Result<NonNull<c_void>, LoaderMessage>,
    ) -> Result<Self, Missing> {
        let max = "NvEncodeAPIGetMaxSupportedVersion";
        let max = resolve(c"NvEncodeAPIGetMaxSupportedVersion").map_err(|said| (max, said))?;
        let create = "NvEncodeAPICreateInstance";
        let create = resolve(c"NvEncodeAPICreateInstance").map_err(|said| (create, said))?;
        Ok(Self {
            // SAFETY: the encode library exports a function of this name with this signature; the signature
            // is the same in the headers of all API versions.
            NvEncodeAPIGetMaxSupportedVersion: unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "system" fn(*mut u32) -> u32>(max.as_ptr())
            },
            // SAFETY: as above.
            NvEncodeAPICreateInstance: unsafe {
                std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "system" fn(*mut NV_ENCODE_API_FUNCTION_LIST) -> u32,
                >(create.as_ptr())
            },
        })
    }
}

/// The encode library.
#[derive(Debug)]
pub struct EncodeLibrary {
    entry_points: EntryPoints,
}

/// Returns the encode library of this process. The first call opens it; the library, or the failure to open it, is
/// kept.
///
/// # Errors
///
/// [`DriverLoadError::Library`] when the library cannot be opened, as in containers without the `video` capability;
/// [`DriverLoadError::Symbol`] when the library lacks one of its two entry points.
pub fn load() -> Result<&'static EncodeLibrary, &'static DriverLoadError> {
    static DRIVER: OnceLock<Result<EncodeLibrary, DriverLoadError>> = OnceLock::new();
    DRIVER.get_or_init(open).as_ref()
}

fn open() -> Result<EncodeLibrary, DriverLoadError> {
    let library = load::open(DriverLibrary::NvEncode)?;
    let entry_points =
        EntryPoints::find(|symbol| load::find(&library, symbol)).map_err(|(symbol, said)| {
            DriverLoadError::Symbol { library: DriverLibrary::NvEncode, symbol, said }
        })?;
    Ok(EncodeLibrary { entry_points })
}

/// Held while the API version of the process matters: from making an instance to having a session.
static API_VERSION_OF_THE_PROCESS: Mutex<()> = Mutex::new(());

/// The longest time that an opening waits for another opening of the process. An opening that hangs holds the lock for
/// ever, and later openings would pile up behind it.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

fn lock_api_version(patience: Duration) -> Option<MutexGuard<'static, ()>> {
    let start = Instant::now();
    loop {
        match API_VERSION_OF_THE_PROCESS.try_lock() {
            Ok(guard) => return Some(guard),
            // The lock guards nothing that a panic could leave half done.
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => return None,
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
}

impl EncodeLibrary {
    /// A driver made of two functions, in place of a loaded library.
    ///
    /// # Safety
    ///
    /// The two functions behave as NVIDIA documents them, and so does every function that the second one puts
    /// into the list.
    #[must_use]
    pub const unsafe fn from_entry_points(entry_points: EntryPoints) -> Self {
        Self { entry_points }
    }

    /// The newest API version that the driver speaks.
    ///
    /// # Errors
    ///
    /// The status with which the driver refuses.
    pub fn max_supported_api(&self) -> Result<DriverApi, NVENCSTATUS> {
        let mut word = 0;
        // SAFETY: `word` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (self.entry_points.NvEncodeAPIGetMaxSupportedVersion)(&raw mut word) };
        NVENCSTATUS(code).ok()?;
        Ok(DriverApi::from_max_supported_word(word))
    }

    /// The API version to speak with this driver: the newest that the driver and this crate know.
    ///
    /// # Errors
    ///
    /// [`NegotiateError::TooOld`] when the driver's newest is older than 11.0, [`NegotiateError::Refused`]
    /// when the driver does not tell its version.
    pub fn negotiate(&self) -> Result<ApiVersion, NegotiateError> {
        let driver = self.max_supported_api().map_err(NegotiateError::Refused)?;
        ApiVersion::negotiate(driver).map_err(NegotiateError::TooOld)
    }

    /// Opens a session on a CUDA context, to be closed by `nvEncDestroyEncoder`.
    ///
    /// Inside the driver the API version belongs to the process, and the component that made an instance last
    /// has set it. So this function makes an instance right before it opens the session, under a lock of this
    /// crate. If the driver answers that the version is wrong, another component has come between, and the
    /// function tries once more. The driver may take long to open a session, or for ever, and the lock is held
    /// meanwhile. A later caller waits ten seconds for the lock and no longer. Another component that opens a
    /// session later, with another version, has to make its instance anew.
    ///
    /// A session that the driver leaves behind although it refused is destroyed here.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Safety
    ///
    /// `context` is a CUDA context of this process that lives until the session is destroyed.
    pub unsafe fn open_session(
        &self,
        api: ApiVersion,
        context: CUcontext,
    ) -> Result<SessionHandle, OpenError> {
        // SAFETY: the caller vouches for `context`.
        unsafe { self.open_session_within(PATIENCE, api, context) }
    }

    /// # Safety
    ///
    /// As [`EncodeLibrary::open_session`].
    unsafe fn open_session_within(
        &self,
        patience: Duration,
        api: ApiVersion,
        context: CUcontext,
    ) -> Result<SessionHandle, OpenError> {
        let _version_is_ours = lock_api_version(patience).ok_or(OpenError::Occupied(patience))?;
        // SAFETY: the caller vouches for `context`.
        match unsafe { self.try_open_session(api, context) } {
            Err(OpenError::Refused(NV_ENC_ERR_INVALID_VERSION)) => {
                // SAFETY: as above.
                unsafe { self.try_open_session(api, context) }
            }
            first => first,
        }
    }

    /// # Safety
    ///
    /// As [`EncodeLibrary::open_session`].
    unsafe fn try_open_session(
        &self,
        api: ApiVersion,
        context: CUcontext,
    ) -> Result<SessionHandle, OpenError> {
        let functions = self.create_instance(api)?;
        let mut params = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS::versioned(api);
        params.deviceType = NV_ENC_DEVICE_TYPE_CUDA;
        params.device = context.cast();
        params.apiVersion = api.word();
        let mut encoder: NV_ENC_ENCODER_PTR = std::ptr::null_mut();
        // SAFETY: `params` is whole and carries the words of the instance just made, `encoder` lives through
        // the call, and the caller vouches for the context.
        let code = unsafe { (functions.nvEncOpenEncodeSessionEx)(&raw mut params, &raw mut encoder) };
        match (NVENCSTATUS(code).ok(), NonNull::new(encoder)) {
            (Ok(()), Some(encoder)) => Ok(SessionHandle { encoder, functions, api }),
            (Ok(()), None) => Err(OpenError::NoHandle),
            (Err(status), None) => Err(OpenError::Refused(status)),
            (Err(status), Some(left_behind)) => {
                // What this call returns changes nothing: the session is gone or out of reach.
                // SAFETY: the driver has just made this handle, and nobody else has seen it.
                let _ = unsafe { (functions.nvEncDestroyEncoder)(left_behind.as_ptr()) };
                Err(OpenError::Refused(status))
            }
        }
    }

    fn create_instance(&self, api: ApiVersion) -> Result<EncodeFunctions, OpenError> {
        let mut list = NV_ENCODE_API_FUNCTION_LIST::versioned(api);
        // SAFETY: `list` has the size that every driver knows, lives through the call, and every value that
        // the call may write to a slot is a function or null.
        let code = unsafe { (self.entry_points.NvEncodeAPICreateInstance)(&raw mut list) };
        NVENCSTATUS(code).ok().map_err(OpenError::NoInstance)?;
        EncodeFunctions::from_list(&list).map_err(OpenError::MissingFunction)
    }
}

/// An open session: the handle, and the functions that take it. Nothing is closed when this is dropped.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SessionHandle {
    /// The handle. The driver dereferences it unchecked.
    pub encoder: NonNull<NvEncEncoder>,
    /// The driver's functions.
    pub functions: EncodeFunctions,
    /// The API version that every struct word of this session is of.
    pub api: ApiVersion,
}

/// The reason why no API version was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiateError {
    /// The driver does not tell its version.
    Refused(NVENCSTATUS),
    /// The driver's newest version is older than any that is spoken here.
    TooOld(TooOld),
}

impl fmt::Display for NegotiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("NvEncodeAPIGetMaxSupportedVersion was refused"),
            Self::TooOld(_) => f.write_str("the NVIDIA driver is too old"),
        }
    }
}

impl Error for NegotiateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(status) => Some(status),
            Self::TooOld(versions) => Some(versions),
        }
    }
}

/// The reason why no session was opened. Nothing is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// `NvEncodeAPICreateInstance` was refused.
    NoInstance(NVENCSTATUS),
    /// The driver's function list lacks a function that is required.
    MissingFunction(MissingFunction),
    /// `nvEncOpenEncodeSessionEx` was refused.
    Refused(NVENCSTATUS),
    /// `nvEncOpenEncodeSessionEx` said that it succeeded and gave no handle.
    NoHandle,
    /// Another opening of the process has not come back for this long.
    Occupied(Duration),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoInstance(_) => "NvEncodeAPICreateInstance was refused",
            Self::MissingFunction(_) => "the encode library is not complete",
            Self::Refused(_) => "nvEncOpenEncodeSessionEx was refused",
            Self::NoHandle => "nvEncOpenEncodeSessionEx succeeded and gave no session",
            Self::Occupied(_) => "another session is being opened and does not come back",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoInstance(status) | Self::Refused(status) => Some(status),
            Self::MissingFunction(missing) => Some(missing),
            Self::NoHandle | Self::Occupied(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
