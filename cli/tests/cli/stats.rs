//! `--stats`: a line of JSON for each frame and event, by the schema of the contract.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Scratch, moving_y4m, pictures, run};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Encodes 30 frames and gives the lines and the stream.
fn encode(test: &str, args: &[&str]) -> (Vec<Value>, Vec<u8>) {
    let scratch = Scratch::new(test);
    let input = scratch.file("clip.y4m", &moving_y4m(96, 64, 30));
    let (output, stats) = (scratch.path("out.h264"), scratch.path("stats.jsonl"));
    run(&[&["encode", &input, "-o", &output, "--stats", &stats], args].concat()).succeeded();
    (lines(&fs::read_to_string(&stats).expect("written")), fs::read(&output).expect("written"))
}

#[test]
fn there_is_a_line_for_each_frame_and_it_matches_the_stream() {
    let (lines, stream) = encode("stats_frames", &["--at", "9:idr"]);
    let frames: Vec<&Value> = lines.iter().filter(|line| line["type"] == "frame").collect();
    let coded = pictures(&stream);
    assert_eq!(frames.len(), coded.len());
    for (number, (line, picture)) in frames.iter().zip(&coded).enumerate() {
        assert_eq!(keys(line), BTreeSet::from(["type", "frame", "backend", "idr", "bytes", "qp", "us"]));
        assert_eq!(line["frame"], number);
        assert_eq!(line["backend"], "openh264");
        assert_eq!(line["idr"], picture.is_idr);
        assert!(line["qp"].as_u64().is_some_and(|qp| qp <= 51));
        let us = &line["us"];
        assert_eq!(keys(us), BTreeSet::from(["convert", "upload", "submit", "wait", "copy", "total"]));
        let micros = |stage: &str| us[stage].as_u64().expect("a whole number");
        let stages = ["convert", "upload", "submit", "wait", "copy"].map(micros);
        assert!(stages.iter().sum::<u64>() <= micros("total"), "{line}");
        assert!(micros("total") > 0);
    }
    let bytes: u64 = frames.iter().filter_map(|line| line["bytes"].as_u64()).sum();
    assert_eq!(bytes, stream.len() as u64);
}

#[test]
fn the_fields_of_a_frame_stand_in_the_order_of_the_contract() {
    let scratch = Scratch::new("stats_order");
    let input = scratch.file("clip.y4m", &moving_y4m(32, 32, 1));
    let outcome = run(&["encode", &input, "-q", "--stats", "-"]);
    outcome.succeeded();
    let text = String::from_utf8(outcome.stdout).expect("text");
    let line = text.lines().find(|line| line.contains("\"type\":\"frame\"")).expect("a frame");
    let begin = r#"{"type":"frame","frame":0,"backend":"openh264","idr":true,"bytes":"#;
    assert!(line.starts_with(begin), "{line}");
    assert!(line.contains(r#","us":{"convert":0,"upload":0,"submit":"#), "{line}");
}

#[test]
fn every_event_is_told_with_what_belongs_to_it() {
    let (lines, _) = encode(
        "stats_events",
        &["--bitrate", "400k", "--at", "5:idr", "--at", "8:bitrate=200k", "--at", "12:size=48x32"],
    );
    let events: Vec<&Value> = lines.iter().filter(|line| line["type"] == "event").collect();
    for line in &events {
        assert_eq!(keys(line), BTreeSet::from(["type", "frame", "event", "backend", "reason", "detail"]));
        assert!(line["detail"].is_object(), "{line}");
    }
    let told = |word: &str| -> &Value {
        let mut all = events.iter().filter(|line| line["event"] == word);
        let first = all.next().expect(word);
        assert!(all.next().is_none(), "{word} once");
        first
    };
    let passed_over = told("passed_over");
    assert_eq!((&passed_over["backend"], &passed_over["reason"]), (&"nvenc".into(), &"by_request".into()));
    assert_eq!(passed_over["detail"]["found"], "DIRECT264_BACKEND=openh264");
    let selected = told("selected");
    assert_eq!((&selected["backend"], &selected["frame"]), (&"openh264".into(), &0.into()));
    assert_eq!(selected["reason"], Value::Null);
    assert_eq!(told("idr_requested")["frame"], 5);
    let changed = told("bitrate_changed");
    assert_eq!((&changed["frame"], &changed["detail"]["from"]), (&8.into(), &400_000.into()));
    assert_eq!(changed["detail"]["to"], 200_000);
    let recreated = told("recreated");
    assert_eq!(recreated["frame"], 12);
    assert_eq!(recreated["detail"], serde_json::json!({ "width": 48, "height": 32, "new_session": false }));
}

#[test]
fn a_rate_that_cannot_be_met_is_told() {
    let (lines, _) = encode("stats_unmet", &["--bitrate", "2k", "--fps", "10", "--qp", "10..20"]);
    let unmet = lines.iter().find(|line| line["event"] == "rate_unmet").expect("told");
    assert_eq!(unmet["detail"]["target"], 2_000);
    assert!(unmet["detail"]["reached"].as_u64().is_some_and(|reached| reached > 2_000));
}

#[test]
fn the_summary_has_the_figures_of_the_lines() {
    let scratch = Scratch::new("stats_summary");
    // Large enough to take milliseconds, which is where a histogram might run out of room.
    let input = scratch.file("clip.y4m", &moving_y4m(1920, 1080, 5));
    let outcome = run(&["encode", &input, "-o", "/dev/null", "--stats", "-"]);
    let said = outcome.succeeded();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let longest = lines(&text).iter().filter_map(|line| line["us"]["total"].as_u64()).max().expect("frames");
    let told = said.split("max ").nth(1).and_then(|rest| rest.split(' ').next()).expect("max");
    let told: f64 = told.parse().expect("a number of milliseconds");
    let longest = longest as f64 / 1e3;
    assert!((told - longest).abs() < 0.01 + longest / 500.0, "{told} ms told, {longest} ms measured");
}
