//! `--backend`, `--gpu` and the environment: who encodes, and who said so.

use serde_json::Value;

use crate::support::{Outcome, direct264, moving_y4m, run_with};

/// Encodes a small clip; `environment` is what DIRECT264_BACKEND says, if anything.
fn encode(environment: Option<&str>, args: &[&str]) -> Outcome {
    let mut command = direct264(&[&["encode", "-", "-o", "/dev/null"], args].concat());
    match environment {
        Some(word) => command.env("DIRECT264_BACKEND", word),
        None => command.env_remove("DIRECT264_BACKEND"),
    };
    run_with(&mut command, &moving_y4m(320, 240, 2))
}

#[test]
fn the_option_goes_before_the_environment() {
    let outcome = encode(Some("nonsense"), &["--backend", "openh264"]);
    let said = outcome.succeeded();
    assert!(said.contains("backend   openh264"), "{said}");
    assert!(said.contains("nvenc was not tried: --backend openh264"), "{said}");
}

#[test]
fn the_environment_goes_before_auto() {
    assert!(encode(Some("openh264"), &[]).succeeded().contains("not tried: DIRECT264_BACKEND=openh264"));
    assert!(encode(Some(""), &[]).succeeded().contains("backend   "), "empty is as good as unset");
    encode(Some("x264"), &[]).failed(2, &["DIRECT264_BACKEND=x264", "auto, nvenc or openh264"]);
}

#[test]
fn auto_says_why_it_passed_nvenc_over_and_what_to_do() {
    let outcome = encode(None, &["--stats", "-"]);
    let said = outcome.succeeded();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let selected = lines.iter().find(|line| line["event"] == "selected").expect("told");
    if selected["backend"] == "nvenc" {
        return;
    }
    let passed_over = lines.iter().find(|line| line["event"] == "passed_over").expect("told");
    assert_eq!(passed_over["backend"], "nvenc");
    let detail = &passed_over["detail"];
    assert!(said.contains(detail["sentence"].as_str().expect("words")), "{said}");
    assert!(said.contains(detail["advice"].as_str().expect("words")), "{said}");
    assert_ne!(passed_over["reason"], "by_request");
}

#[test]
fn nvenc_alone_is_strict() {
    let outcome = encode(None, &["--backend", "nvenc"]);
    if outcome.code == Some(0) {
        assert!(outcome.stderr.contains("backend   nvenc"), "{}", outcome.stderr);
    } else {
        outcome.failed(2, &["nvenc: ", "what to do: ", "--backend nvenc"]);
    }
}

#[test]
fn a_gpu_and_openh264_do_not_go_together() {
    encode(None, &["--backend", "openh264", "--gpu", "0"]).failed(2, &["--gpu 0", "--backend openh264"]);
    encode(Some("openh264"), &["--gpu", "1"]).failed(2, &["--gpu 1", "DIRECT264_BACKEND=openh264"]);
    let outcome = encode(None, &["--gpu", "0"]);
    let said = outcome.succeeded();
    assert!(said.contains("backend   nvenc") || said.contains("--gpu 0 had no effect"), "{said}");
}
