//! The real user-space drivers of four generations, without a GPU: the answer of the probe, and the typed reason for
//! which opening an encoder fails.
//!
//! `.ci/fetch-drivers FOLDER` fetches them, and `DIRECT264_REAL_DRIVERS=FOLDER` makes this test use them. Each runs in
//! a process of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use common::real_drivers::{self, GENERATIONS};
use direct264::nvenc::{NvencEncoder, Version, probe};
use direct264::{Error, Reason};

const CHILD: &str = "DIRECT264_REAL_DRIVER_GENERATION";

#[test]
fn each_generation_is_probed_and_refused_for_want_of_a_gpu() {
    real_drivers::each(|generation, libraries| {
        let output = real_drivers::command(std::env::current_exe().unwrap(), libraries)
            .args(["in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"])
            .env(CHILD, generation.name)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let name = generation.name;
        assert!(output.status.success() && out.contains("1 passed"), "driver {name}: {out}\n{err}");
    });
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
#[ignore = "run by the test above, in a process that finds a driver"]
fn in_a_process_of_its_own() {
    let told = std::env::var(CHILD).unwrap();
    let generation = GENERATIONS.into_iter().find(|generation| generation.name == told).unwrap();
    let version = |(major, minor)| Some(Version { major, minor });
    let config = common::config(common::size(640, 360), 30, 1_000);
    let mut threads_after_first = 0;
    for round in 0..5 {
        let found = probe();
        assert_eq!(found.driver_api, version(generation.newest));
        assert_eq!(found.api, version(generation.spoken));
        assert_eq!(found.cuda, version(generation.cuda));
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
