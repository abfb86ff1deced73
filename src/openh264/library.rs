//! Which openh264 library encodes, and whether its SIMD code is in it.

use std::path::PathBuf;

use super::api::Api;
use super::raw;

/// An openh264 library: the one that this crate was built with, or the one that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// Its version, such as `2.6.0`.
    pub version: String,
    /// The file that it was loaded from; `None` for the one that is built in.
    pub path: Option<PathBuf>,
    /// Whether its SIMD code is in it; `None` when it does not open. Without, a picture takes about three times as
    /// long.
    pub simd: Option<bool>,
    /// Whether the AVX2 part of it is in this build as well, which saves about a seventh at 1080p. `None` for a library
    /// that was loaded, which does not tell.
    pub avx2: Option<bool>,
}

impl Library {
    /// The one that encoders are made by; `None` in a build with the feature `cisco` alone until a library is loaded.
    ///
    /// Asks the library itself: what was meant at build time may not be what was built.
    #[must_use]
    pub fn in_use() -> Option<Self> {
        Api::in_use().map(Self::of)
    }

    pub(super) fn of(api: &'static Api) -> Self {
        let simd = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            raw::cpu_features(api).map(|features| features != 0)
        } else {
            // Elsewhere the SIMD code needs no assembler of its own and is always built.
            Some(cfg!(any(target_arch = "arm", target_arch = "aarch64")))
        };
        // Only the build knows of this part, so it is believed where the rest was seen.
        let avx2 = api.path().is_none().then(|| cfg!(openh264_avx2) && simd == Some(true));
        let version = api.version();
        let version = format!("{}.{}.{}", version.uMajor, version.uMinor, version.uRevision);
        Self { version, path: api.path().cloned(), simd, avx2 }
    }
}

/// Says once what an embedder never sees, since cargo shows the warnings of a build script for path packages alone.
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
