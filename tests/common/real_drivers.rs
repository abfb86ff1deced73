//! NVIDIA's user-space drivers of four generations. `.ci/fetch-drivers FOLDER` fetches them, and
//! `DIRECT264_REAL_DRIVERS=FOLDER` names their folder.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "DIRECT264_REAL_DRIVERS";

type Numbers = (u32, u32);

/// A driver branch and its versions.
#[derive(Debug, Clone, Copy)]
pub struct Generation {
    pub name: &'static str,
    /// The newest encode API of the driver.
    pub newest: Numbers,
    /// The encode API that the library negotiates with the driver.
    pub spoken: Numbers,
    pub cuda: Numbers,
}

pub const GENERATIONS: [Generation; 4] = [
    Generation { name: "470", newest: (11, 1), spoken: (11, 1), cuda: (11, 4) },
    Generation { name: "525", newest: (12, 0), spoken: (12, 0), cuda: (12, 0) },
    Generation { name: "535", newest: (12, 1), spoken: (12, 1), cuda: (12, 2) },
    Generation { name: "550", newest: (12, 2), spoken: (12, 1), cuda: (12, 4) },
];

/// Calls `test` with each generation that is present and its folder, and reports those skipped.
pub fn each(mut test: impl FnMut(Generation, &Path)) {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return skipped(&format!("{FOLDER} names no folder with drivers (.ci/fetch-drivers makes one)"));
    };
    if Path::new("/proc/driver/nvidia").exists() {
        return skipped("this machine has a GPU, and its own driver");
    }
    for generation in GENERATIONS {
        let libraries = folder.join(generation.name);
        if libraries.is_dir() {
            test(generation, &libraries);
        } else {
            skipped(&format!("{} is not there", libraries.display()));
        }
    }
}

/// Returns a command that runs `program` on `libraries` without the right to make device nodes, which a failing
/// `cuInit` would leave behind.
pub fn command(program: impl AsRef<Path>, libraries: &Path) -> Command {
    let program = program.as_ref();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = Command::new(if is_root { Path::new("setpriv") } else { program });
    if is_root {
        command.args(["--bounding-set=-mknod", "--"]).arg(program);
    }
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

fn skipped(why: &str) {
    // The test harness captures the output macros of a passing test, but not writes to the handle.
    let _ = writeln!(std::io::stderr(), "SKIPPED the real drivers: {why}");
}
