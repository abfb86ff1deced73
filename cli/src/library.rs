//! The openh264 library that the environment names.

use std::env;

use crate::failure::Failure;

/// The path of Cisco's binary of openh264, in a build with the feature `cisco`.
const ENVIRONMENT: &str = "DIRECT264_OPENH264";

/// Loads it, if one is named.
///
/// # Errors
/// When it is not loaded, or the build loads none.
pub(crate) fn load() -> Result<(), Failure> {
    let Some(path) = env::var_os(ENVIRONMENT).filter(|path| !path.is_empty()) else { return Ok(()) };
    #[cfg(feature = "cisco")]
    let loaded = direct264::openh264::load(&path).map(drop).map_err(|error| error.to_string());
    #[cfg(not(feature = "cisco"))]
    let loaded =
        Err(format!("{}: this build loads no library, for want of the feature cisco", path.display()));
    loaded.map_err(|why: String| Failure::before(format!("{ENVIRONMENT}: {why}")))
}
