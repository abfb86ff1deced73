//! Describes the machine of a run.

use std::fs;

/// The machine, as far as the system tells.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The name of the processor.
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    /// The widest vector instructions of CPU and system.
    pub(crate) simd: &'static str,
    /// System and architecture, such as `linux x86_64`.
    pub(crate) system: String,
    /// The load average of the last minute before the run.
    pub(crate) load: Option<f64>,
    /// The openh264 library; `None` in a build without it.
    pub(crate) openh264: Option<Openh264>,
}

/// The openh264 library and its build.
#[derive(Debug, Clone)]
pub(crate) struct Openh264 {
    pub(crate) version: String,
    pub(crate) build: &'static str,
}

impl Machine {
    /// Reads the present state of the machine.
    pub(crate) fn here() -> Self {
        let load = fs::read_to_string("/proc/loadavg");
        Self {
            cpu: cpu_name().unwrap_or_else(|| "CPU that does not tell its name".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            simd: simd(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            load: load.ok().and_then(|text| text.split(' ').next()?.parse().ok()),
            openh264: openh264(),
        }
    }
}

fn cpu_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn simd() -> &'static str {
    if is_x86_feature_detected!("avx512bw") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else if is_x86_feature_detected!("ssse3") {
        "SSSE3"
    } else {
        "SSE2"
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn simd() -> &'static str {
    if cfg!(target_arch = "aarch64") { "NEON" } else { "unknown SIMD" }
}

#[cfg(any(feature = "openh264", feature = "cisco"))]
fn openh264() -> Option<Openh264> {
    let library = direct264::openh264::Library::in_use()?;
    let build = match (library.simd, library.avx2) {
        (Some(false), _) => "without SIMD: about three times as slow as it could be",
        (_, Some(true)) => "AVX2 build",
        (Some(true), Some(false)) if cfg!(target_arch = "x86_64") => "SIMD build without AVX2",
        (Some(true), _) => "SIMD build",
        (None, _) => "does not tell how it was built",
    };
    Some(Openh264 { version: library.version, build })
}

#[cfg(not(any(feature = "openh264", feature = "cisco")))]
fn openh264() -> Option<Openh264> {
    None
}
