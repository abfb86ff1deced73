//! Chromium without a screen and without anybody at its other end: the page drives itself and reports by HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::read_body;
use super::server::{Server, scratch};

const PROGRAMS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"];

/// The script that the server adds to the page.
pub(crate) const DRIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive.js");

pub(crate) type Report = Value;

#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    profile: PathBuf,
    reports: TcpListener,
}

impl Browser {
    /// Whether there is one; says aloud when there is not.
    pub(crate) fn is_here(test: &str) -> bool {
        let is_here = program().is_some();
        if !is_here {
            eprintln!("SKIPPED: {test}: there is no chromium here, .ci/install browser installs it");
        }
        is_here
    }

    /// Opens the page, which goes through these phases of `drive.js`.
    pub(crate) fn open(server: &Server, phases: &str) -> Self {
        let reports = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = reports.local_addr().unwrap().port();
        Self::open_at(server.address, &format!("#phases={phases}&report={port}"), reports)
    }

    fn open_at(server: SocketAddr, hash: &str, reports: TcpListener) -> Self {
        let profile = scratch("chromium");
        std::fs::create_dir_all(&profile).unwrap();
        let child = Command::new(program().unwrap())
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // Where there is no network but loopback, both are needed.
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--allow-loopback-in-peer-connection",
                "--autoplay-policy=no-user-gesture-required",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{server}/{hash}"))
            // What it leaves behind when it is killed goes with the profile.
            .env("TMPDIR", &profile)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, profile, reports }
    }

    /// What the page has to say in the end.
    pub(crate) fn report(&mut self, within: Duration) -> Report {
        self.reports.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + within;
        loop {
            match self.reports.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut request = String::new();
                    reader.read_line(&mut request).unwrap();
                    if !request.starts_with("POST") {
                        continue;
                    }
                    let body = read_body(&mut reader).unwrap();
                    let _ =
                        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    return serde_json::from_str(&body).unwrap();
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(Instant::now() < deadline, "the page has not reported within {within:?}");
            assert!(self.child.try_wait().unwrap().is_none(), "chromium is gone");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its children may still write for a moment.
        for _ in 0..50 {
            if std::fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program() -> Option<&'static Path> {
    PROGRAMS.into_iter().map(Path::new).find(|path| path.exists())
}
