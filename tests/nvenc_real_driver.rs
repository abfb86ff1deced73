//! The real user-space drivers of four generations, on a machine that need not have a GPU: what the probe says of them,
//! and that opening an encoder fails with the typed reason.
//!
//! `.ci/fetch-drivers FOLDER` fetches them; `DIRECT264_REAL_DRIVERS=FOLDER` makes this test use them. Each is loaded by a
//! process of its own, without the right to make device nodes: a failing `cuInit` would leave one behind.
#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use direct264::nvenc::{NvencEncoder, Version, probe};
use direct264::{Error, Reason};

type Numbers = (u32, u32);

/// Generation, newest API that it speaks, the API that is spoken with it, CUDA version.
const GENERATIONS: [(&str, Numbers, Numbers, Numbers); 4] = [
    ("470", (11, 1), (11, 1), (11, 4)),
    ("525", (12, 0), (12, 0), (12, 0)),
    ("535", (12, 1), (12, 1), (12, 2)),
    ("550", (12, 2), (12, 1), (12, 4)),
];

const FOLDER: &str = "DIRECT264_REAL_DRIVERS";
const CHILD: &str = "DIRECT264_REAL_DRIVER_GENERATION";

fn skipped(why: &str) {
    // Straight to the handle: what goes through the macros is shown for failing tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED the real drivers: {why}");
}

#[test]
fn each_generation_is_probed_and_refused_for_want_of_a_gpu() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return skipped(&format!("{FOLDER} names no folder with drivers (.ci/fetch-drivers makes one)"));
    };
    if Path::new("/proc/driver/nvidia").exists() {
        return skipped("this machine has a GPU, and its own driver");
    }
    for (generation, ..) in GENERATIONS {
        let libraries = folder.join(generation);
        if !libraries.is_dir() {
            skipped(&format!("{} is not there", libraries.display()));
            continue;
        }
        let this = std::env::current_exe().unwrap();
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.arg("--bounding-set=-mknod").arg("--").arg(this);
            command
        } else {
            Command::new(this)
        };
        let output = command
            .args(["in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"])
            .env("LD_LIBRARY_PATH", &libraries)
            .env(CHILD, generation)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("1 passed"), "driver {generation}: {out}\n{err}");
        #[cfg(feature = "cli")]
        the_command_tells_the_story(generation, &libraries, is_root);
    }
}

/// `direct264 probe` in words: the reason, the newest API, what to do.
#[cfg(feature = "cli")]
fn the_command_tells_the_story(generation: &str, libraries: &Path, is_root: bool) {
    let probe = env!("CARGO_BIN_EXE_direct264");
    let mut command = Command::new(if is_root { "setpriv" } else { probe });
    if is_root {
        command.args(["--bounding-set=-mknod", "--", probe]);
    }
    let output = command.arg("probe").env("LD_LIBRARY_PATH", libraries).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // openh264 works here.
    assert!(output.status.success(), "driver {generation}: {told}");
    let (_, (major, minor), ..) = GENERATIONS.into_iter().find(|(name, ..)| *name == generation).unwrap();
    let sentence = format!("none found: {} (cuInit: CUDA_ERROR_NO_DEVICE (100)", Reason::NoGpu.sentence());
    for part in [
        &sentence[..],
        &format!("encode API {major}.{minor}\n"),
        "what to do: check that nvidia-smi lists a GPU",
        "auto       takes openh264",
    ] {
        assert!(told.contains(part), "driver {generation}: {part:?} is not in {told}");
    }
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
#[ignore = "run by the test above, in a process that finds a driver"]
fn in_a_process_of_its_own() {
    let told = std::env::var(CHILD).unwrap();
    let (_, newest, spoken, cuda) = GENERATIONS.into_iter().find(|(name, ..)| *name == told).unwrap();
    let version = |(major, minor)| Some(Version { major, minor });
    let config = common::config(common::size(640, 360), 30, 1_000);
    let mut threads_after_first = 0;
    for round in 0..5 {
        let found = probe();
        assert_eq!(found.driver_api, version(newest));
        assert_eq!(found.api, version(spoken));
        assert_eq!(found.cuda, version(cuda));
        assert!(found.gpus.is_empty());
        let why = found.encoder().unwrap_err();
        assert_eq!(why.reason, Reason::NoGpu, "{why}");
        assert!(why.detail.contains("CUDA_ERROR_NO_DEVICE"), "{why}");
        match NvencEncoder::new(&config).unwrap_err() {
            Error::Unavailable(why) => assert_eq!(why.reason, Reason::NoGpu, "{why}"),
            other => panic!("{other:?}"),
        }
        // The thread of an encoder that did not open ends right after it said so.
        std::thread::sleep(std::time::Duration::from_millis(50));
        if round == 0 {
            threads_after_first = threads();
        }
    }
    let deadline = std::time::Instant::now() + common::live::PATIENCE;
    while threads() > threads_after_first {
        let threads = threads();
        assert!(std::time::Instant::now() < deadline, "{threads} threads, {threads_after_first} before");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
