//! Names the cfg aliases that the code uses, and warns when openh264 is about to be built without its SIMD code.
//! Looks for no GPU, no header and no network.

use std::env;
use std::process::{Command, Stdio};

fn main() {
    for alias in ["nvenc", "openh264", "openh264_avx2"] {
        println!("cargo::rustc-check-cfg=cfg({alias})");
    }
    println!("cargo::rerun-if-changed=build.rs");

    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if is_feature("NVENC") && ["linux", "windows"].contains(&os.as_str()) {
        println!("cargo::rustc-cfg=nvenc");
    }
    if is_feature("OPENH264") || is_feature("CISCO") {
        println!("cargo::rustc-cfg=openh264");
    }
    if is_feature("OPENH264") {
        openh264_simd();
    }
}

fn is_feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

/// openh264-sys2 assembles its x86 code with nasm and goes on silently without it. The AVX2 part is built when both
/// assembler and compiler are told `HAVE_AVX2`: see `.cargo/config.toml`.
fn openh264_simd() {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if !["x86", "x86_64"].contains(&arch.as_str()) {
        return;
    }
    let target = env::var("TARGET").unwrap_or_default();
    let compiler_flags = [
        "CXXFLAGS".to_owned(),
        format!("CXXFLAGS_{target}"),
        format!("CXXFLAGS_{}", target.replace('-', "_")),
    ];
    let is_told = |name: &str| {
        println!("cargo::rerun-if-env-changed={name}");
        env::var(name).is_ok_and(|flags| flags.contains("HAVE_AVX2"))
    };
    let compiler_is_told = compiler_flags.iter().filter(|name| is_told(name)).count() > 0;
    if is_told("NASMENV") && compiler_is_told {
        println!("cargo::rustc-cfg=openh264_avx2");
    }

    println!("cargo::rerun-if-env-changed=OPENH264_NO_ASM");
    let nasm = Command::new("nasm").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if env::var_os("OPENH264_NO_ASM").is_some() || !nasm.is_ok_and(|status| status.success()) {
        println!(
            "cargo::warning=openh264 is built without SIMD and will take about three times as long: install the \
             package nasm, then `cargo clean -p direct264 -p openh264-sys2` and build again"
        );
    }
}
