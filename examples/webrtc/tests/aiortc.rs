//! A second receiver that nobody here wrote: aiortc, with FFmpeg's decoder.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod common;

use std::process::Command;

use common::Server;
use serde_json::Value;

/// A Python that has aiortc: `.ci/browser` makes one.
const PYTHON: &str = "DIRECT264_AIORTC_PYTHON";

#[test]
fn aiortc_decodes_the_same_stream() {
    let Some(python) = std::env::var_os(PYTHON) else {
        eprintln!(
            "SKIPPED: aiortc_decodes_the_same_stream: {PYTHON} names no Python with aiortc, .ci/browser makes one"
        );
        return;
    };
    let server = Server::start(&["--backend", "openh264"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receiver.py");
    let output = Command::new(python).arg(script).arg(format!("http://{}", server.address)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(&said).unwrap();
    println!("{seen:#}");
    let count = |name: &str| seen[name].as_u64().unwrap();
    assert!(count("frames") > 150);
    assert_eq!((count("out_of_order"), count("unreadable")), (0, 0));
    // At most what was under way when it began.
    assert!(count("missing") <= 2, "{seen}");
    let sizes: Vec<&str> = seen["sizes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(sizes, ["640x360", "1280x720", "320x180"]);
    // One for each PLI, one for each size, and the first.
    assert!((5..=7).contains(&count("idrs")), "{seen}");
}
