//! Loads an openh264 library at run time.

#![expect(
    unsafe_code,
    reason = "opening a library runs code of it, and its functions are believed to be what they are"
)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use openh264_sys2::{DynamicAPI, libloading::APILoader};

use super::api::Api;
use super::library::Library;

/// The versions with the structs of this crate's build: 2.6 added fields, and 2.7 has the same headers.
const SPOKEN: std::ops::RangeInclusive<(u32, u32)> = (2, 6)..=(2, 7);
/// The largest file read; builds of the library are far smaller.
const LARGEST_FILE_BYTES: u64 = 64 << 20;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The error of a library that was not loaded. The library in use stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read, or the system's loader refuses it.
    #[error("{path} cannot be loaded: {said}")]
    Unreadable {
        /// The file, as given.
        path: PathBuf,
        /// The system's words.
        said: String,
    },
    /// The file is none of Cisco's known releases.
    #[error("{path} is none of Cisco's known releases: its SHA-256 is {sha256}")]
    UnknownHash {
        /// The file, as given.
        path: PathBuf,
        /// The SHA-256 of the file, in hexadecimal digits.
        sha256: String,
    },
    /// The library lacks a required function.
    #[error("{path} has no function {function}")]
    MissingFunction {
        /// The file, as given.
        path: PathBuf,
        /// The function, by its C name.
        function: &'static str,
    },
    /// The library's version is not 2.6 or 2.7.
    #[error("{path} is openh264 {version}, not 2.6 or 2.7")]
    Version {
        /// The file, as given.
        path: PathBuf,
        /// The version that the library reports.
        version: String,
    },
    /// The process has already loaded a library, and keeps it.
    #[error("this process keeps the library that it has loaded: {path}")]
    AlreadyLoaded {
        /// The file that was loaded.
        path: PathBuf,
    },
}

/// Loads Cisco's binary of openh264, once in a process. New encoders use it from now on, in place of the built-in
/// library if there is one; open encoders stay as they are.
///
/// The file must be one of Cisco's releases of 2.6, checked by its SHA-256. Between check and loading, whoever can
/// write to the file or its folder can replace it: only trusted users may have that right.
///
/// # Errors
/// [`LoadError`]; the library in use stays in use, and another file can be tried.
///
/// # Example
/// ```no_run
/// let library = direct264::openh264::load("/usr/lib/libopenh264-2.6.0-linux64.8.so")?;
/// println!("{library:?}");
/// # Ok::<(), direct264::openh264::LoadError>(())
/// ```
pub fn load(path: impl AsRef<Path>) -> Result<Library, LoadError> {
    install(path.as_ref(), |absolute| DynamicAPI::from_blob_path(absolute))
}

/// Loads another build of openh264, such as a distribution's. As [`load`], without the check of the file.
///
/// # Errors
/// As [`load`], but for [`LoadError::UnknownHash`].
///
/// # Safety
/// - The file is a build of openh264 2.6 or 2.7 for this platform, with the structs of its public headers;
/// - what runs when it is opened may run in this process at this time.
pub unsafe fn load_unchecked(path: impl AsRef<Path>) -> Result<Library, LoadError> {
    install(path.as_ref(), |absolute| {
        // SAFETY: the caller's promise.
        unsafe { DynamicAPI::from_blob_path_unchecked(absolute) }
    })
}

fn install(
    path: &Path,
    open: impl FnOnce(&Path) -> Result<DynamicAPI, openh264_sys2::Error>,
) -> Result<Library, LoadError> {
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = Api::loaded().and_then(Api::path) {
        return Err(LoadError::AlreadyLoaded { path: path.clone() });
    }
    let unreadable = |said: String| LoadError::Unreadable { path: path.to_owned(), said };
    // An absolute path, so that the loader opens the checked file and searches no folder for its name.
    let absolute = fs::canonicalize(path).map_err(|error| unreadable(error.to_string()))?;
    let about = fs::metadata(&absolute).map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() || about.len() > LARGEST_FILE_BYTES {
        return Err(unreadable(format!("not a file of at most {} MiB", LARGEST_FILE_BYTES >> 20)));
    }
    let opened = open(&absolute).map_err(|error| match error {
        openh264_sys2::Error::InvalidHash(sha256) => LoadError::UnknownHash { path: path.to_owned(), sha256 },
        other => unreadable(in_full(&other)),
    })?;
    let loader = match opened {
        DynamicAPI::Libloading(loader) => loader,
        #[allow(
            unreachable_patterns,
            reason = "there where another crate of the build has the sources built"
        )]
        _ => return Err(unreadable("it was not opened".to_owned())),
    };
    let api = api(loader, path, absolute)?;
    let version = api.version();
    if !SPOKEN.contains(&(version.uMajor, version.uMinor)) {
        let version = format!("{}.{}.{}", version.uMajor, version.uMinor, version.uRevision);
        return Err(LoadError::Version { path: path.to_owned(), version });
    }
    Ok(Library::of(api.put_in_use()))
}

/// Returns the functions of a library, which is kept for ever, even if a function is missing.
fn api(loader: APILoader, path: &Path, absolute: PathBuf) -> Result<Api, LoadError> {
    let loader: &'static APILoader = Box::leak(Box::new(loader));
    let missing = |function| move |_| LoadError::MissingFunction { path: path.to_owned(), function };
    let create = *loader.WelsCreateSVCEncoder.as_ref().map_err(missing("WelsCreateSVCEncoder"))?;
    let destroy = *loader.WelsDestroySVCEncoder.as_ref().map_err(missing("WelsDestroySVCEncoder"))?;
    let get_version = *loader.WelsGetCodecVersionEx.as_ref().map_err(missing("WelsGetCodecVersionEx"))?;
    // SAFETY: the library is never closed. What its functions are is known from its hash, or promised by the caller of
    // `load_unchecked`; no struct goes to them before the version was looked at.
    Ok(unsafe { Api::new(create, destroy, get_version, Some(absolute)) })
}

/// Returns the last cause of an error, which holds the system's words.
fn in_full(error: &openh264_sys2::Error) -> String {
    let mut deepest: &dyn Error = match error {
        openh264_sys2::Error::LibLoading(error) => error,
        other => other,
    };
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}
