//! The backends and GPUs that are checked.

use std::num::NonZeroU8;
use std::time::Duration;

use direct264::config::{CallForm, CallLimits, GpuChoice, NvencConfig};
use direct264::error::Unavailable;
use direct264::nvenc::{Capabilities, Probe};
use direct264::{Backend, BackendOrder, Bitrate, EncoderConfig, Error, FrameRate, FrameSize, open};

use super::outcome::{Unproven, failed};
use crate::failure::Failure;
use crate::values::GpuName;

/// A backend on one GPU, or on the CPU.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) backend: Backend,
    /// The GPU of NVENC; `None` for openh264.
    pub(super) gpu: Option<SubjectGpu>,
    /// The index of a GPU with device memory for the frames; `None` without CUDA.
    pub(super) memory_of: Option<u32>,
}

/// A GPU with an encoder.
#[derive(Debug, Clone)]
pub(super) struct SubjectGpu {
    pub(super) index: u32,
    pub(super) capabilities: Capabilities,
}

/// A backend or a GPU that is not there.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    pub(super) label: String,
    pub(super) why: Unavailable,
    /// Whether the user named it.
    pub(super) is_asked: bool,
}

/// The time limits of a session's driver calls. Each is long, so that a proof on a busy machine is not lost to them.
pub(super) const LIMITS: CallLimits = CallLimits::DEFAULT
    .open(Duration::from_secs(10))
    .first(Duration::from_secs(5))
    .rest(Duration::from_secs(5));

impl Subject {
    /// The name in the report: `nvenc:0` for the GPU with index 0, `openh264`.
    pub(super) fn label(&self) -> String {
        match &self.gpu {
            Some(gpu) => format!("{}:{}", self.backend, gpu.index),
            None => self.backend.to_string(),
        }
    }

    /// The order that opens this backend alone.
    pub(super) fn order(&self) -> BackendOrder {
        BackendOrder::only(self.backend)
    }

    /// The settings of a stream at 30 frames per second with the bits that natural pictures of this size need.
    pub(super) fn config(&self, size: FrameSize) -> Result<EncoderConfig, Unproven> {
        let pixels = u64::from(size.width()) * u64::from(size.height());
        let frame_rate = ours(FrameRate::hz(30))?;
        let bitrate = ours(Bitrate::from_bps((pixels * 30).clamp(500_000, 40_000_000)))?;
        Ok(EncoderConfig::new(size, frame_rate, bitrate).nvenc(self.nvenc()))
    }

    /// The NVENC settings: this GPU, and limits that a busy machine does not pass.
    pub(super) fn nvenc(&self) -> NvencConfig {
        let gpu = self.gpu.as_ref().map_or(GpuChoice::Any, |gpu| GpuChoice::Index(gpu.index));
        NvencConfig::new().gpu(gpu).form(CallForm::Bounded(LIMITS))
    }

    /// Returns [`Unproven::NotApplicable`] if the GPU lacks a capability. Openh264 has them all.
    pub(super) fn needs(&self, has: fn(&Capabilities) -> bool, what: &str) -> Result<(), Unproven> {
        match &self.gpu {
            Some(gpu) if !has(&gpu.capabilities) => {
                Err(Unproven::NotApplicable(format!("the GPU reports no {what}")))
            }
            _ => Ok(()),
        }
    }
}

/// Unwraps a value that the check itself chose.
pub(super) fn ours<T, E: std::error::Error>(value: Result<T, E>) -> Result<T, Unproven> {
    value.map_err(|error| failed("settings of the check that can work", error, "the check itself"))
}

/// A frame size that the check itself chose.
pub(super) fn size(width: u32, height: u32) -> Result<FrameSize, Unproven> {
    ours(FrameSize::new(width, height))
}

/// The number, at least 1.
pub(super) fn at_least_one(number: u8) -> NonZeroU8 {
    NonZeroU8::new(number).unwrap_or(NonZeroU8::MIN)
}

/// Returns what there is to check, and what is not there. `backends` and `gpu` are the user's choice.
///
/// # Errors
/// When the driver lists no such GPU.
pub(super) fn find(
    probe: &Probe,
    backends: &[Backend],
    gpu: Option<&GpuName>,
) -> Result<(Vec<Subject>, Vec<Absent>), Failure> {
    let (mut subjects, mut absent) = (Vec::new(), Vec::new());
    let is_wanted = |backend| backends.is_empty() || backends.contains(&backend);
    let memory_of = probe.gpus.first().map(|gpu| gpu.index);
    if is_wanted(Backend::Nvenc) {
        nvenc(probe, backends.contains(&Backend::Nvenc), gpu, &mut subjects, &mut absent)?;
    }
    if is_wanted(Backend::OpenH264) {
        openh264(memory_of, backends.contains(&Backend::OpenH264), &mut subjects, &mut absent);
    }
    Ok((subjects, absent))
}

fn openh264(memory_of: Option<u32>, is_asked: bool, subjects: &mut Vec<Subject>, absent: &mut Vec<Absent>) {
    let subject = Subject { backend: Backend::OpenH264, gpu: None, memory_of };
    let config = size(64, 64).and_then(|size| subject.config(size));
    match config.map(|config| open(&config, &subject.order())) {
        Ok(Err(Error::Unavailable(why))) => absent.push(Absent { label: subject.label(), why, is_asked }),
        // Any other error is for the claims to tell.
        _ => subjects.push(subject),
    }
}

fn nvenc(
    probe: &Probe,
    is_asked: bool,
    named: Option<&GpuName>,
    subjects: &mut Vec<Subject>,
    absent: &mut Vec<Absent>,
) -> Result<(), Failure> {
    let is_asked = is_asked || named.is_some();
    if let Some(why) = &probe.unavailable {
        absent.push(Absent { label: Backend::Nvenc.to_string(), why: why.clone(), is_asked });
        return Ok(());
    }
    let is_named = |index: u32, uuid: Option<String>| match named {
        None => true,
        Some(GpuName::Index(wanted)) => *wanted == index,
        Some(GpuName::Uuid(wanted)) => {
            let wanted = wanted.trim_start_matches("GPU-");
            uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(wanted))
        }
    };
    let mut found =
        probe.gpus.iter().filter(|gpu| is_named(gpu.index, gpu.uuid.map(|uuid| uuid.to_string())));
    let mut is_any = false;
    for gpu in &mut found {
        is_any = true;
        let index = gpu.index;
        match &gpu.encoder {
            Ok(capabilities) => subjects.push(Subject {
                backend: Backend::Nvenc,
                gpu: Some(SubjectGpu { index, capabilities: *capabilities }),
                memory_of: Some(index),
            }),
            Err(why) => {
                let label = format!("{}:{index}", Backend::Nvenc);
                absent.push(Absent { label, why: why.clone(), is_asked });
            }
        }
    }
    match named {
        Some(name) if !is_any => {
            let count = probe.gpus.len();
            Err(Failure::before(format!(
                "--gpu {name}: the driver lists {count} GPUs, and none of that name"
            )))
        }
        _ => Ok(()),
    }
}
