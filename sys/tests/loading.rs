//! Loading where the driver libraries are absent, broken or not complete: always a typed error, never a
//! panic.
//!
//! A library is opened once per process, so each case runs in a process of its own: this test program again,
//! with a folder in front of the loader's path.

#![cfg_attr(target_os = "linux", expect(clippy::expect_used, reason = "helpers of tests fail as tests do"))]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use direct264_sys::{DriverLibrary, cuda, nvenc};

#[test]
fn loading_answers_and_keeps_its_answer() {
    let first = cuda::load().map(|_| ());
    assert_eq!(first, cuda::load().map(|_| ()));
    if let Err(error) = first {
        assert_eq!(error.library(), DriverLibrary::Cuda);
        assert!(error.to_string().contains(DriverLibrary::Cuda.file_name()), "{error}");
    }
    let first = nvenc::load().map(|_| ());
    assert_eq!(first, nvenc::load().map(|_| ()));
    if let Err(error) = first {
        assert_eq!(error.library(), DriverLibrary::NvEncode);
        assert!(error.source().is_some());
    }
}

#[test]
fn the_libraries_have_the_names_that_containers_provide() {
    let (cuda, encode) = match cfg!(windows) {
        true => ("nvcuda.dll", "nvEncodeAPI64.dll"),
        false => ("libcuda.so.1", "libnvidia-encode.so.1"),
    };
    assert_eq!((DriverLibrary::Cuda.file_name(), DriverLibrary::NvEncode.file_name()), (cuda, encode));
}

/// What one process saw of both libraries, a line each; run by the tests below.
#[test]
#[ignore = "it is the child process of the other tests"]
fn child() {
    for result in [cuda::load().map(|_| ()), nvenc::load().map(|_| ())] {
        let Err(error) = result else {
            println!("saw: loaded");
            continue;
        };
        match (error.library(), error.symbol(), error.missing_file()) {
            (library, Some(symbol), _) => println!("saw: {library} lacks {symbol}, {}", stays(library)),
            (library, None, Some(file)) => println!("saw: {library} misses {file}"),
            (library, None, None) => println!("saw: {library} cannot be loaded"),
        }
    }
}

/// Whether the process still has a library that it opened.
fn stays(library: DriverLibrary) -> &'static str {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    if maps.lines().any(|line| line.ends_with(&format!("/{library}"))) { "and stays" } else { "and is gone" }
}

/// What a child process sees with `folder` in front of the loader's path.
#[cfg(target_os = "linux")]
fn seen_with(folder: &Path) -> Vec<String> {
    let this = std::env::current_exe().expect("the path of this program");
    let Output { status, stdout, stderr } = Command::new(this)
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder)
        .output()
        .expect("this program runs again");
    let printed = String::from_utf8_lossy(&stdout);
    assert!(status.success(), "{printed}\n{}", String::from_utf8_lossy(&stderr));
    printed.lines().filter_map(|line| Some(line.split_once("saw: ")?.1.to_owned())).collect()
}

/// An empty folder for one test.
#[cfg(target_os = "linux")]
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder for tests can be written");
    folder
}

/// Makes a shared library of one line of C; `None` where there is no C compiler.
#[cfg(target_os = "linux")]
fn library(folder: &Path, name: &str, line: &str, needs: &[&str]) -> Option<()> {
    let source = folder.join("library.c");
    fs::write(&source, line).expect("the folder for tests can be written");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wl,--no-as-needed"])
        .arg(format!("-Wl,-soname,{name}"))
        .arg("-o")
        .arg(folder.join(name))
        .arg(&source)
        .args(needs.iter().map(|needed| folder.join(needed)))
        .status()
        .ok()?;
    assert!(status.success(), "the library {name} is not made");
    Some(())
}

#[cfg(target_os = "linux")]
fn skipped(test: &str) {
    // Straight to the handle: what goes through the macros is shown for failing tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: there is no C compiler `cc`");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_is_no_library_cannot_be_loaded() {
    let folder = folder("no_library");
    for name in ["libcuda.so.1", "libnvidia-encode.so.1"] {
        fs::write(folder.join(name), "not a library").expect("the folder for tests can be written");
    }
    let seen = seen_with(&folder);
    assert_eq!(seen, ["libcuda.so.1 cannot be loaded", "libnvidia-encode.so.1 cannot be loaded"]);
}

/// It is not closed either: initialisers of a driver that started a thread would leave it without its code.
#[test]
#[cfg(target_os = "linux")]
fn a_library_without_its_functions_is_told_by_the_first_that_is_missing() {
    let test = "a_library_without_its_functions_is_told_by_the_first_that_is_missing";
    let folder = folder(test);
    let made = library(&folder, "libcuda.so.1", "int cuInit(unsigned f) { return f ? 1 : 100; }", &[]);
    let Some(()) = made else { return skipped(test) };
    library(
        &folder,
        "libnvidia-encode.so.1",
        "int NvEncodeAPIGetMaxSupportedVersion(void) { return 0; }",
        &[],
    );
    let seen = seen_with(&folder);
    assert_eq!(
        seen,
        [
            "libcuda.so.1 lacks cuDriverGetVersion, and stays",
            "libnvidia-encode.so.1 lacks NvEncodeAPICreateInstance, and stays"
        ]
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_that_needs_an_absent_one_is_told_by_the_absent_one() {
    let test = "a_library_that_needs_an_absent_one_is_told_by_the_absent_one";
    let folder = folder(test);
    let absent = "libdirect264-absent.so.1";
    let Some(()) = library(&folder, absent, "int absent;", &[]) else { return skipped(test) };
    for name in ["libcuda.so.1", "libnvidia-encode.so.1"] {
        library(&folder, name, "int present;", &[absent]);
    }
    fs::remove_file(folder.join(absent)).expect("it was made above");
    let seen = seen_with(&folder);
    assert_eq!(
        seen,
        [format!("libcuda.so.1 misses {absent}"), format!("libnvidia-encode.so.1 misses {absent}")]
    );
}
