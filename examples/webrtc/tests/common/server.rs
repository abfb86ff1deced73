//! The server in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use d264_double::Double;
use serde_json::Value;

use super::http::get;

const PROGRAM: &str = env!("CARGO_BIN_EXE_direct264-webrtc");

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    control: Option<PathBuf>,
}

impl Server {
    /// On whatever the machine has.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_as(Command::new(PROGRAM), args, None)
    }

    /// On the driver double, with nothing wrong with it yet.
    pub(crate) fn start_on_the_double(args: &[&str]) -> Self {
        let control = scratch("control");
        std::fs::write(&control, "").unwrap();
        let mut command = Double::get().command(PROGRAM);
        // The strict checks hash every buffer, and other tests have them.
        command.env("D264_DOUBLE_CONTROL", &control).env("D264_DOUBLE_CHECKS", "light");
        Self::start_as(command, args, Some(control))
    }

    fn start_as(mut command: Command, args: &[&str], control: Option<PathBuf>) -> Self {
        command.args(["--bind", "127.0.0.1:0"]).args(args).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().nth(1).and_then(|url| url.strip_prefix("http://"));
        let address = address.unwrap_or_else(|| panic!("the server does not start: {line}")).parse().unwrap();
        Self { child, address, control }
    }

    /// What the server knows of a viewer.
    pub(crate) fn figures(&self, viewer: u64) -> Value {
        let (status, body) = get(self.address, &format!("/viewer/{viewer}"));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What it says of itself.
    pub(crate) fn about(&self) -> Value {
        serde_json::from_str(&get(self.address, "/server").1).unwrap()
    }

    /// As Ctrl-C does it.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(control) = &self.control {
            let _ = std::fs::remove_file(control);
        }
    }
}

/// A path of this process's own, where nothing is yet.
pub(crate) fn scratch(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()))
}
