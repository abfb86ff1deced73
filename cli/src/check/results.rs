//! The outcomes of a check and the facts around them.

use std::time::Duration;

use direct264::nvenc::Probe;

use super::claim::Claim;
use super::outcome::Outcome;
use crate::bench::machine::Machine;
use crate::probe;

/// One line of the check.
#[derive(Debug)]
pub(super) struct Row {
    /// The backend, with the index of its GPU.
    pub(super) label: String,
    pub(super) claim: Claim,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

/// The machine and the software.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) machine: Machine,
    pub(super) driver_version: Option<String>,
    pub(super) cuda_version: Option<String>,
    /// The newest encode API of the driver, and the one in use.
    pub(super) api_versions: Option<(String, String)>,
    /// Index and name of each GPU that the driver lists.
    pub(super) gpus: Vec<(u32, String)>,
}

impl Facts {
    pub(super) fn of(probe: &Probe) -> Self {
        let apis = probe.driver_api.zip(probe.api);
        Self {
            machine: Machine::here(),
            driver_version: probe::kernel_driver_version(),
            cuda_version: probe.cuda.map(|version| version.to_string()),
            api_versions: apis.map(|(newest, used)| (newest.to_string(), used.to_string())),
            gpus: probe.gpus.iter().map(|gpu| (gpu.index, gpu.name.clone())).collect(),
        }
    }

    /// Returns the facts, one a line: the library, the machine, the driver, and each GPU.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("direct264 {}", env!("CARGO_PKG_VERSION")),
            crate::bench::machine_line(&self.machine),
        ];
        let versions = [
            self.driver_version.as_ref().map(|version| format!("driver {version}")),
            self.cuda_version.as_ref().map(|version| format!("CUDA {version}")),
            self.api_versions.as_ref().map(|(newest, used)| format!("encode API {newest}, {used} in use")),
        ];
        let versions: Vec<_> = versions.into_iter().flatten().collect();
        if !versions.is_empty() {
            lines.push(format!("NVIDIA {}", versions.join(", ")));
        }
        lines.extend(self.gpus.iter().map(|(index, name)| format!("GPU {index}: {name}")));
        lines
    }
}

/// A whole check.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) facts: Facts,
    pub(super) rows: Vec<Row>,
    /// The time of all claims.
    pub(super) took: Duration,
    /// False after Ctrl-C.
    pub(super) is_whole: bool,
}

/// The number of claims by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) not_applicable: usize,
}

impl Results {
    pub(super) fn counts(&self) -> Counts {
        let count = |word| self.rows.iter().filter(|row| row.outcome.word() == word).count();
        Counts { passed: count("passed"), failed: count("failed"), not_applicable: count("not_applicable") }
    }

    /// Returns the counts and the time in one sentence.
    pub(super) fn summary(&self) -> String {
        let Counts { passed, failed, not_applicable } = self.counts();
        let claims =
            if self.rows.len() == 1 { "1 claim".to_owned() } else { format!("{} claims", self.rows.len()) };
        format!(
            "{claims}: {passed} passed, {failed} failed, {not_applicable} not applicable, in {:.1} s",
            self.took.as_secs_f64()
        )
    }

    /// Returns what to do about failed claims; `None` if there are none.
    pub(super) fn advice(&self) -> Option<String> {
        let row = self.rows.iter().find(|row| matches!(row.outcome, Outcome::Failed(_)))?;
        let word = row.claim.word;
        Some(format!(
            "run `direct264 check --report check.html` and attach the page to an issue; `direct264 check \
             --only {word}` repeats a claim"
        ))
    }
}
