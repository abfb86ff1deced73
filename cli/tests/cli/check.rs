//! `direct264 check` on the driver double: every claim passes, and each claim falls to a driver that breaks it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use d264_double::{Double, Report};
use serde_json::Value;

use crate::support::{Outcome, Scratch, run, run_with, wait};

/// Settings of the double.
type Settings = &'static [(&'static str, &'static str)];

/// A claim, the settings of the double that break it, and words of what the check then got.
const FALLS: &[(&str, Settings, &str)] = &[
    ("open", &[("FAULT", "nvEncInitializeEncoder:*=8")], "nvEncInitializeEncoder"),
    ("frames", &[("MISBEHAVE", "swapped_chroma")], "dB"),
    ("sps", &[("MISBEHAVE", "no_headers")], "an IDR without SPS and PPS"),
    ("profiles", &[("MISBEHAVE", "one_profile")], "profile_idc 66"),
    ("sizes", &[("MISBEHAVE", "no_crop")], "336x192"),
    ("formats", &[("MISBEHAVE", "swapped_chroma")], "by the VUI"),
    ("colour", &[("MISBEHAVE", "other_matrix")], "matrix 6"),
    ("rgb", &[("MISBEHAVE", "rgb_is_bt601")], "by the VUI"),
    ("idr", &[("MISBEHAVE", "no_idr")], "no IDR where one was asked for"),
    ("quantiser", &[("MISBEHAVE", "any_quantiser")], "in access unit"),
    ("rate", &[("MISBEHAVE", "keeps_rate")], " %"),
    ("resize", &[("FAULT", "nvEncReconfigureEncoder:*=20")], "sessions for 3 changes"),
    ("level", &[("MISBEHAVE", "other_level")], "level 5.1"),
    ("ramp", &[("FAULT", "nvEncReconfigureEncoder:*=8")], "IDRs at [0, "),
    ("slices", &[("MISBEHAVE", "one_slice")], "1 told and 1 coded"),
    ("layers", &[("MISBEHAVE", "one_layer")], "is_droppable false"),
    ("pipeline", &[("MISBEHAVE", "unlike_sessions")], "bytes that differ"),
    ("lent", &[("MISBEHAVE", "unlike_sessions")], "bytes that differ"),
    ("invalidation", &[("MISBEHAVE", "keeps_references")], "dB of it"),
    ("waves", &[("MISBEHAVE", "no_wave")], "dB before the wave"),
    ("passes", &[("MISBEHAVE", "large_two_pass")], "bytes with two passes"),
    ("device", &[("MISBEHAVE", "unlike_sessions")], "bytes that differ"),
    ("pitches", &[("MISBEHAVE", "crash")], "signal"),
    ("sessions", &[("SESSIONS", "4"), ("FAULT", "nvEncDestroyEncoder:*=20-")], "0"),
    ("timeout", &[("FAULT", "nvEncEncodePicture:1=20")], "driver_error"),
    ("latency", &[("LATENCY_US", "3000000")], "timed_out"),
    ("busy", &[("LATENCY_US", "3000000")], "timed_out"),
];

/// The claims that a busy machine can fail while the double encodes: they pass on one that answers at once.
const TIMED: [&str; 2] = ["latency", "busy"];

fn on_the_double(settings: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Double::get().command(env!("CARGO_BIN_EXE_direct264"));
    command.env_remove("DIRECT264_BACKEND").arg("check").args(args);
    for (key, value) in settings {
        command.env(format!("D264_DOUBLE_{key}"), value);
    }
    command
}

/// The JSON that a run wrote to stdout.
#[track_caller]
fn told(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", String::from_utf8_lossy(&outcome.stdout), outcome.stderr)
    })
}

fn claims(run: &Value) -> &[Value] {
    run["claims"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_claim_passes_on_the_double_and_the_results_name_nobody() {
    let scratch = Scratch::new("check_all");
    let [json, page, calls] = ["check.json", "check.html", "calls.json"].map(|name| scratch.path(name));
    let words = FALLS.iter().map(|(word, ..)| *word).filter(|word| !TIMED.contains(word));
    let args: Vec<&str> =
        words.flat_map(|word| ["--only", word]).chain(["--json", &json, "--report", &page]).collect();
    let outcome = run_with(&mut on_the_double(&[("REPORT", &calls)], &args), &[]);
    let text = String::from_utf8(outcome.stdout.clone()).expect("text");
    assert_eq!(outcome.code, Some(0), "{text}{}", outcome.stderr);
    Report::read(calls.as_ref()).assert_clean("direct264 check");

    let run: Value = serde_json::from_slice(&fs::read(&json).expect("written")).expect("JSON");
    assert_eq!((&run["whole"], &run["failed"]), (&true.into(), &0.into()));
    let of = |label: &str| -> BTreeSet<&str> {
        let claims = claims(&run).iter().filter(|claim| claim["backend"] == label);
        claims
            .filter(|claim| claim["outcome"] == "passed")
            .filter_map(|claim| claim["claim"].as_str())
            .collect()
    };
    let expected = |left_out: &[&str]| -> BTreeSet<&str> {
        let words = FALLS.iter().map(|(word, ..)| *word);
        words.filter(|word| !TIMED.contains(word) && !left_out.contains(word)).collect()
    };
    assert_eq!(of("nvenc:0"), expected(&[]));
    assert_eq!(
        of("openh264"),
        expected(&["rgb", "waves", "invalidation", "lent", "passes", "pitches", "sessions", "timeout"])
    );
    let page = fs::read_to_string(&page).expect("written");
    assert!(page.contains("NVIDIA Double") && page.contains("encode API 12.1"), "{page}");
    for outside in ["http", "src=", "href=", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
    for personal in [env!("CARGO_MANIFEST_DIR"), "GPU-", scratch.path("").as_str()] {
        for told in [&page, &text, &run.to_string()] {
            assert!(!told.contains(personal), "{personal} in {told}");
        }
    }
}

#[test]
fn the_claims_about_time_pass_on_a_driver_that_answers_at_once() {
    let settings = [("ENCODE", "canned"), ("COPIES", "none"), ("CHECKS", "light")];
    let args = ["--backend", "nvenc", "--only", "latency", "--only", "busy", "--json", "-"];
    let run = told(&run_with(&mut on_the_double(&settings, &args), &[]));
    assert_eq!((&run["passed"], &run["failed"]), (&2.into(), &0.into()), "{run}");
}

#[test]
fn a_claim_is_not_made_without_the_capability() {
    for (caps, word, why) in [
        ("SUPPORT_INTRA_REFRESH=0", "waves", "the GPU reports no intra refresh"),
        ("SUPPORT_DYN_BITRATE_CHANGE=0", "rate", "the GPU reports no change of bitrate within a session"),
    ] {
        let args = ["--backend", "nvenc", "--only", word, "--json", "-"];
        let run = told(&run_with(&mut on_the_double(&[("CAPS", caps)], &args), &[]));
        let claim = &run["claims"][0];
        assert_eq!((&claim["outcome"], &claim["why"]), (&"not_applicable".into(), &why.into()));
    }
    // A GPU that changes no size within a session opens another one.
    let settings = [("CAPS", "SUPPORT_DYN_RES_CHANGE=0")];
    let args = ["--backend", "nvenc", "--only", "resize", "--json", "-"];
    let run = told(&run_with(&mut on_the_double(&settings, &args), &[]));
    assert_eq!(run["claims"][0]["outcome"], "passed", "{run}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_costs_no_result_file() {
    let scratch = Scratch::new("check_head");
    let json = scratch.path("check.json");
    let mut command = on_the_double(&[], &["--only", "slices", "--only", "open", "--json", &json]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command starts");
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(1));
    let run: Value = serde_json::from_slice(&fs::read(&json).expect("written")).expect("JSON");
    assert_eq!((&run["whole"], &run["passed"]), (&true.into(), &4.into()), "{run}");
}

#[test]
fn each_claim_falls_to_a_driver_that_breaks_it() {
    for (word, settings, got) in FALLS {
        let outcome = run_with(
            &mut on_the_double(settings, &["--backend", "nvenc", "--only", word, "--json", "-"]),
            &[],
        );
        let run = told(&outcome);
        let [claim] = claims(&run) else { panic!("{word}: one claim: {run}") };
        assert_eq!((outcome.code, &claim["outcome"]), (Some(1), &"failed".into()), "{word}: {claim}");
        let found = claim["got"].as_str().unwrap_or_default();
        assert!(found.contains(got), "{word}: {got:?} is not in {claim}");
        let is_full =
            ["expected", "call"].iter().all(|key| claim[key].as_str().is_some_and(|text| !text.is_empty()));
        assert!(is_full, "{word}: {claim}");
    }
}

#[test]
fn the_help_names_every_claim() {
    let outcome = run(&["check", "--help"]);
    let text = String::from_utf8(outcome.stdout).expect("text");
    let listed =
        text.lines().skip_while(|line| *line != "Claims:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<&str> = listed
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut tested: Vec<&str> = FALLS.iter().map(|(word, ..)| *word).collect();
    tested.dedup();
    assert_eq!(listed, tested);
}

#[test]
fn a_line_tells_a_failure_and_the_next_step() {
    let settings = [("MISBEHAVE", "one_slice")];
    let outcome = run_with(&mut on_the_double(&settings, &["--only", "slices"]), &[]);
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert_eq!(outcome.code, Some(1), "{text}");
    assert_eq!(outcome.stderr, "direct264: a claim failed\n");
    let line = text.lines().find(|line| line.starts_with("nvenc:0 ")).expect("a line");
    assert!(line.contains("slices") && line.contains("failed"), "{line}");
    let found = "expected 2 slices; got 1 told and 1 coded in access unit 0; call EncoderConfig::slices";
    assert!(line.contains(found), "{line}");
    assert!(text.contains("openh264   slices        passed"), "{text}");
    assert!(text.contains("2 claims: 1 passed, 1 failed, 0 not applicable"), "{text}");
    assert!(text.contains("what to do: run `direct264 check --report check.html`"), "{text}");
}

#[test]
fn a_missing_nvenc_is_not_applicable_unless_it_was_asked_for() {
    let no_gpu = [("GPUS", "")];
    let outcome = run_with(&mut on_the_double(&no_gpu, &["--only", "slices", "--json", "-"]), &[]);
    let run = told(&outcome);
    assert_eq!(
        (outcome.code, &run["passed"], &run["not_applicable"]),
        (Some(0), &1.into(), &1.into()),
        "{run}"
    );
    assert!(run["claims"][0]["why"].as_str().is_some_and(|why| why.contains("no GPU")), "{run}");
    for args in [["--backend", "nvenc"], ["--gpu", "0"]] {
        let outcome =
            run_with(&mut on_the_double(&no_gpu, &[&args[..], &["--only", "slices"]].concat()), &[]);
        assert_eq!(outcome.code, Some(1), "{args:?}");
    }
    // Each GPU has its own lines, those without an encoder one.
    let settings = [("GPUS", "none:A100,nvenc:L4")];
    let run = told(&run_with(&mut on_the_double(&settings, &["--only", "open", "--json", "-"]), &[]));
    let lines: Vec<_> =
        claims(&run).iter().map(|claim| (claim["backend"].as_str(), claim["outcome"].as_str())).collect();
    let expected = [("nvenc:0", "not_applicable"), ("nvenc:1", "passed"), ("openh264", "passed")];
    assert_eq!(lines, expected.map(|(backend, outcome)| (Some(backend), Some(outcome))));
    run_with(&mut on_the_double(&settings, &["--gpu", "7"]), &[]).failed(2, &["--gpu 7", "2 GPUs"]);
    let run = told(&run_with(
        &mut on_the_double(&settings, &["--gpu", "1", "--only", "pitches", "--json", "-"]),
        &[],
    ));
    assert_eq!((&run["passed"], &run["failed"]), (&1.into(), &0.into()), "{run}");
}

#[test]
fn wrong_options_are_refused_before_anything_runs() {
    run(&["check", "--only", "everything"]).failed(2, &["everything", "--only"]);
    run(&["check", "--backend", "auto"]).failed(2, &["auto", "nvenc"]);
    run(&["check", "--json", "/no/such/folder/x"]).failed(2, &["/no/such/folder/x"]);
    run(&["check", "--json", "-", "--report", "-"]).failed(2, &["--json and --report"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_check_tells_the_claims_until_then() {
    let scratch = Scratch::new("check_interrupted");
    let json = scratch.path("check.json");
    let settings = [("FAULT", "nvEncLockBitstream:*=hang")];
    let mut command = on_the_double(&settings, &["--backend", "nvenc", "--json", &json]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.starts_with("direct264 "), "{first}");
    let status =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success());
    assert_eq!(wait(&mut child).code(), Some(130));
    let run: Value = serde_json::from_slice(&fs::read(&json).expect("written")).expect("JSON");
    assert_eq!(run["whole"], false);
    assert!(claims(&run).len() < FALLS.len());
}
