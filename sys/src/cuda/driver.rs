//! The loaded CUDA driver: initialises CUDA once, and lists the devices.

use std::error::Error;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::OnceLock;

use super::functions::Functions;
use super::{
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, CUdevice,
    CUresult,
};
use crate::load::{self, DriverLibrary, DriverLoadError, LoaderMessage};

/// The CUDA driver.
#[derive(Debug)]
pub struct Driver {
    functions: Functions,
    /// The process that called `cuInit`, and the status that it returned.
    initialised: OnceLock<(u32, CUresult)>,
}

/// Returns the CUDA driver of this process. The first call opens the library; the driver, or the failure to open
/// it, is kept. Opening does not initialise CUDA: see [`Driver::initialise`].
///
/// # Errors
///
/// [`DriverLoadError::Library`] when the library cannot be opened, as on machines without an NVIDIA driver;
/// [`DriverLoadError::Symbol`] when the library lacks a function that is required.
pub fn load() -> Result<&'static Driver, &'static DriverLoadError> {
    static DRIVER: OnceLock<Result<Driver, DriverLoadError>> = OnceLock::new();
    DRIVER.get_or_init(open).as_ref()
}

fn open() -> Result<Driver, DriverLoadError> {
    let library = load::open(DriverLibrary::Cuda)?;
    // SAFETY: a library of this name is the CUDA driver, and its functions have the signatures that NVIDIA
    // documents; whoever puts another file of this name in the loader's path promises the same.
    // It is never closed.
    unsafe { Driver::from_symbols(|symbol| load::find(&library, symbol)) }
}

impl Driver {
    /// A driver whose functions are found by `resolve`, in place of a loaded library.
    ///
    /// # Errors
    ///
    /// [`DriverLoadError::Symbol`] when `resolve` fails for a function that is required.
    ///
    /// # Safety
    ///
    /// Every address that `resolve` returns is that of a function with the signature and the behaviour that
    /// NVIDIA documents for its name, and stays valid.
    pub unsafe fn from_symbols(
        resolve: impl FnMut(&'static CStr) -> Result<NonNull<c_void>, LoaderMessage>,
    ) -> Result<Self, DriverLoadError> {
        let functions = Functions::find(resolve).map_err(|(symbol, said)| DriverLoadError::Symbol {
            library: DriverLibrary::Cuda,
            symbol,
            said,
        })?;
        Ok(Self { functions, initialised: OnceLock::new() })
    }

    /// The driver's functions. All but a few of them need [`Driver::initialise`] first.
    #[must_use]
    pub const fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Initialises CUDA, once per process. The first status of `cuInit` is kept, because each failing call can
    /// leave files open and a thread behind. A failure is kept in forked processes too.
    ///
    /// # Errors
    ///
    /// [`InitError::Refused`] with the status of `cuInit`, [`InitError::Forked`] in a process that was forked
    /// after CUDA was initialised here.
    pub fn initialise(&self) -> Result<(), InitError> {
        self.initialise_in(std::process::id())
    }

    fn initialise_in(&self, process: u32) -> Result<(), InitError> {
        let &(initialised_in, status) = self.initialised.get_or_init(|| {
            // SAFETY: `cuInit` takes no pointer, and may be called by any thread at any time.
            let code = unsafe { (self.functions.cuInit)(0) };
            (process, CUresult(code))
        });
        status.ok().map_err(InitError::Refused)?;
        if initialised_in == process { Ok(()) } else { Err(InitError::Forked { initialised_in }) }
    }

    /// The CUDA version of the driver, 1000 times the major and 10 times the minor: 12020 is 12.2. The call
    /// needs no [`Driver::initialise`], and proves nothing about a GPU.
    ///
    /// # Errors
    ///
    /// The status with which the driver refuses.
    pub fn cuda_version(&self) -> Result<i32, CallError> {
        let mut version = 0;
        // SAFETY: `version` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (self.functions.cuDriverGetVersion)(&raw mut version) };
        CallError::check("cuDriverGetVersion", code)?;
        Ok(version)
    }

    /// The devices that this process sees, in the driver's order; in place of a device that the driver refuses, the
    /// refusal. The call needs [`Driver::initialise`] first.
    ///
    /// # Errors
    ///
    /// The refusal of the number of devices.
    pub fn devices(&self) -> Result<Vec<Result<Device, CallError>>, CallError> {
        let mut count = 0;
        // SAFETY: `count` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (self.functions.cuDeviceGetCount)(&raw mut count) };
        CallError::check("cuDeviceGetCount", code)?;
        Ok((0..count).map(|index| self.device(index)).collect())
    }

    fn device(&self, index: i32) -> Result<Device, CallError> {
        let mut handle = 0;
        // SAFETY: `handle` lives through the call, which writes to it and keeps no pointer.
        let code = unsafe { (self.functions.cuDeviceGet)(&raw mut handle, index) };
        CallError::check("cuDeviceGet", code)?;
        let name = self.device_name(handle).unwrap_or_default();
        Ok(Device { index, handle, name, uuid: self.device_uuid(handle) })
    }

    fn device_name(&self, device: CUdevice) -> Option<String> {
        const LENGTH: i32 = 256;
        let mut name = [0_u8; LENGTH as usize];
        // SAFETY: the driver writes at most `LENGTH` bytes to `name`, which lives through the call.
        let code =
            unsafe { (self.functions.cuDeviceGetName)(name.as_mut_ptr().cast::<c_char>(), LENGTH, device) };
        CUresult(code).ok().ok()?;
        let text = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The UUID from the newer function, which knows MIG instances, or else from the older one.
    fn device_uuid(&self, device: CUdevice) -> Option<Uuid> {
        let functions = [self.functions.cuDeviceGetUuid_v2, self.functions.cuDeviceGetUuid];
        functions.into_iter().flatten().find_map(|function| {
            let mut bytes = [0; 16];
            // SAFETY: the driver writes 16 bytes to `bytes`, which lives through the call.
            let code = unsafe { function(&raw mut bytes, device) };
            CUresult(code).ok().ok()?;
            Some(Uuid(bytes))
        })
    }

    /// The compute capability of a device, such as (8, 9); `None` where the driver does not tell it. The call needs
    /// [`Driver::initialise`] first.
    #[must_use]
    pub fn compute_capability(&self, device: CUdevice) -> Option<(i32, i32)> {
        let attribute = |attribute| {
            let mut value = 0;
            // SAFETY: `value` lives through the call, which writes to it and keeps no pointer.
            let code = unsafe { (self.functions.cuDeviceGetAttribute)(&raw mut value, attribute, device) };
            CUresult(code).ok().ok().map(|()| value)
        };
        let major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        Some((major, attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?))
    }

    /// The driver's own name for a status. A driver may know more codes than [`CUresult::info`].
    #[must_use]
    pub fn error_name(&self, status: CUresult) -> Option<String> {
        self.error_text(self.functions.cuGetErrorName, status)
    }

    /// The driver's own text for a status.
    #[must_use]
    pub fn error_string(&self, status: CUresult) -> Option<String> {
        self.error_text(self.functions.cuGetErrorString, status)
    }

    fn error_text(
        &self,
        function: unsafe extern "system" fn(u32, *mut *const c_char) -> u32,
        status: CUresult,
    ) -> Option<String> {
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: `text` lives through the call, which writes a pointer to it.
        let code = unsafe { function(status.0, &raw mut text) };
        if code != 0 || text.is_null() {
            return None;
        }
        // SAFETY: on success the driver hands out a text of its own that ends with a zero and is never freed.
        let text = unsafe { CStr::from_ptr(text) };
        Some(text.to_string_lossy().into_owned())
    }
}

/// A CUDA device in the driver's list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its place in the driver's order, which `CUDA_VISIBLE_DEVICES` and others decide.
    pub index: i32,
    /// The driver's number for it.
    pub handle: CUdevice,
    /// Its name, such as `NVIDIA L4`; empty where the driver refuses it.
    pub name: String,
    /// Its UUID, or the UUID of the MIG instance that stands for it; `None` where the driver does not tell it.
    pub uuid: Option<Uuid>,
}

/// The UUID of a device. Written as hexadecimal groups, without the `GPU-` or `MIG-` that NVIDIA's tools put
/// in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

/// A call that the driver refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallError {
    /// The function's name.
    pub call: &'static str,
    /// The status that the call returned.
    pub status: CUresult,
}

impl CallError {
    fn check(call: &'static str, code: u32) -> Result<(), Self> {
        CUresult(code).ok().map_err(|status| Self { call, status })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused", self.call)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.status)
    }
}

/// The reason why CUDA is not initialised in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// `cuInit` was refused. Every status means that there is no CUDA here. In a process that was forked after
    /// another component had initialised CUDA, the status is [`super::CUDA_ERROR_NOT_INITIALIZED`].
    Refused(CUresult),
    /// The process was forked after CUDA was initialised, and cannot use CUDA.
    Forked {
        /// The id of the process that initialised CUDA.
        initialised_in: u32,
    },
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("cuInit was refused"),
            Self::Forked { initialised_in } => {
                write!(f, "this process was forked after process {initialised_in} had initialised CUDA")
            }
        }
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Forked { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
