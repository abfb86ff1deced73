//! `direct264 probe`: what this machine encodes with, in words and as JSON.

use std::collections::BTreeSet;

use d264_double::Double;
use serde_json::Value;

use crate::support::{Outcome, direct264, run, run_with};

/// Probes without a word from the environment.
fn probe(args: &[&str]) -> Outcome {
    run_with(direct264(&[&["probe"], args].concat()).env_remove("DIRECT264_BACKEND"), &[])
}

fn json(outcome: &Outcome) -> Value {
    outcome.succeeded();
    serde_json::from_slice(&outcome.stdout).expect("JSON")
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn it_says_in_words_what_there_is() {
    let outcome = probe(&[]);
    assert_eq!(outcome.succeeded(), "", "nothing on stderr");
    let told = String::from_utf8(outcome.stdout).expect("text");
    assert!(told.starts_with(concat!("direct264  ", env!("CARGO_PKG_VERSION"))), "{told}");
    for word in ["\nnvenc ", "\nopenh264 ", "SIMD", "\nauto       takes "] {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
    assert!(!told.contains("DIRECT264_BACKEND"), "{told}");
}

#[test]
fn its_json_has_every_key_and_agrees_with_itself() {
    let report = json(&probe(&["--json"]));
    assert_eq!(keys(&report), BTreeSet::from(["version", "auto", "environment", "nvenc", "openh264"]));
    let nvenc = BTreeSet::from([
        "available",
        "driver_version",
        "cuda_version",
        "api_version",
        "gpus",
        "reason",
        "detail",
        "advice",
    ]);
    assert_eq!(keys(&report["nvenc"]), nvenc);
    let openh264 =
        BTreeSet::from(["available", "version", "path", "simd", "avx2", "reason", "detail", "advice"]);
    assert_eq!(keys(&report["openh264"]), openh264);
    assert_eq!(report["environment"], Value::Null);
    for name in ["nvenc", "openh264"] {
        let backend = &report[name];
        let is_available = backend["available"].as_bool().expect("yes or no");
        assert_eq!(backend["reason"].is_null(), is_available, "{name} is there or there is a reason");
    }
    let best = ["nvenc", "openh264"].into_iter().find(|name| report[*name]["available"] == true);
    assert_eq!(report["auto"].as_str(), best);
}

#[test]
fn auto_takes_what_probe_says() {
    let auto = json(&probe(&["--json"]))["auto"].clone();
    let clip = crate::support::moving_y4m(320, 240, 2);
    let outcome = run_with(direct264(&["encode", "-"]).env_remove("DIRECT264_BACKEND"), &clip);
    let line = format!("backend   {}", auto.as_str().expect("a backend"));
    assert!(outcome.succeeded().contains(&line), "{}", outcome.stderr);
}

#[test]
fn the_environment_is_told() {
    let outcome = run(&["probe"]);
    outcome.succeeded();
    let told = String::from_utf8(outcome.stdout).expect("text");
    assert!(told.contains("DIRECT264_BACKEND=openh264 is set"), "{told}");
    assert_eq!(json(&run(&["probe", "--json"]))["environment"], "openh264");
    run_with(direct264(&["probe"]).env("DIRECT264_BACKEND", "x264"), &[])
        .failed(2, &["DIRECT264_BACKEND=x264"]);
}

/// What helps depends on the status behind the reason, and every place that tells the reason tells the same.
#[test]
fn what_to_do_is_that_of_the_status() {
    let clip = crate::support::moving_y4m(320, 240, 2);
    for (fault, sentence, advice) in [
        ("cuInit:1=803", "finds no GPU that it can use", "after an update, reboot"),
        ("nvEncOpenEncodeSessionEx:*=2", "that can be reached from here", "hand in every GPU of the host"),
    ] {
        let on_double = |args: &[&str]| {
            let mut command = Double::get().command(env!("CARGO_BIN_EXE_direct264"));
            command.args(args).env_remove("DIRECT264_BACKEND").env("D264_DOUBLE_FAULT", fault);
            run_with(&mut command, &clip)
        };
        let told =
            |outcome: &Outcome| String::from_utf8_lossy(&outcome.stdout).into_owned() + &outcome.stderr;
        let probed = json(&on_double(&["probe", "--json"]));
        assert!(probed["nvenc"]["advice"].as_str().is_some_and(|said| said.contains(advice)), "{probed}");
        for args in [
            &["probe"][..],
            &["encode", "-", "-o", "/dev/null"],
            &["encode", "-", "-o", "/dev/null", "--backend", "nvenc"],
            &["bench", "--size", "320x240", "--frames", "4"],
        ] {
            let told = told(&on_double(args));
            assert!(told.contains(sentence) && told.contains(advice), "{args:?}: {told}");
        }
        let stats = on_double(&["encode", "-", "-o", "/dev/null", "--stats", "-"]);
        let lines = String::from_utf8_lossy(&stats.stdout).into_owned();
        let passed_over = lines.lines().find(|line| line.contains("passed_over")).expect("told");
        let passed_over: Value = serde_json::from_str(passed_over).expect("JSON");
        let said = passed_over["detail"]["advice"].as_str().expect("words");
        assert!(said.contains(advice), "{said}");
    }
}

/// As in a container that was handed one GPU of two, with a driver that then refuses all. The driver's files are the test's,
/// in a mount namespace.
#[test]
fn gpus_that_are_hidden_are_told_as_such() {
    let in_namespace = |script: &str| {
        let mut command = Double::get().command("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c"]);
        command.args([script, env!("CARGO_BIN_EXE_direct264")]);
        command.env_remove("DIRECT264_BACKEND").env("D264_DOUBLE_GPUS", "none:NVIDIA L4");
        run_with(&mut command, &[])
    };
    let mount = "mount -t tmpfs none /proc/driver";
    if in_namespace(mount).code != Some(0) {
        eprintln!("SKIPPED: no mount namespace can be made here");
        return;
    }
    for (gpus, reason) in [("a b", "gpus_hidden"), ("a", "no_encoder_on_gpu")] {
        let make = format!("cd /proc/driver && mkdir -p nvidia/gpus && cd nvidia/gpus && mkdir {gpus}");
        let told = json(&in_namespace(&format!("{mount} && {make} && exec \"$0\" probe --json")));
        let gpu = &told["nvenc"]["gpus"][0];
        assert_eq!(gpu["reason"], reason, "{told}");
        assert_eq!(
            gpu["advice"].as_str().is_some_and(|said| said.contains("driver 610")),
            gpus == "a b",
            "{told}"
        );
    }
}
