//! What openh264 is linked, and whether its SIMD code is in it.

use super::raw;

/// The openh264 library that this crate was built with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// Its version, such as `2.6.0`.
    pub version: String,
    /// Whether its SIMD code is in this build; `None` when it does not open. Without, a picture takes about three
    /// times as long.
    pub simd: Option<bool>,
    /// Whether the AVX2 part of it is in this build as well, which saves about a seventh at 1080p.
    pub avx2: bool,
}

impl Library {
    /// Asks the library itself: what was meant at build time may not be what was built.
    #[must_use]
    pub fn linked() -> Self {
        let simd = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            raw::cpu_features().map(|features| features != 0)
        } else {
            // Elsewhere the SIMD code needs no assembler of its own and is always built.
            Some(cfg!(any(target_arch = "arm", target_arch = "aarch64")))
        };
        // Only the build knows of this part, so it is believed where the rest was seen.
        Self { version: raw::version(), simd, avx2: cfg!(openh264_avx2) && simd == Some(true) }
    }
}

/// Says once what an embedder never sees, since cargo shows the warnings of a build script for path packages alone.
pub(super) fn warn_without_simd() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if Library::linked().simd == Some(false) {
            tracing::warn!(
                "openh264 was built without SIMD and takes about three times as long: install nasm, then \
                 `cargo clean -p direct264 -p openh264-sys2` and build again"
            );
        }
    });
}
