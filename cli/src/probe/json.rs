//! The report of `direct264 probe` as JSON. `direct264 probe --help` lists the keys, which are stable.

use direct264::Backend;
use serde_json::{Value, json};

use super::facts::{BackendFacts, Facts, GpuFacts, Report, WhyNot};

/// Returns one JSON object and a line feed.
pub(super) fn render(report: &Report) -> String {
    let Report { backends, auto, environment } = report;
    let mut object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "auto": auto.map(Backend::as_str),
        "environment": environment,
    });
    for found in backends {
        object[found.backend.as_str()] = backend(found);
    }
    format!("{object:#}\n")
}

fn backend(found: &BackendFacts) -> Value {
    let mut object = match &found.facts {
        Facts::Nvenc(nvenc) => json!({
            "driver_version": nvenc.driver_version,
            "cuda_version": nvenc.cuda_version,
            "api_version": nvenc.api_version,
            "gpus": nvenc.gpus.iter().map(gpu).collect::<Vec<_>>(),
        }),
        Facts::OpenH264(openh264) => json!({
            "version": openh264.version,
            "path": openh264.path.as_ref().map(|path| path.to_string_lossy()),
            "simd": openh264.simd,
            "avx2": openh264.avx2,
        }),
        Facts::None => json!({}),
    };
    object["available"] = json!(found.why_not.is_none());
    with_why_not(object, found.why_not.as_ref())
}

fn gpu(gpu: &GpuFacts) -> Value {
    let GpuFacts { index, uuid, name, why_not } = gpu;
    with_why_not(
        json!({ "index": index, "uuid": uuid, "name": name, "nvenc": why_not.is_none() }),
        why_not.as_ref(),
    )
}

/// Adds the keys `reason`, `detail` and `advice` of a backend or GPU that is not available.
fn with_why_not(mut object: Value, why_not: Option<&WhyNot>) -> Value {
    object["reason"] = json!(why_not.map(|why| why.reason.as_str()));
    object["detail"] = json!(why_not.map(|why| why.detail.as_str()).filter(|detail| !detail.is_empty()));
    object["advice"] = json!(why_not.map(|why| why.advice).filter(|advice| !advice.is_empty()));
    object
}

#[cfg(test)]
mod tests {
    use super::super::Nvenc;
    use super::*;
    use direct264::Reason;

    #[test]
    fn each_gpu_has_its_own_reason() {
        let gpu =
            |index, why_not| GpuFacts { index, uuid: Some("GPU-0".into()), name: "A100".into(), why_not };
        let why = WhyNot { reason: Reason::NoEncoderOnGpu, detail: String::new(), advice: "" };
        let report = Report {
            backends: vec![BackendFacts {
                backend: Backend::Nvenc,
                why_not: None,
                facts: Facts::Nvenc(Nvenc {
                    driver_version: Some("535.183.01".into()),
                    cuda_version: Some("12.2".into()),
                    api_version: Some("12.1".into()),
                    gpus: vec![gpu(0, Some(why)), gpu(1, None)],
                }),
            }],
            auto: Some(Backend::Nvenc),
            environment: None,
        };
        let json: Value = serde_json::from_str(&render(&report)).unwrap();
        assert_eq!(json["auto"], "nvenc");
        assert_eq!(json["nvenc"]["gpus"][0]["reason"], "no_encoder_on_gpu");
        assert_eq!(json["nvenc"]["gpus"][0]["nvenc"], false);
        assert_eq!(json["nvenc"]["gpus"][1]["nvenc"], true);
        assert_eq!(json["nvenc"]["gpus"][1]["reason"], Value::Null);
    }
}
