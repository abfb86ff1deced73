//! Building the double and laying it out as a driver.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use d264_double_common::settings::PREFIX;
use serde_json::Value;

/// The names by which clients ask for the driver.
const CUDA: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
const NVENC: &str = if cfg!(windows) { "nvEncodeAPI64.dll" } else { "libnvidia-encode.so.1" };

/// The built double.
#[derive(Debug, Clone)]
pub struct Double {
    cuda: PathBuf,
    nvenc: PathBuf,
    folder: PathBuf,
}

/// A driver that is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Both libraries.
    All,
    /// CUDA without the encoder: a container without the `video` capability.
    CudaOnly,
    /// The encoder without CUDA.
    NvencOnly,
    /// CUDA, and an empty file in the encoder's place.
    JunkNvenc,
    /// An empty file in CUDA's place.
    JunkCuda,
}

impl Double {
    /// Builds the double, once per process; `D264_DOUBLE_DIR` names a folder of one that is built already.
    ///
    /// # Panics
    /// If it cannot be built.
    #[must_use]
    pub fn get() -> &'static Self {
        static DOUBLE: OnceLock<Double> = OnceLock::new();
        DOUBLE.get_or_init(|| match std::env::var_os("D264_DOUBLE_DIR") {
            Some(folder) => Self::prebuilt(Path::new(&folder)),
            None => Self::build(),
        })
    }

    fn prebuilt(folder: &Path) -> Self {
        Self { cuda: folder.join(CUDA), nvenc: folder.join(NVENC), folder: folder.to_owned() }
    }

    fn build() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let output = Command::new(cargo)
            .args(["build", "--quiet", "-p", "double-cuda", "-p", "double-nvenc"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(root)
            .output()
            .unwrap_or_else(|error| panic!("cargo does not start: {error}"));
        if !output.status.success() {
            panic!("the driver double does not build:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let built = |name: &str| {
            artifact(&messages, name).unwrap_or_else(|| panic!("cargo does not say where it put {name}"))
        };
        let (cuda, nvenc) = (built("d264_double_cuda"), built("d264_double_nvenc"));
        let folder = cuda.with_file_name("driver-double");
        let double = Self { cuda, nvenc, folder };
        double.lay_out("", Part::All);
        double
    }

    /// The folder that holds both libraries.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder that holds only a part of the driver.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn folder_with(&self, part: Part) -> PathBuf {
        match part {
            Part::All => self.folder.clone(),
            Part::CudaOnly => self.lay_out("-cuda-only", part),
            Part::NvencOnly => self.lay_out("-nvenc-only", part),
            Part::JunkNvenc => self.lay_out("-junk-nvenc", part),
            Part::JunkCuda => self.lay_out("-junk-cuda", part),
        }
    }

    fn lay_out(&self, suffix: &str, part: Part) -> PathBuf {
        let mut folder = self.cuda.with_file_name("driver-double").into_os_string();
        folder.push(suffix);
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        if part == Part::JunkCuda {
            place(&folder, CUDA, None);
        } else if part != Part::NvencOnly {
            // Some clients look for the development name first.
            place(&folder, "libcuda.so", Some(&self.cuda));
            place(&folder, CUDA, Some(&self.cuda));
        }
        if part == Part::JunkNvenc {
            place(&folder, NVENC, None);
        } else if part != Part::CudaOnly {
            place(&folder, NVENC, Some(&self.nvenc));
        }
        folder
    }

    /// A program that will find the double as its driver, with none of this process's settings.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.command_with(Part::All, program)
    }

    /// A program that will find that part of the driver. On Windows programs look in the system's folder alone, where
    /// whoever runs the tests has put the double.
    #[must_use]
    pub fn command_with(&self, part: Part, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with(PREFIX)) {
            command.env_remove(key);
        }
        let mut path = self.folder_with(part).into_os_string();
        if let Some(more) = std::env::var_os("LD_LIBRARY_PATH") {
            path.push(":");
            path.push(more);
        }
        command.env("LD_LIBRARY_PATH", path);
        command
    }

    pub(crate) fn libraries(&self) -> (&Path, &Path) {
        (&self.cuda, &self.nvenc)
    }
}

/// Where cargo put a library, by its own account.
fn artifact(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == name)
        .filter_map(|message| message["filenames"][0].as_str().map(PathBuf::from))
        .next_back()
}

/// Puts a link to a library under a name, or an empty file; several processes may do so at once.
fn place(folder: &Path, name: &str, library: Option<&Path>) {
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let made = match library {
        Some(library) => link(library, &beside),
        None => std::fs::write(&beside, []),
    };
    let placed = made.and_then(|()| std::fs::rename(&beside, folder.join(name)));
    placed.unwrap_or_else(|error| panic!("{}/{name}: {error}", folder.display()));
}

#[cfg(unix)]
fn link(library: &Path, name: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(library, name)
}

/// Links take a right of their own on Windows.
#[cfg(windows)]
fn link(library: &Path, name: &Path) -> std::io::Result<()> {
    std::fs::copy(library, name).map(drop)
}
