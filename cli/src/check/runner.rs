//! Runs the proof of a claim, bounded in time, on a thread or in a child process.

use std::any::Any;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, panic};

use super::claim::{Claim, Place};
use super::outcome::{Outcome, Proof, failed};
use super::subject::Subject;
use crate::bench::interrupt;

/// The time limit of a proof, which only a proof without an end reaches.
const LIMIT: Duration = Duration::from_secs(60);
/// The time between two looks for Ctrl-C, or at a child process.
const LOOK: Duration = Duration::from_millis(20);
/// The time limit for the end of a child that was killed.
const END_LIMIT: Duration = Duration::from_secs(2);
/// The name of the threads whose panics are outcomes.
const THREAD: &str = "claim";

/// Keeps the panic of a proof off stderr: the outcome tells it.
pub(super) fn tell_no_panics_of_proofs() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(THREAD) {
            others(panic);
        }
    }));
}

/// Proves a claim; `None` after Ctrl-C.
pub(super) fn prove(claim: &Claim, subject: &Subject) -> Option<Outcome> {
    match claim.place {
        Place::Here => here(claim, subject),
        Place::Child => in_child(claim, subject),
    }
}

/// Proves a claim on a thread of this process; `None` after Ctrl-C. A proof past its limit keeps its thread.
pub(super) fn here(claim: &Claim, subject: &Subject) -> Option<Outcome> {
    let (prove, subject) = (claim.prove, subject.clone());
    bounded(LIMIT, move || prove(&subject))
}

fn bounded(limit: Duration, prove: impl FnOnce() -> Proof + Send + 'static) -> Option<Outcome> {
    let (send, receive) = mpsc::channel();
    let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        // The receiver is gone after the limit.
        let _ = send.send(prove());
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Some(Err(failed("a thread for the proof", error, "std::thread")).into()),
    };
    let start = Instant::now();
    loop {
        match receive.recv_timeout(LOOK) {
            Ok(proof) => return Some(proof.into()),
            Err(RecvTimeoutError::Disconnected) => {
                let panic =
                    thread.join().err().map_or_else(|| "no outcome".to_owned(), |panic| words(&*panic));
                return Some(Err(failed("an outcome", panic, "the proof")).into());
            }
            Err(RecvTimeoutError::Timeout) if interrupt::came() => return None,
            Err(RecvTimeoutError::Timeout) if start.elapsed() >= limit => {
                return Some(Err(past(limit)).into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn past(limit: Duration) -> super::outcome::Unproven {
    failed(format!("an outcome within {} s", limit.as_secs_f64()), "none", "the proof")
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without words".to_owned()))
}

/// Proves a claim in a child process, whose end by a signal is a disproof; `None` after Ctrl-C.
fn in_child(claim: &Claim, subject: &Subject) -> Option<Outcome> {
    let started = env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.args(["check", "--in-child", "--only", claim.word, "--backend", subject.backend.as_str()]);
        if let Some(gpu) = &subject.gpu {
            command.args(["--gpu", &gpu.index.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    });
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Some(Err(failed("a child process", error, "std::process")).into()),
    };
    let outcome = wait(&mut child, LIMIT);
    end(&mut child);
    outcome
}

/// Kills a child that still runs, and waits for its end within a limit, so that none is left as a zombie. A process that
/// survives the kill hangs in the driver and is left alone.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(Some(_))) || child.kill().is_err() {
        return;
    }
    let start = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && start.elapsed() < END_LIMIT {
        thread::sleep(LOOK);
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<Outcome> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let told = child.stdout.take().and_then(|mut pipe| {
                    let mut text = String::new();
                    pipe.read_to_string(&mut text).ok().map(|_| text)
                });
                let outcome = told.and_then(|text| Outcome::from_json(&serde_json::from_str(&text).ok()?));
                let ended = || Err(failed("a child process that ends by itself", status, "the proof")).into();
                return Some(outcome.unwrap_or_else(ended));
            }
            Err(error) => return Some(Err(failed("a child process", error, "std::process")).into()),
            Ok(None) if interrupt::came() => return None,
            Ok(None) if start.elapsed() >= limit => return Some(Err(past(limit)).into()),
            Ok(None) => thread::sleep(LOOK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::outcome::Finding;

    #[test]
    fn a_proof_without_an_end_is_a_failed_claim() {
        let (_keep, never) = mpsc::channel::<()>();
        let outcome = bounded(Duration::from_millis(50), move || {
            let _ = never.recv();
            Ok(String::new())
        });
        let Some(Outcome::Failed(Finding { expected, got, .. })) = outcome else { panic!("{outcome:?}") };
        assert_eq!((&*expected, &*got), ("an outcome within 0.05 s", "none"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_is_killed_is_waited_for() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        end(&mut child);
        // Had nobody waited, the process would still have its entry.
        assert!(!std::path::Path::new(&format!("/proc/{}", child.id())).exists());
    }

    #[test]
    fn a_panic_is_a_failed_claim() {
        tell_no_panics_of_proofs();
        let outcome = bounded(LIMIT, || panic!("index {} out of bounds", 7));
        let Some(Outcome::Failed(Finding { got, .. })) = outcome else { panic!("{outcome:?}") };
        assert_eq!(got, "a panic: index 7 out of bounds");
    }
}
