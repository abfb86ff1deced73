//! NVENC fails in mid-stream, here a driver double: the stream is whole, and statistics and summary say what happened.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use d264_double::{Double, Report};
use serde_json::Value;

use crate::support::{Scratch, pictures, read_aside, wait, wait_until, y4m_frame, y4m_header};

#[test]
fn a_failure_and_the_return_are_told_and_cost_no_frame() {
    const SIZE: (usize, usize) = (192, 112);
    let scratch = Scratch::new("failover");
    let [output, stats, report] = ["out.h264", "stats.jsonl", "report.json"].map(|name| scratch.path(name));
    let mut child = Double::get()
        .command(env!("CARGO_BIN_EXE_direct264"))
        .args(["encode", "-", "-o", &output, "--stats", &stats])
        .env_remove("DIRECT264_BACKEND")
        .env("D264_DOUBLE_FAULT", "nvEncEncodePicture:5=20")
        .env("D264_DOUBLE_REPORT", &report)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let stderr = read_aside(child.stderr.take().expect("piped"));
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(&y4m_header(SIZE.0, SIZE.1, "")).expect("taken");
    let mut frames = 0;
    wait_until("the return to the hardware", || {
        stdin.write_all(&y4m_frame(SIZE.0, SIZE.1, frames)).expect("taken");
        frames += 1;
        thread::sleep(Duration::from_millis(10));
        fs::read_to_string(&stats).is_ok_and(|lines| lines.contains(r#""event":"restored""#))
    });
    drop(stdin);
    assert_eq!(wait(&mut child).code(), Some(0));

    let lines = fs::read_to_string(&stats).expect("statistics");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let events: Vec<&Value> = lines.iter().filter(|line| line["type"] == "event").collect();
    let words: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(words, ["selected", "fell_back", "restored"]);
    let [_, fell_back, restored] = events[..] else { panic!("three events: {events:?}") };
    assert_eq!((&fell_back["frame"], &fell_back["backend"]), (&4.into(), &"nvenc".into()));
    assert_eq!(
        (&fell_back["reason"], &fell_back["detail"]["to"]),
        (&"driver_error".into(), &"openh264".into())
    );
    assert!(
        fell_back["detail"]["found"].to_string().contains("nvEncEncodePicture returned 20"),
        "{fell_back}"
    );
    assert_eq!((&restored["backend"], &restored["detail"]["from"]), (&"nvenc".into(), &"openh264".into()));
    let frames_of = |backend: &str| {
        lines.iter().filter(|line| line["type"] == "frame" && line["backend"] == backend).count()
    };
    assert!(frames_of("nvenc") > 4 && frames_of("openh264") > 0);

    let stream = fs::read(&output).expect("a stream");
    assert_eq!(pictures(&stream).len(), frames);
    let said = String::from_utf8_lossy(&stderr.join().expect("read")).into_owned();
    assert!(said.contains("from frame 4 on openh264 encoded: a call of the encoder failed"), "{said}");
    assert!(said.contains("nvenc encoded again"), "{said}");
    Report::read(report.as_ref()).assert_clean("direct264 encode");
}
