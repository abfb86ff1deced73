//! stdin to stdout: the same stream as from file to file, frame by frame as they come.

use std::fs;
use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::{
    Running, Scratch, direct264, moving_y4m, pictures, read_aside, run, run_with, wait, y4m_frame, y4m_header,
};

#[test]
fn a_pipe_gives_the_same_stream_as_a_file() {
    let scratch = Scratch::new("pipe_or_file");
    let clip = moving_y4m(96, 64, 15);
    let input = scratch.file("clip.y4m", &clip);
    run(&["encode", &input, "--bitrate", "300k"]).succeeded();
    let piped = run_with(&mut direct264(&["encode", "-", "--bitrate", "300k"]), &clip);
    let said = piped.succeeded();
    assert!(said.contains("15 frames of stdin into stdout"), "{said}");
    assert!(said.contains("ffplay -f h264 -framerate 30 -"), "{said}");
    assert_eq!(piped.stdout, fs::read(scratch.path("clip.h264")).expect("written"));
    assert_eq!(pictures(&piped.stdout).len(), 15);
}

#[test]
fn a_frame_is_out_before_the_next_one_is_in() {
    let mut command = direct264(&["encode", "-", "-o", "-", "--quiet"]);
    let Running { mut child, mut stdin, mut stdout, stderr } = Running::start(&mut command);
    let (to_test, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(read @ 1..) = stdout.read(&mut chunk) {
            if to_test.send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut stream = Vec::new();
    stdin.write_all(&y4m_header(64, 48, "")).expect("taken");
    for number in 0..5 {
        stdin.write_all(&y4m_frame(64, 48, number)).expect("taken");
        stdin.flush().expect("taken");
        while pictures(&stream).len() <= number {
            stream.extend(chunks.recv_timeout(Duration::from_secs(60)).expect("a picture for each frame"));
        }
    }
    drop(stdin);
    assert!(wait(&mut child).success());
    assert!(stderr.join().expect("read").is_empty());
}

#[test]
fn y4m_of_any_chunking_is_read_alike() {
    let clip = moving_y4m(32, 32, 4);
    let whole = run_with(&mut direct264(&["encode", "-", "-q"]), &clip);
    let Running { mut child, mut stdin, stdout, .. } = Running::start(&mut direct264(&["encode", "-", "-q"]));
    let stdout = read_aside(stdout);
    for chunk in clip.chunks(7) {
        stdin.write_all(chunk).expect("taken");
    }
    drop(stdin);
    assert!(wait(&mut child).success());
    assert_eq!(stdout.join().expect("read"), whole.stdout);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_opened_once_and_gets_the_whole_stream() {
    let scratch = Scratch::new("named_pipe");
    let pipe = scratch.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 12));
    let reader = read_aside(LateOpened(pipe.clone(), None));
    run(&["encode", &clip, "-o", &pipe]).succeeded();
    assert_eq!(pictures(&reader.join().expect("read")).len(), 12);
}

/// A file that is opened when it is first read: opening a pipe waits for its other end.
struct LateOpened(String, Option<fs::File>);

impl Read for LateOpened {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.1.is_none() {
            self.1 = Some(fs::File::open(&self.0)?);
        }
        self.1.as_mut().map_or(Ok(0), |file| file.read(bytes))
    }
}
