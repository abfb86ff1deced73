//! The table of driver calls in `docs/nvenc.md`, call by call: what is optional may fail, and what is required is told.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use crate::common::device::{Device, DevicePicture, frame};
use crate::common::live::small;
use crate::common::{config, decode, encode_run, try_encode_run};
use d264_double::{Double, Stage, passed_as_child};
use direct264::config::{CallForm, GpuChoice, NvencConfig};
use direct264::nvenc::{NvencEncoder, probe};
use direct264::{Bitrate, Encoder, EncoderConfig, Error, FrameId, Picture, PixelFormat, Reason};

/// The meaning of a call's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
    /// The call belongs to the end, which goes on without it.
    End,
}

/// The rows of the table.
fn table() -> Vec<(&'static str, Need)> {
    let text = include_str!("../../docs/nvenc.md");
    let (_, table) = text.split_once("## Required and optional calls").unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (calls, need) = (cells.next().unwrap(), cells.next().unwrap());
        let need = match need {
            "required" => Need::Required,
            "optional" => Need::Optional,
            "end" => Need::End,
            other => panic!("{other}: {row}"),
        };
        calls.split(", ").map(move |call| (call.trim_matches('`'), need))
    })
    .collect()
}

fn direct() -> EncoderConfig {
    config(small(), 30, 300).nvenc(NvencConfig::new().form(CallForm::Direct))
}

/// Opens an encoder, encodes frames of the host and of the GPU, changes the rate, reports a loss, and ends.
fn life() -> Result<(), Error> {
    let mut encoder = NvencEncoder::new(&direct())?;
    let units = try_encode_run(&mut encoder, 0, 3)?;
    encoder.set_bitrate(Bitrate::from_kbps(400)?)?;
    encoder.invalidate(FrameId(2)..=FrameId(2))?;
    // An error that leaves the session as it is: see the table.
    let _ = encoder.parameter_sets();
    let units: Vec<_> = units.into_iter().chain(try_encode_run(&mut encoder, 3, 2)?).collect();
    assert_eq!(decode::openh264(units.iter().map(|unit| &unit.bytes[..])).len(), 5);
    Ok(())
}

#[test]
fn the_table_has_every_call_of_a_session() {
    let stage = Double::get().load();
    stage.reset();
    stage.set("TRACE=100000");
    life().unwrap();
    let mut called: BTreeSet<String> = stage.report().trace().into_iter().map(|(name, _)| name).collect();
    // Frames in device memory, those with a cudarc of their own aside.
    stage.reset();
    let device = Device::new();
    let place = DevicePicture::new(&device, small(), PixelFormat::Nv12, 512);
    place.write(&device, &vec![99; PixelFormat::Nv12.frame_bytes(small())]);
    device.stream.synchronize().unwrap();
    stage.set("TRACE=100000");
    let mut encoder = NvencEncoder::new(&direct()).unwrap();
    encoder.encode(&place.frame(0), Picture::Auto).unwrap();
    encoder.encode(&frame(small(), place.image.freed_soon(), 1), Picture::Auto).unwrap();
    encoder.forget_cuda(None).unwrap();
    drop(encoder);
    called.extend(stage.report().trace().into_iter().map(|(name, _)| name));
    drop((place, device));
    let told: BTreeSet<String> = table().into_iter().map(|(name, _)| name.to_owned()).collect();
    let missing: Vec<_> = called.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(table().len(), told.len(), "no call twice");
}

/// The statuses of a call: of a missing thing, of memory, of no kind, and of no header.
const STATUSES: [u32; 4] = [1, 8, 999, 4_000_000_000];

#[test]
fn an_optional_call_may_fail_by_itself() {
    for (call, _) in table().into_iter().filter(|(_, need)| *need == Need::Optional) {
        for status in STATUSES {
            if !passed_as_child(
                "an_optional_call_may_fail_by_itself",
                &[("FAULT", &format!("{call}:*={status}"))],
            ) {
                return lives_and_is_found();
            }
        }
    }
}

fn lives_and_is_found() {
    let stage = Double::get().load();
    let found = probe();
    let (gpu, _) = found.encoder().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(gpu.index, 0);
    life().unwrap_or_else(|error| panic!("{error:?}"));
    stage.report().assert_clean("a driver without what is optional");
}

#[test]
fn optional_calls_may_fail_all_together() {
    let all: Vec<String> = table()
        .into_iter()
        .filter(|(_, need)| *need == Need::Optional)
        .map(|(call, _)| format!("{call}:*=22"))
        .collect();
    if !passed_as_child("optional_calls_may_fail_all_together", &[("FAULT", &all.join(";"))]) {
        lives_and_is_found();
    }
}

/// Each of the questions is asked by itself, so each may be the one that a driver does not know.
#[test]
fn a_capability_that_the_driver_does_not_know_is_absent_and_no_other() {
    let stage = Double::get().load();
    stage.reset();
    let whole = *probe().encoder().unwrap().1;
    let questions = stage.report().calls("nvEncGetEncodeCaps");
    assert!(questions > 15);
    for number in 1..=questions {
        stage.reset();
        stage.set(&format!("FAULT=nvEncGetEncodeCaps:{number}=8"));
        let found = probe();
        let can = *found.encoder().unwrap().1;
        let fields = |can| format!("{can:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
        let changed =
            fields(whole).into_iter().zip(fields(can)).filter(|(before, after)| before != after).count();
        assert!(changed <= 1, "{number}: {can:?}");
        stage.set(&format!("FAULT=nvEncGetEncodeCaps:{number}=8"));
        life().unwrap_or_else(|error| panic!("{number}: {error:?}"));
        stage.set(&format!("FAULT=nvEncGetEncodeCaps:{number}+=4000000000"));
        life().unwrap_or_else(|error| panic!("{number} and on: {error:?}"));
    }
    stage.report().assert_clean("a driver that does not know each capability");
}

#[test]
fn a_required_call_that_fails_is_told() {
    for (call, _) in table().into_iter().filter(|(_, need)| *need == Need::Required) {
        if !passed_as_child("a_required_call_that_fails_is_told", &[("FAULT", &format!("{call}:*=999"))]) {
            let stage = Double::get().load();
            let fault = std::env::var("D264_DOUBLE_FAULT").unwrap();
            let (call, _) = fault.split_once(':').unwrap();
            let error = life().and_then(|()| life_on_device(&stage, &fault)).unwrap_err();
            match &error {
                Error::Driver(why) => assert!(why.call.starts_with(call), "{call}: {error:?}"),
                Error::Unavailable(why) => assert!(why.detail.contains(call), "{call}: {error:?}"),
                other => panic!("{call}: {other:?}"),
            }
            let violations = stage.report().violations();
            assert!(violations.is_empty(), "{call}: {violations:?}");
            return;
        }
    }
}

/// Encodes frames in device memory, one in place and one from a copy.
fn life_on_device(stage: &Stage, fault: &str) -> Result<(), Error> {
    // The caller makes its own calls, without the fault.
    stage.set("FAULT=");
    let device = Device::new();
    let place = DevicePicture::new(&device, small(), PixelFormat::Nv12, 512);
    place.write(&device, &vec![99; PixelFormat::Nv12.frame_bytes(small())]);
    device.stream.synchronize().unwrap();
    stage.set(&format!("FAULT={fault}"));
    let mut encoder = NvencEncoder::new(&direct())?;
    let encoded = encoder
        .encode(&place.frame(0), Picture::Auto)
        .map(drop)
        .and_then(|()| encoder.encode(&frame(small(), place.image.freed_soon(), 1), Picture::Auto).map(drop));
    stage.set("FAULT=");
    drop(encoder);
    encoded
}

/// Three GPUs, of which one refuses something: the others are found and encode.
#[test]
fn a_call_that_fails_on_one_gpu_hides_no_other() {
    const TEST: &str = "a_call_that_fails_on_one_gpu_hides_no_other";
    const GPUS: &str = "nvenc:NVIDIA L4,nvenc:NVIDIA T4,nvenc:NVIDIA L40S";
    let calls = [
        ("cuDeviceGet", false),
        ("cuDeviceGetName", true),
        ("cuDeviceGetUuid", true),
        ("cuDevicePrimaryCtxRetain", false),
        ("nvEncOpenEncodeSessionEx", false),
        ("nvEncGetEncodeGUIDCount", true),
        ("nvEncGetEncodeCaps", true),
    ];
    for (call, _) in calls {
        let fault = format!("{call}:2=999");
        if !passed_as_child(TEST, &[("GPUS", GPUS), ("FAULT", &fault)]) {
            let fault = std::env::var("D264_DOUBLE_FAULT").unwrap();
            let is_optional = calls.iter().any(|(call, is)| fault.starts_with(&format!("{call}:")) && *is);
            let stage = Double::get().load();
            let found = probe();
            let able = found.gpus.iter().filter(|gpu| gpu.encoder.is_ok()).count();
            assert_eq!(able, if is_optional { 3 } else { 2 }, "{fault}: {found:?}");
            stage.set("FAULT=");
            for gpu in found.gpus.iter().filter(|gpu| gpu.encoder.is_ok()) {
                let on = NvencConfig::new().form(CallForm::Direct).gpu(GpuChoice::Index(gpu.index));
                let mut encoder = NvencEncoder::new(&config(small(), 30, 300).nvenc(on)).unwrap();
                assert_eq!(encoder.gpu_index(), gpu.index);
                encode_run(&mut encoder, 0, 2);
            }
            stage.report().assert_clean(&fault);
            return;
        }
    }
}

/// The number of GPUs is all that CUDA has to say about them.
#[test]
fn where_every_gpu_is_refused_the_first_refusal_is_the_reason() {
    let test = "where_every_gpu_is_refused_the_first_refusal_is_the_reason";
    if !passed_as_child(test, &[("FAULT", "cuDeviceGet:*=101")]) {
        let why = probe().encoder().unwrap_err().clone();
        assert_eq!(why.reason, Reason::DriverError);
        assert!(why.detail.contains("cuDeviceGet"), "{why}");
    }
}
