//! What every test here needs: the command, a place to write, clips, and FFmpeg to check with.

mod clips;
mod ffmpeg;
mod stream;

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use clips::{moving_y4m, y4m_frame, y4m_header};
pub(crate) use ffmpeg::{Ffmpeg, psnr};
pub(crate) use stream::{Picture, pictures};

/// Longer than anything here takes on a slow machine; only a hang goes past it.
const DEADLINE: Duration = Duration::from_secs(120);

/// The command with these arguments, encoding in software whatever the machine has.
pub(crate) fn direct264(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_direct264"));
    command.args(args).env("DIRECT264_BACKEND", "openh264");
    command
}

/// The command with these arguments, encoding in software by itself: nobody says so, and there is no NVENC. `None` where
/// something of NVENC is there.
pub(crate) fn by_default(args: &[&str]) -> Option<Command> {
    let mut command = direct264(args);
    command.env_remove("DIRECT264_BACKEND");
    has_no_nvenc().then_some(command)
}

fn has_no_nvenc() -> bool {
    let mut probe = Command::new(env!("CARGO_BIN_EXE_direct264"));
    let outcome = run_with(probe.args(["probe", "--json"]), &[]);
    let told: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    told["nvenc"]["reason"] == "no_driver"
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts that it went well, and gives what was said on stderr.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        &self.stderr
    }

    /// Asserts that it failed with this code and one line on stderr that has all of these words; and that nothing
    /// is on stdout when nothing was encoded.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "one line: {:?}", self.stderr);
        assert!(self.stderr.starts_with("direct264: "), "{:?}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
        if code == 2 {
            assert!(self.stdout.is_empty(), "{} bytes on stdout", self.stdout.len());
        }
    }
}

/// Runs the command with nothing on stdin.
pub(crate) fn run(args: &[&str]) -> Outcome {
    run_with(&mut direct264(args), &[])
}

/// Runs a command with `input` on stdin.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Outcome {
    fed(command, input, read_all)
}

/// Runs a command with `input` on stdin. `read` reads its stdout, on a thread of its own.
pub(crate) fn fed(
    command: &mut Command,
    input: &[u8],
    read: impl FnOnce(ChildStdout) -> Vec<u8> + Send + 'static,
) -> Outcome {
    let Running { mut child, mut stdin, stdout, stderr } = Running::start(command);
    let input = input.to_vec();
    // A command that has found an error reads no further.
    let writer = thread::spawn(move || stdin.write_all(&input).is_ok());
    let reader = thread::spawn(move || read(stdout));
    let status = wait(&mut child);
    let _ = writer.join();
    let stderr = String::from_utf8_lossy(&stderr.join().expect("read")).into_owned();
    Outcome { code: status.code(), stdout: reader.join().expect("read"), stderr }
}

/// A command that runs, and its pipes. A thread reads stderr.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: thread::JoinHandle<Vec<u8>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let stderr = read_aside(child.stderr.take().expect("piped"));
        Self { child, stdin, stdout, stderr }
    }
}

/// Reads all of a pipe on a thread of its own.
pub(crate) fn read_aside(pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || read_all(pipe))
}

fn read_all(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe can be read");
    bytes
}

/// Waits for the end, and ends what hangs.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("still running after {DEADLINE:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what} does not come");
        thread::sleep(Duration::from_millis(10));
    }
}

/// An empty folder of the test's own.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A folder named after the test.
    pub(crate) fn new(test: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        Self(folder)
    }

    /// A path in it, as an argument.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the target folder has a plain name").to_owned()
    }

    /// A file in it with these bytes, as an argument.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the target folder can be written");
        path
    }

    /// The names of the files in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
