//! Opens a driver library by its name, and tells what went wrong when it does not open.

use std::error::Error;
use std::ffi::{CStr, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// One of the two driver libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriverLibrary {
    /// The CUDA driver.
    Cuda,
    /// The video encoder.
    NvEncode,
}

impl DriverLibrary {
    /// The file name that the loader is asked for. Only these names are reliable inside containers, because
    /// names without a version belong to development packages.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Cuda if cfg!(windows) => "nvcuda.dll",
            Self::Cuda => "libcuda.so.1",
            Self::NvEncode if cfg!(windows) => "nvEncodeAPI64.dll",
            Self::NvEncode => "libnvidia-encode.so.1",
        }
    }
}

impl fmt::Display for DriverLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())
    }
}

/// The dynamic loader's message, such as `libcuda.so.1: cannot open shared object file: No such file or
/// directory`. The system chooses the wording and its language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderMessage(pub String);

impl fmt::Display for LoaderMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for LoaderMessage {}

/// The reason why a driver library cannot be used. The loader's message is the [`source`](Error::source).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriverLoadError {
    /// The loader did not open the library.
    Library {
        /// The library that was asked for. The missing file can be another one: see
        /// [`missing_file`](DriverLoadError::missing_file).
        library: DriverLibrary,
        /// The loader's message.
        said: LoaderMessage,
    },
    /// The library opened and lacks a function that is required.
    Symbol {
        /// The library that opened.
        library: DriverLibrary,
        /// The function that the library lacks.
        symbol: &'static str,
        /// The loader's message.
        said: LoaderMessage,
    },
}

impl DriverLoadError {
    /// The library that was asked for.
    #[must_use]
    pub fn library(&self) -> DriverLibrary {
        match self {
            Self::Library { library, .. } | Self::Symbol { library, .. } => *library,
        }
    }

    /// The function that the library lacks; `None` when the library did not open.
    #[must_use]
    pub fn symbol(&self) -> Option<&'static str> {
        match self {
            Self::Library { .. } => None,
            Self::Symbol { symbol, .. } => Some(symbol),
        }
    }

    /// The loader's message.
    #[must_use]
    pub fn said(&self) -> &LoaderMessage {
        match self {
            Self::Library { said, .. } | Self::Symbol { said, .. } => said,
        }
    }

    /// The missing file, where the loader's message names another file than the library. The encode library
    /// cannot be opened without `libnvcuvid.so.1`, and the message then names that file. The answer is a hint
    /// read from text, and `None` where the message has another form.
    #[must_use]
    pub fn missing_file(&self) -> Option<&str> {
        let Self::Library { library, said } = self else { return None };
        let (file, _) = said.0.split_once(": ")?;
        let looks_like_a_library = file.contains(".so") && !file.contains(char::is_whitespace);
        (looks_like_a_library && !file.ends_with(library.file_name())).then_some(file)
    }
}

impl fmt::Display for DriverLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library { library, .. } => write!(f, "the driver library {library} cannot be loaded"),
            Self::Symbol { library, symbol, .. } => {
                write!(f, "the driver library {library} has no function {symbol}")
            }
        }
    }
}

impl Error for DriverLoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.said())
    }
}

/// A required function that was not found: its name, and the loader's message.
pub(crate) type Missing = (&'static str, LoaderMessage);

/// Opens `library` and never closes it, even where the library lacks a function. A driver's initialisers start
/// threads that run its code, and its functions may be called for as long as the process lives.
///
/// The loader gets the bare name, because containers provide the driver under that name. It looks in
/// `LD_LIBRARY_PATH`, which it ignores in programs with more rights than their user, in the program's run path, in its
/// cache and in the system's folders; in the current folder only where one of these says so. On Windows it looks in the
/// system's folder alone.
pub(crate) fn open(library: DriverLibrary) -> Result<ManuallyDrop<libloading::Library>, DriverLoadError> {
    // SAFETY: opening runs the library's initialisers. NVIDIA promises that its driver libraries may be
    // opened by any thread at any time; whoever puts another file of this name in the loader's path promises
    // the same.
    unsafe { by_name(library.file_name()) }
        .map(ManuallyDrop::new)
        .map_err(|error| DriverLoadError::Library { library, said: in_full(&error) })
}

/// # Safety
/// The library of this name may be opened.
#[cfg(not(windows))]
unsafe fn by_name(name: &str) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { libloading::Library::new(name) }
}

/// # Safety
/// The library of this name may be opened.
#[cfg(windows)]
unsafe fn by_name(name: &str) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};

    // SAFETY: the caller's promise.
    unsafe { Library::load_with_flags(name, LOAD_LIBRARY_SEARCH_SYSTEM32) }.map(Into::into)
}

/// The address of `symbol` in `library`.
pub(crate) fn find(
    library: &libloading::Library,
    symbol: &'static CStr,
) -> Result<NonNull<c_void>, LoaderMessage> {
    // SAFETY: the address is taken as an opaque pointer; whoever makes a function of it answers for its type.
    let found = unsafe { library.get::<*mut c_void>(symbol) }.map_err(|error| in_full(&error))?;
    NonNull::new(*found).ok_or_else(|| LoaderMessage("the symbol's address is null".to_owned()))
}

/// The deepest cause of an error: `libloading` keeps the system's text there.
fn in_full(error: &libloading::Error) -> LoaderMessage {
    let mut deepest: &dyn Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    LoaderMessage(deepest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_opened(said: &str) -> DriverLoadError {
        DriverLoadError::Library { library: DriverLibrary::NvEncode, said: LoaderMessage(said.to_owned()) }
    }

    #[test]
    fn a_missing_dependency_is_told_from_the_library_itself() {
        let nvcuvid = "libnvcuvid.so.1: cannot open shared object file: No such file or directory";
        assert_eq!(not_opened(nvcuvid).missing_file(), Some("libnvcuvid.so.1"));
        let itself = "libnvidia-encode.so.1: cannot open shared object file: No such file or directory";
        assert_eq!(not_opened(itself).missing_file(), None);
        assert_eq!(not_opened("/lib/libnvidia-encode.so.1: file too short").missing_file(), None);
        assert_eq!(not_opened("something else went wrong: no idea").missing_file(), None);
        assert_eq!(not_opened("").missing_file(), None);
    }

    #[test]
    fn the_message_says_what_and_the_source_says_why() {
        let error = not_opened("libnvcuvid.so.1: gone");
        assert_eq!(
            error.to_string(),
            format!("the driver library {} cannot be loaded", DriverLibrary::NvEncode)
        );
        assert_eq!(error.source().expect("a cause").to_string(), "libnvcuvid.so.1: gone");
        let said = LoaderMessage("undefined symbol".to_owned());
        let symbol = DriverLoadError::Symbol { library: DriverLibrary::Cuda, symbol: "cuInit", said };
        assert_eq!(symbol.symbol(), Some("cuInit"));
        assert!(symbol.to_string().ends_with("has no function cuInit"));
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error_with_the_loaders_words() {
        // SAFETY: there is no such file, so nothing of it can run.
        let error = unsafe { libloading::Library::new("libdirect264-no-such-library.so.1") };
        let said = in_full(&error.expect_err("there is no such library"));
        if cfg!(target_os = "linux") {
            assert!(said.0.contains("libdirect264-no-such-library.so.1"), "{said}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_symbol_that_is_not_there_is_an_error_and_one_that_is_has_an_address() {
        let this = libloading::os::unix::Library::this().into();
        assert!(find(&this, c"malloc").is_ok());
        let said = find(&this, c"direct264_no_such_function").expect_err("there is no such function");
        assert!(said.0.contains("direct264_no_such_function"), "{said}");
    }
}
