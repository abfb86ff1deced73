//! The output is H.264 with the requested settings, across changes of rate and size.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

mod client;

use std::path::Path;
use std::process::Command;

use client::{API_12_1, Client, Kind, Ready, slot};
use d264_double::{decode, ffmpeg_or_say_so};

/// Changes the size or the rate of a session.
fn reconfigure(client: &Client, ready: &mut Ready, (width, height): (u32, u32), rate: u32, idr: bool) -> u32 {
    let (_config, init) = client.settings(width, height, rate);
    let mut change = client.struct_of(Kind::Reconfigure);
    for offset in (0..1808).step_by(4) {
        change.put(8 + offset, init.get(offset));
    }
    change.put(1816, if idr { 2 } else { 0 });
    let status = client.nv(slot::RECONFIGURE, &[ready.session.handle, change.at()]);
    if status == 0 {
        ready.session.init.put(36, width).put(40, height);
    }
    status
}

fn write(name: &str, stream: &[u8]) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, stream).unwrap();
    path
}

#[test]
fn rate_changes_need_no_idr_and_size_changes_bring_one() {
    let client = Client::new(API_12_1);
    let mut ready = client.ready();
    let (mut stream, mut idrs) = (Vec::new(), Vec::new());
    for timestamp in 0..15_u32 {
        match timestamp {
            5 => assert_eq!(reconfigure(&client, &mut ready, (320, 192), 300_000, false), 0),
            10 => assert_eq!(reconfigure(&client, &mut ready, (160, 96), 300_000, true), 0),
            _ => {}
        }
        let flags = if timestamp == 8 { 2 } else { 0 };
        assert_eq!(client.submit(&ready, flags, timestamp.into()), 0);
        let (lock, bytes) = client.take(&ready.session, ready.output).unwrap();
        assert!((1..=51).contains(&lock.get(72)), "QP {}", lock.get(72));
        assert_eq!(lock.get(32), 1);
        if lock.get(64) == 3 {
            idrs.push(timestamp);
        }
        stream.extend(bytes);
    }
    assert_eq!(idrs, [0, 8, 10]);
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_clean("a client that changes its mind");
    if ffmpeg_or_say_so("rate_changes_need_no_idr_and_size_changes_bring_one") {
        let pictures = decode(&write("changes.h264", &stream));
        assert_eq!(
            pictures.len(),
            15 * 320 * 192 * 3 / 2,
            "ffmpeg scales every picture to the first one's size"
        );
    }
}

#[test]
fn a_size_beyond_the_maximum_or_without_idr_is_a_mistake() {
    let client = Client::new(API_12_1);
    let mut ready = client.ready();
    assert_eq!(reconfigure(&client, &mut ready, (1920, 1080), 300_000, true), 8);
    assert_eq!(reconfigure(&client, &mut ready, (160, 96), 300_000, false), 0);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncReconfigureEncoder", "larger than maxEncodeWidth");
    report.assert_violation("nvEncReconfigureEncoder", "without forceIDR");
}

#[test]
fn the_sequence_header_says_what_was_asked_for() {
    if !ffmpeg_or_say_so("the_sequence_header_says_what_was_asked_for") {
        return;
    }
    let client = Client::new(API_12_1);
    let handle = client.open().unwrap();
    let (mut config, init) = client.settings(322, 194, 2_000_000);
    // Level 4.0; a description of colour, limited range, BT.709; the promise not to reorder.
    config.put(172, 40).put(248, 1).put(252, 5).put(260, 1).put(264, 1).put(268, 1).put(272, 1).put(288, 1);
    assert_eq!(client.nv(slot::INITIALIZE, &[handle, init.at()]), 0);
    let session = client::Session { handle, config, init };
    let (output, memory) = (client.bitstream(&session), client.device_memory(336 * 194 * 3 / 2));
    let register = client.register_struct(memory, 322, 194, 336);
    assert_eq!(client.nv(slot::REGISTER, &[handle, register.at()]), 0);
    let registered = register.get_long(32) as usize;
    let mapped = client.map(&session, registered);
    assert_eq!(client.encode(&session, &client.picture(&session, mapped, output, 336, 0)), 0);
    let path = write("header.h264", &client.take(&session, output).unwrap().1);
    client.put_away(Ready { session, memory, registered, mapped, output });
    client.finish();
    client.stage.report().assert_clean("a client that describes its colours");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-of", "default=nw=1:nk=1", "-show_entries"])
        .arg("stream=profile,width,height,has_b_frames,level,color_range,color_space,color_transfer,color_primaries")
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&probe.stdout).into_owned();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said, ["Constrained Baseline", "322", "194", "0", "40", "tv", "bt709", "bt709", "bt709"]);
}
