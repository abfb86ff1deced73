//! The functions that an openh264 library exports, built in or loaded.

#![expect(unsafe_code, reason = "three C functions are called, whose pointers have to be used as promised")]

use std::ffi::c_int;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::OnceLock;

use openh264_sys2::{ISVCEncoder, OpenH264Version};

/// Makes an encoder, even where the returned status is an error.
pub(super) type Create = unsafe extern "C" fn(*mut *mut ISVCEncoder) -> c_int;
/// Ends an encoder.
pub(super) type Destroy = unsafe extern "C" fn(*mut ISVCEncoder);
/// Writes the library's version. The variant that returns it has another calling convention in some builds.
pub(super) type GetVersion = unsafe extern "C" fn(*mut OpenH264Version);

#[cfg(feature = "cisco")]
static LOADED: OnceLock<Api> = OnceLock::new();

/// One openh264 library, which is never closed.
#[derive(Debug)]
pub(super) struct Api {
    create: Create,
    destroy: Destroy,
    get_version: GetVersion,
    /// The file of a loaded library; `None` for the built-in one.
    path: Option<PathBuf>,
    /// The CPU features that [`cpu_features`](super::raw::cpu_features) found.
    pub(super) cpu_features: OnceLock<Option<u32>>,
}

impl Api {
    /// # Safety
    /// The three are openh264's functions of these names, in a version whose structs are those of `openh264_sys2`, and
    /// stay where they are.
    pub(super) const unsafe fn new(
        create: Create,
        destroy: Destroy,
        get_version: GetVersion,
        path: Option<PathBuf>,
    ) -> Self {
        Self { create, destroy, get_version, path, cpu_features: OnceLock::new() }
    }

    /// The library of new encoders: the loaded one takes precedence over the built-in one.
    pub(super) fn in_use() -> Option<&'static Self> {
        #[cfg(feature = "cisco")]
        if let Some(loaded) = Self::loaded() {
            return Some(loaded);
        }
        built_in()
    }

    #[cfg(feature = "cisco")]
    pub(super) fn loaded() -> Option<&'static Self> {
        LOADED.get()
    }

    /// Makes this library the one of new encoders unless one was loaded before; returns the one in use.
    #[cfg(feature = "cisco")]
    pub(super) fn put_in_use(self) -> &'static Self {
        LOADED.get_or_init(|| self)
    }

    /// The file of a loaded library; `None` for the built-in one.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Returns the status, and the encoder if one was made.
    pub(super) fn create(&self) -> (c_int, Option<NonNull<ISVCEncoder>>) {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the out-parameter is a valid place for one pointer; the function is what `new` was promised.
        let status = unsafe { (self.create)(&raw mut handle) };
        (status, NonNull::new(handle))
    }

    /// # Safety
    /// The encoder was made by [`Api::create`] of this very library, and is not used after this.
    pub(super) unsafe fn destroy(&self, encoder: NonNull<ISVCEncoder>) {
        // SAFETY: the caller's promise; the function is what `new` was promised.
        unsafe { (self.destroy)(encoder.as_ptr()) };
    }

    /// The library's version.
    pub(super) fn version(&self) -> OpenH264Version {
        let mut version = OpenH264Version { uMajor: 0, uMinor: 0, uRevision: 0, uReserved: 0 };
        // SAFETY: the out-parameter is a whole struct; the function is what `new` was promised.
        unsafe { (self.get_version)(&raw mut version) };
        version
    }
}

#[cfg(not(feature = "openh264"))]
fn built_in() -> Option<&'static Api> {
    None
}

#[cfg(feature = "openh264")]
fn built_in() -> Option<&'static Api> {
    use openh264_sys2::source::APILoader;

    unsafe extern "C" fn create(encoder: *mut *mut ISVCEncoder) -> c_int {
        // SAFETY: the caller's promises are handed on.
        unsafe { APILoader::WelsCreateSVCEncoder(encoder) }
    }
    unsafe extern "C" fn destroy(encoder: *mut ISVCEncoder) {
        // SAFETY: the caller's promises are handed on.
        unsafe { APILoader::WelsDestroySVCEncoder(encoder) };
    }
    unsafe extern "C" fn get_version(version: *mut OpenH264Version) {
        // SAFETY: the caller's promises are handed on.
        unsafe { APILoader::WelsGetCodecVersionEx(version) };
    }
    // SAFETY: they are linked in, from the sources that `openh264_sys2` is generated from.
    static BUILT_IN: Api = unsafe { Api::new(create, destroy, get_version, None) };
    Some(&BUILT_IN)
}
