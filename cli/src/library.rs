//! Loads the openh264 library that `DIRECT264_OPENH264` names.

use std::env;

use crate::failure::Failure;

/// The variable that holds the path of Cisco's binary of openh264. Builds with the feature `cisco` load it.
const ENVIRONMENT: &str = "DIRECT264_OPENH264";

/// Loads the library if the environment names one.
///
/// # Errors
/// When the library does not load, or the build has no feature `cisco`.
pub(crate) fn load() -> Result<(), Failure> {
    let Some(path) = env::var_os(ENVIRONMENT).filter(|path| !path.is_empty()) else { return Ok(()) };
    #[cfg(feature = "cisco")]
    let loaded = direct264::openh264::load(&path).map(drop).map_err(|error| error.to_string());
    #[cfg(not(feature = "cisco"))]
    let loaded = Err(format!("{}: this build loads no library: it lacks the feature cisco", path.display()));
    loaded.map_err(|why: String| Failure::before(format!("{ENVIRONMENT}: {why}")))
}
