//! The openh264 library in use, and whether it has SIMD code.

use std::path::PathBuf;

use super::api::Api;
use super::raw;

/// An openh264 library, built in or loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// The version, such as `2.6.0`.
    pub version: String,
    /// The file of a loaded library; `None` for the built-in one.
    pub path: Option<PathBuf>,
    /// Whether the library has its SIMD code; `None` when it does not open. Without SIMD a picture takes about three
    /// times as long.
    pub simd: Option<bool>,
    /// Whether the AVX2 code is in this build as well, which saves about a seventh at 1080p. `None` for a loaded
    /// library, which does not say.
    pub avx2: Option<bool>,
}

impl Library {
    /// Returns the library of new encoders; `None` in a build with the feature `cisco` alone until a library is
    /// loaded.
    ///
    /// The answer comes from the library itself, since a build can differ from its intention.
    #[must_use]
    pub fn in_use() -> Option<Self> {
        Api::in_use().map(Self::of)
    }

    pub(super) fn of(api: &'static Api) -> Self {
        let simd = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            raw::cpu_features(api).map(|features| features != 0)
        } else {
            // On other architectures the SIMD code needs no assembler and is always built.
            Some(cfg!(any(target_arch = "arm", target_arch = "aarch64")))
        };
        // Only the build knows of AVX2, so it is believed where SIMD was seen.
        let avx2 = api.path().is_none().then(|| cfg!(openh264_avx2) && simd == Some(true));
        let version = api.version();
        let version = format!("{}.{}.{}", version.uMajor, version.uMinor, version.uRevision);
        Self { version, path: api.path().cloned(), simd, avx2 }
    }
}

/// Warns once at run time, since cargo shows a build script's warnings for path packages alone.
pub(super) fn warn_without_simd() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| match Library::in_use() {
        Some(Library { simd: Some(false), path: None, .. }) => tracing::warn!(
            "openh264 was built without SIMD and takes about three times as long: install nasm, then \
             `cargo clean -p direct264 -p openh264-sys2` and build again"
        ),
        Some(Library { simd: Some(false), path: Some(path), .. }) => tracing::warn!(
            path = %path.display(),
            "the openh264 library that was loaded has no SIMD and takes about three times as long"
        ),
        _ => {}
    });
}
