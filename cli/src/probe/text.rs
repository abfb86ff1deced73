//! The report of `direct264 probe` as text.

use std::fmt::{self, Write as _};

use super::facts::{BackendFacts, Facts, GpuFacts, Nvenc, OpenH264, Report, WhyNot};

/// The note on an openh264 that was built without an assembler.
const WITHOUT_SIMD: &str = "without SIMD, so a picture takes about three times as long: install nasm, then \
                            `cargo clean -p direct264 -p openh264-sys2` and build again";
/// The note on an openh264 that was built without AVX2.
const WITHOUT_AVX2: &str = "with SIMD, without its AVX2 part, which would save about a seventh at 1080p: build with \
                            NASMENV=-DHAVE_AVX2 and CXXFLAGS=-DHAVE_AVX2";

/// The notice that Cisco's licence demands where its binary is chosen. The command loads no other library.
const CISCO: &str = "OpenH264 Video Codec provided by Cisco Systems, Inc.";

/// Returns the whole report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> fmt::Result {
    writeln!(text, "direct264  {}", env!("CARGO_PKG_VERSION"))?;
    for found in &report.backends {
        write_backend(text, found)?;
    }
    match report.auto {
        Some(backend) => writeln!(text, "auto       takes {backend}")?,
        None => writeln!(text, "auto       takes nothing: no backend works here")?,
    }
    if let Some(environment) = &report.environment {
        writeln!(text, "           DIRECT264_BACKEND={environment} is set, and goes before auto")?;
    }
    Ok(())
}

fn write_backend(text: &mut String, found: &BackendFacts) -> fmt::Result {
    let BackendFacts { backend, why_not, facts } = found;
    let name = backend.as_str();
    match (why_not, facts) {
        (Some(why), _) => write_why_not(text, &format!("{name:<10} none found: "), why)?,
        (None, Facts::OpenH264(_)) => {}
        (None, _) => writeln!(text, "{name:<10} works")?,
    }
    match facts {
        Facts::Nvenc(nvenc) => write_nvenc(text, nvenc),
        Facts::OpenH264(openh264) if why_not.is_none() => write_openh264(text, openh264),
        Facts::OpenH264(_) | Facts::None => Ok(()),
    }
}

fn write_nvenc(text: &mut String, nvenc: &Nvenc) -> fmt::Result {
    if let Some(version) = &nvenc.driver_version {
        writeln!(text, "           driver {version}")?;
    }
    if let Some(version) = &nvenc.cuda_version {
        writeln!(text, "           CUDA {version}")?;
    }
    if let Some(version) = &nvenc.api_version {
        writeln!(text, "           encode API {version}")?;
    }
    nvenc.gpus.iter().try_for_each(|gpu| write_gpu(text, gpu))
}

fn write_gpu(text: &mut String, gpu: &GpuFacts) -> fmt::Result {
    let GpuFacts { index, uuid, name, why_not } = gpu;
    let uuid = uuid.as_deref().unwrap_or("UUID unknown");
    match why_not {
        None => writeln!(text, "           GPU {index}: {name} ({uuid}): encodes H.264"),
        Some(why) => write_why_not(text, &format!("           GPU {index}: {name} ({uuid}): "), why),
    }
}

fn write_openh264(text: &mut String, openh264: &OpenH264) -> fmt::Result {
    let version = openh264.version.as_deref().unwrap_or("of unknown version");
    let simd = match (openh264.simd, openh264.avx2) {
        (Some(true), Some(true)) => "with SIMD, its AVX2 part included",
        (Some(true), Some(false)) if cfg!(target_arch = "x86_64") => WITHOUT_AVX2,
        (Some(true), _) => "with SIMD",
        (Some(false), _) if openh264.path.is_some() => "without SIMD",
        (Some(false), _) => WITHOUT_SIMD,
        (None, _) => "SIMD unknown",
    };
    writeln!(text, "openh264   {version}, {simd}")?;
    match &openh264.path {
        None => Ok(()),
        Some(path) => writeln!(text, "           loaded from {}\n           {CISCO}", path.display()),
    }
}

fn write_why_not(text: &mut String, lead: &str, why: &WhyNot) -> fmt::Result {
    write!(text, "{lead}{}", why.reason.sentence())?;
    if !why.detail.is_empty() {
        write!(text, " ({})", why.detail)?;
    }
    writeln!(text)?;
    match why.advice {
        "" => Ok(()),
        advice => writeln!(text, "           what to do: {advice}"),
    }
}
