//! Reads the GPUs and their clocks during the run.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuInfo {
    /// The name, such as `NVIDIA L4`.
    pub(crate) name: String,
    /// The UUID in NVIDIA's form, `GPU-` in front.
    pub(crate) uuid: Option<String>,
    /// The observed clocks; empty without `nvidia-smi` or without a measurement on this GPU.
    pub(crate) clocks: Vec<Clocks>,
}

/// The clocks at one moment in MHz; `None` for a clock that the GPU does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Clocks {
    pub(crate) sm: Option<u32>,
    pub(crate) memory: Option<u32>,
    /// The clock of the video engines.
    pub(crate) video: Option<u32>,
}

/// The collected clocks, each with its GPU's UUID.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch(Vec<(String, Clocks)>);

/// The time limit for `nvidia-smi`.
const LIMIT: Duration = Duration::from_secs(2);

impl ClockWatch {
    /// Reads the clocks of all GPUs from `nvidia-smi`, since the encode and CUDA drivers do not tell them. Does nothing
    /// without that tool.
    pub(crate) fn look(&mut self) {
        self.0.extend(read(&ask().unwrap_or_default()));
    }

    /// Returns the driver's GPUs with the observed clocks; an empty list without a driver.
    pub(crate) fn gpus(&self) -> Vec<GpuInfo> {
        let of = |uuid: Option<&String>| {
            let of_it = self.0.iter().filter(|(of, _)| Some(of) == uuid);
            of_it.map(|(_, clocks)| *clocks).collect()
        };
        let gpus = direct264::nvenc::probe().gpus.into_iter();
        gpus.map(|gpu| {
            let uuid = gpu.uuid.map(|uuid| format!("GPU-{uuid}"));
            GpuInfo { name: gpu.name, clocks: of(uuid.as_ref()), uuid }
        })
        .collect()
    }
}

/// Returns the output of `nvidia-smi`; `None` without that tool, or after the time limit.
fn ask() -> Option<String> {
    let mut child = Command::new("nvidia-smi")
        .args(["--query-gpu=uuid,clocks.sm,clocks.mem,clocks.video", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(2)),
            _ => {
                // A process that survives the kill hangs in the driver and is left alone.
                let _ = child.kill();
                return None;
            }
        }
    }
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok()?;
    Some(said)
}

/// Parses lines such as `GPU-8f6d..., 1980, 2619, 1755`, where a clock may be `[N/A]`.
fn read(said: &str) -> impl Iterator<Item = (String, Clocks)> {
    said.lines().filter_map(|line| {
        let mut words = line.split(',').map(str::trim);
        let uuid = words.next().filter(|uuid| uuid.starts_with("GPU-"))?;
        let mut clock = || words.next()?.parse().ok();
        Some((uuid.to_owned(), Clocks { sm: clock(), memory: clock(), video: clock() }))
    })
}

impl GpuInfo {
    /// Describes the GPU: `NVIDIA L4, clocks 1980 to 2040 MHz (SM), 6251 MHz (memory), 1755 MHz (video)`.
    pub(crate) fn line(&self) -> String {
        let parts = [
            ("SM", span(self.clocks.iter().map(|clocks| clocks.sm))),
            ("memory", span(self.clocks.iter().map(|clocks| clocks.memory))),
            ("video", span(self.clocks.iter().map(|clocks| clocks.video))),
        ];
        let parts = parts.into_iter().filter_map(|(name, span)| {
            let (low, high) = span?;
            let from = if low < high { format!("{low} to ") } else { String::new() };
            Some(format!("{from}{high} MHz ({name})"))
        });
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            self.name.clone()
        } else {
            format!("{}, clocks {}", self.name, parts.join(", "))
        }
    }
}

/// Returns the lowest and the highest known value.
fn span(clocks: impl Iterator<Item = Option<u32>> + Clone) -> Option<(u32, u32)> {
    let known = clocks.flatten();
    known.clone().min().zip(known.max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_told_as_the_span_that_was_seen_and_those_that_are_unknown_not_at_all() {
        let said = "GPU-aa, 1980, 6251, 1755\nGPU-bb, 300, [N/A], [N/A]\n\nFailed to initialize NVML\n";
        let mut watch = ClockWatch::default();
        watch.0.extend(read(said));
        watch.0.extend(read("GPU-aa, 2040, 6251, 1755\n"));
        assert_eq!(watch.0.len(), 3);
        let of = |uuid: &str| -> Vec<Clocks> {
            watch.0.iter().filter(|(of, _)| of == uuid).map(|(_, clocks)| *clocks).collect()
        };
        let gpu = |uuid: &str| GpuInfo { name: "NVIDIA L4".to_owned(), uuid: None, clocks: of(uuid) };
        assert_eq!(
            gpu("GPU-aa").line(),
            "NVIDIA L4, clocks 1980 to 2040 MHz (SM), 6251 MHz (memory), 1755 MHz (video)"
        );
        assert_eq!(gpu("GPU-bb").line(), "NVIDIA L4, clocks 300 MHz (SM)");
        assert_eq!(gpu("GPU-cc").line(), "NVIDIA L4");
    }
}
