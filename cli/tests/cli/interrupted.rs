//! Ctrl-C: exit 130, and what is there can be played.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command};

use crate::support::{
    Ffmpeg, Running, Scratch, direct264, pictures, read_aside, wait, wait_until, y4m_frame, y4m_header,
};

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success());
}

/// An encoder that has written ten frames and waits for the eleventh.
fn waiting_after_ten(output: &str) -> Running {
    let mut running = Running::start(&mut direct264(&["encode", "-", "-o", output]));
    let stdin = &mut running.stdin;
    stdin.write_all(&y4m_header(64, 48, "")).expect("taken");
    (0..10).for_each(|number| stdin.write_all(&y4m_frame(64, 48, number)).expect("taken"));
    // Half a frame, so that it is in the middle of reading.
    stdin.write_all(&y4m_frame(64, 48, 10)[..500]).expect("taken");
    wait_until("the tenth frame", || fs::read(output).is_ok_and(|stream| pictures(&stream).len() == 10));
    running
}

fn ends_well(test: &str, name: &str) {
    let scratch = Scratch::new(test);
    let output = scratch.path("out.h264");
    let Running { mut child, stdin, stderr, .. } = waiting_after_ten(&output);
    signal(&child, name);
    assert_eq!(wait(&mut child).code(), Some(130));
    drop(stdin);
    let said = String::from_utf8(stderr.join().expect("read")).expect("text");
    assert!(said.contains("interrupted after 10 frames of stdin"), "{said}");
    assert!(said.contains("play      ffplay"), "{said}");
    let stream = fs::read(&output).expect("written");
    assert_eq!(pictures(&stream).len(), 10);
    if let Some(ffmpeg) = Ffmpeg::found(test) {
        assert_eq!(ffmpeg.decode(&stream, "yuv420p").len(), 10 * 64 * 48 * 3 / 2);
    }
}

#[test]
fn an_interrupted_stream_is_playable() {
    ends_well("interrupted", "-INT");
}

#[test]
fn a_terminated_stream_is_playable() {
    ends_well("terminated", "-TERM");
}

#[test]
fn an_interrupted_pipe_ends_with_a_whole_stream() {
    let Running { mut child, mut stdin, mut stdout, .. } = Running::start(&mut direct264(&["encode", "-"]));
    stdin.write_all(&y4m_header(64, 48, "")).expect("taken");
    stdin.write_all(&y4m_frame(64, 48, 0)).expect("taken");
    let mut first = [0; 5];
    stdout.read_exact(&mut first).expect("the first frame comes");
    signal(&child, "-INT");
    let rest = read_aside(stdout);
    assert_eq!(wait(&mut child).code(), Some(130));
    drop(stdin);
    let stream = [&first[..], &rest.join().expect("read")].concat();
    assert_eq!(pictures(&stream).len(), 1);
}

#[test]
fn before_the_first_frame_an_interrupt_writes_nothing() {
    let scratch = Scratch::new("interrupted_early");
    let output = scratch.path("out.h264");
    let mut command = direct264(&["encode", "-", "-o", &output]);
    let Running { mut child, mut stdin, stderr, .. } = Running::start(&mut command);
    stdin.write_all(b"YUV4MPEG2 W64").expect("taken");
    // The signals are taken over before the header is read; how far it is cannot be seen from here.
    let caught = format!("/proc/{}/status", child.id());
    wait_until("the handler", || {
        let status = fs::read_to_string(&caught).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        // Bit 1 is SIGINT. Where there is no /proc, the signal ends the process all the same.
        mask.is_none_or(|mask| u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 2 != 0))
    });
    signal(&child, "-INT");
    assert_eq!(wait(&mut child).code(), Some(130));
    drop(stdin);
    assert!(stderr.join().expect("read").is_empty());
    assert!(scratch.names().is_empty());
}
