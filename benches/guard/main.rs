//! Counts the instructions, copies and allocations of the library's own code for a frame on each hot path. The counts
//! come from valgrind, do not depend on the machine, and are held against `budget.txt`.
//!
//!     cargo bench --bench guard                 fails where a path has outgrown its budget
//!     cargo bench --bench guard -- --accept     takes the current figures as the budget
//!
//! Each path runs twice, the second time with twice the frames. The difference is the cost of a frame, without the
//! start. Not counted are openh264, the driver double, the crate `yuv`, the C library and the kernel. Of the last two,
//! only the calls of `memcpy` and its kin and those for memory count.

#![expect(clippy::expect_used, reason = "a guard that cannot count fails, and says why")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its figures are for the person who runs it")]
#![expect(unsafe_code, reason = "device memory is made and vouched for")]

mod budget;
mod callgrind;
mod paths;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use budget::{Budget, Figures};
use d264_double::Double;
use paths::PATHS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, path, frames] = &arguments[..]
        && word == "path"
    {
        // Valgrind watches this process.
        paths::run(path, frames.parse().expect("a number of frames"));
        return ExitCode::SUCCESS;
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("SKIPPED: the budget is one for Linux on x86-64");
        return ExitCode::SUCCESS;
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("there is no valgrind here: install the package valgrind");
        return ExitCode::FAILURE;
    }
    let budget_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("guard/budget.txt");
    let found = count_all();
    if arguments.iter().any(|argument| argument == "--accept") {
        std::fs::write(&budget_file, found.to_string()).expect("the budget can be written");
        print!("{found}");
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(&budget_file).expect("there is a budget");
    let budget = Budget::parse(&text).expect("the budget is one");
    if budget.tell(&found) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Counts every path, as many at a time as there are cores.
fn count_all() -> Budget {
    let double = Double::get().folder();
    let left = Mutex::new(PATHS.iter());
    let found = Mutex::new(Budget::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let Some(path) = left.lock().expect("no thread panics").next() else { return };
                    let [once, twice] = [1, 2].map(|times| count(path.name, times * path.frames, double));
                    let figures = Figures::of_a_frame(once, twice, path.frames);
                    found.lock().expect("no thread panics").insert(path.name, figures);
                }
            });
        }
    });
    found.into_inner().expect("no thread panics")
}

fn count(path: &str, frames: usize, double: &Path) -> callgrind::Counted {
    let program = std::env::current_exe().expect("this program has a path");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guard-{path}-{frames}.callgrind"));
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        // Without it a thread that waits for another may keep it from running for seconds.
        .arg("--fair-sched=try")
        .arg(format!("--callgrind-out-file={}", out.display()))
        // Collecting stops where openh264 begins and goes on where it ends.
        .args(callgrind::OPENH264.map(|function| format!("--toggle-collect={function}")))
        .arg("--collect-atstart=yes")
        .arg(&program)
        .args(["path", path, &frames.to_string()])
        .env("D264_DOUBLE_DIR", double)
        .env_remove("DIRECT264_BACKEND")
        .output()
        .expect("valgrind starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path} under valgrind: {said}");
    let text = std::fs::read_to_string(&out).expect("valgrind has written what it counted");
    let counted = callgrind::read(&text, &program);
    if std::env::var_os("GUARD_KEEP").is_none() {
        let _ = std::fs::remove_file(&out);
    }
    counted
}
