//! The subcommand `direct264 probe`, which reports the backends of this machine and why each better one is not
//! available.

mod facts;
mod json;
mod text;

use std::io::{self, Write};

use direct264::error::ConfigError;
use direct264::{Backend, BackendOrder, Bitrate, EncoderConfig, Error, FrameRate, FrameSize, open};

use self::facts::{BackendFacts, Facts, GpuFacts, Nvenc, OpenH264, Report, WhyNot};
use crate::backend::Choice;
use crate::failure::{Failure, chain};

/// Options of `direct264 probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ProbeArgs {
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  direct264 probe
  direct264 probe --json | jq -r .auto

Keys of the JSON object. Every key is always present; null means unknown:
  version       of direct264
  auto          backend that `--backend auto` takes: nvenc, openh264, or null when none works
  environment   value of DIRECT264_BACKEND, which takes the place of auto
  nvenc         available, driver_version, cuda_version, api_version, reason, detail, advice, gpus
  nvenc.gpus    a list of: index, uuid, name, nvenc, reason, detail, advice
  openh264      available, version, path (of a loaded library), simd, avx2, reason, detail, advice
`reason` is one word of a closed set, such as no_driver; `advice` names the remedy.

Exit codes: 0 when a backend works, 1 when none works.";

/// Runs the subcommand.
///
/// # Errors
/// When no backend works, or the environment names an unknown backend.
pub(crate) fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let environment = Choice::of_environment()?.map(|choice| choice.order);
    let environment = environment.map(|order| match order.backends() {
        [only] => only.as_str().to_owned(),
        _ => "auto".to_owned(),
    });
    let report = Report::gather(environment)?;
    let told = if args.json { json::render(&report) } else { text::render(&report) };
    let mut out = io::stdout().lock();
    let written = out.write_all(told.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::writing("stdout", &error))?;
    match report.auto {
        Some(_) => Ok(()),
        None => Err(Failure::after("no backend works here")),
    }
}

impl Report {
    fn gather(environment: Option<String>) -> Result<Self, Failure> {
        let config = small_config()
            .map_err(|error| Failure::after(format!("the probe's own settings: {}", chain(&error))))?;
        let auto = BackendOrder::auto();
        let backends: Vec<BackendFacts> = auto
            .backends()
            .iter()
            .map(|&backend| {
                let facts = match backend {
                    Backend::Nvenc => Facts::Nvenc(nvenc()),
                    Backend::OpenH264 => Facts::OpenH264(openh264()),
                    _ => Facts::None,
                };
                BackendFacts { backend, why_not: why_not(backend, &config), facts }
            })
            .collect();
        // A backend counts as working when an encoder opens: only that reveals a session limit.
        let auto = backends.iter().find(|found| found.why_not.is_none()).map(|found| found.backend);
        Ok(Self { backends, auto, environment })
    }
}

/// Returns the settings of the trial stream, which every working backend accepts.
fn small_config() -> Result<EncoderConfig, ConfigError> {
    Ok(EncoderConfig::new(FrameSize::new(640, 360)?, FrameRate::hz(30)?, Bitrate::from_kbps(500)?))
}

/// Probes NVENC. This function alone fills in what is known of driver and GPUs.
fn nvenc() -> Nvenc {
    let probe = direct264::nvenc::probe();
    let gpus = probe.gpus.into_iter().map(|gpu| GpuFacts {
        index: gpu.index,
        uuid: gpu.uuid.map(|uuid| format!("GPU-{uuid}")),
        name: gpu.name,
        why_not: gpu.encoder.err().map(WhyNot::from),
    });
    Nvenc {
        driver_version: kernel_driver_version(),
        cuda_version: probe.cuda.map(|version| version.to_string()),
        api_version: probe.driver_api.map(|version| version.to_string()),
        gpus: gpus.collect(),
    }
}

/// Returns the version of the loaded kernel module. The user-space libraries do not tell theirs.
pub(crate) fn kernel_driver_version() -> Option<String> {
    let version = std::fs::read_to_string("/sys/module/nvidia/version").ok()?;
    Some(version.trim().to_owned()).filter(|version| !version.is_empty())
}

/// Probes openh264.
fn openh264() -> OpenH264 {
    #[cfg(any(feature = "openh264", feature = "cisco"))]
    if let Some(library) = direct264::openh264::Library::in_use() {
        let direct264::openh264::Library { version, path, simd, avx2, .. } = library;
        return OpenH264 { version: Some(version), path, simd, avx2 };
    }
    OpenH264 { version: None, path: None, simd: None, avx2: None }
}

/// Returns why `backend` does not open; `None` when it opens.
fn why_not(backend: Backend, config: &EncoderConfig) -> Option<WhyNot> {
    let error = open(config, &BackendOrder::only(backend)).err()?;
    Some(match error {
        Error::Unavailable(why) => why.into(),
        Error::Driver(why) => WhyNot { reason: why.reason, detail: why.to_string(), advice: why.advice() },
        other => WhyNot { reason: other.reason(), detail: chain(&other), advice: other.advice() },
    })
}
