//! Writes the results as JSON. Frames have the fields of `encode --stats`.

use std::time::Duration;

use serde_json::{Value, json};

use super::gpu::GpuInfo;
use super::measure::{BLOCK_FRAMES, SETTLE_FRAMES, WARM_UP_FRAMES};
use super::results::{BackendResult, Results, Run};
use super::stats::{FrameRecord, STAGES, Spread, Steady};

/// Returns one JSON object and a line feed.
pub(crate) fn render(results: &Results) -> String {
    let Results { run, passed_over, backends, is_whole } = results;
    let mut object = head(run, "bench", *is_whole);
    object["settings"]["block_frames"] = json!(BLOCK_FRAMES);
    object["settings"]["warm_up_frames"] = json!(WARM_UP_FRAMES);
    object["settings"]["settle_frames"] = json!(if backends.len() > 1 { SETTLE_FRAMES } else { 0 });
    object["passed_over"] = passed_over
        .iter()
        .map(|why| {
            json!({
                "backend": why.backend.as_str(),
                "reason": why.reason.as_str(),
                "detail": why.detail,
            })
        })
        .collect();
    object["backends"] = backends.iter().map(backend).collect();
    format!("{object:#}\n")
}

/// Returns the settings and the machine.
pub(crate) fn head(run: &Run, kind: &str, is_whole: bool) -> Value {
    let Run { settings, machine, gpus } = run;
    json!({
        "type": kind,
        "version": env!("CARGO_PKG_VERSION"),
        "whole": is_whole,
        "settings": {
            "width": settings.size.width(),
            "height": settings.size.height(),
            "fps": settings.frame_rate.as_f64(),
            "bitrate_bps": settings.bitrate.bps(),
            "frames": settings.frames,
            "pictures": settings.pictures,
            "pace_fps": settings.pace.map(|pace| pace.as_f64()),
            "input": settings.input,
            "streams": settings.streams,
        },
        "machine": {
            "cpu": machine.cpu,
            "cores": machine.cores,
            "simd": machine.simd,
            "system": machine.system,
            "load": machine.load,
            "openh264": machine.openh264.as_ref().map(|library| json!({
                "version": library.version,
                "build": library.build,
            })),
            "gpus": gpus.iter().map(gpu).collect::<Vec<_>>(),
        },
    })
}

fn gpu(gpu: &GpuInfo) -> Value {
    json!({
        "name": gpu.name,
        "uuid": gpu.uuid,
        "clocks_mhz": gpu.clocks.iter().map(|clocks| json!({
            "sm": clocks.sm,
            "memory": clocks.memory,
            "video": clocks.video,
        })).collect::<Vec<_>>(),
    })
}

fn backend(result: &BackendResult) -> Value {
    json!({
        "name": result.entrant.name,
        "backend": result.entrant.backend.as_str(),
        "open_us": us(result.open),
        "first_frame_us": result.first.map(us),
        "steady": result.steady.as_ref().map(steady),
        "rate": {
            "target_bps": result.rate.target_bps.round(),
            "reached_bps": result.rate.reached_bps.round(),
            "lowest_second_bps": result.rate.seconds.map(|(low, _)| low.round()),
            "highest_second_bps": result.rate.seconds.map(|(_, high)| high.round()),
            "unmet_events": result.rate_unmet,
        },
        "psnr_y_db": result.psnr_db,
        "late_frames": result.late,
        "frames": result.records.iter().enumerate().map(|(index, record)| frame(result, index, record))
            .collect::<Vec<_>>(),
    })
}

fn steady(steady: &Steady) -> Value {
    let stages = STAGES.into_iter().zip(&steady.stages);
    json!({
        "frames": steady.frames,
        "us": stages.map(|(name, of)| (name.to_owned(), spread(of))).collect::<serde_json::Map<_, _>>(),
        "cpu_us": spread(&steady.cpu),
    })
}

pub(crate) fn spread(spread: &Spread) -> Value {
    let Spread { p50, p90, p99, max, mean } = *spread;
    json!({ "p50": us(p50), "p90": us(p90), "p99": us(p99), "max": us(max), "mean": us(mean) })
}

fn frame(result: &BackendResult, index: usize, record: &FrameRecord) -> Value {
    let stages = STAGES.into_iter().zip(&record.times);
    json!({
        "type": "frame",
        "frame": index,
        "backend": result.entrant.backend.as_str(),
        "idr": record.is_idr,
        "bytes": record.bytes,
        "qp": record.qp,
        "steady": record.is_steady,
        "cpu_us": us(record.cpu),
        "psnr_y_db": record.psnr_db,
        "us": stages.map(|(name, time)| (name.to_owned(), json!(us(*time)))).collect::<serde_json::Map<_, _>>(),
    })
}

/// Rounds microseconds to one decimal, since a copy can take less than one.
fn us(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}
