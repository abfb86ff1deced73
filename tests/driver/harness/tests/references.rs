//! References and temporal layers: requests of a client, and the answers of the double.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

mod client;

use client::{API_12_1, Client, HEIGHT, Ready, Struct, WIDTH, slot};

/// Where the H.264 part of `NV_ENC_CONFIG` starts.
const H264: usize = 168;
const FORCE_IDR: u32 = 2;

/// Initialises a session whose H.264 settings were changed.
fn initialise(client: &Client, change: impl Fn(&mut Struct)) -> u32 {
    let handle = client.open().unwrap();
    let (mut config, init) = client.settings(WIDTH, HEIGHT, 1_000_000);
    change(&mut config);
    let status = client.nv(slot::INITIALIZE, &[handle, init.at()]);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    status
}

fn invalidate(client: &Client, ready: &Ready, timestamp: usize) -> u32 {
    client.nv(slot::INVALIDATE, &[ready.session.handle, timestamp])
}

#[test]
fn references_and_layers_beyond_level_and_capabilities_are_refused() {
    for (change, rule) in [
        (&[(60, 17)][..], "above 16"),
        // 240 macroblocks, of which level 1 keeps one picture's worth.
        (&[(4, 10), (60, 2)], "more than the level has room for"),
        (&[(204, 8)], "numRefL0 is above 7"),
        (&[(0, 1 << 12 | 1), (20, 3), (196, 3)], "temporal layers are asked for"),
        (&[(0, 1 << 12 | 1), (20, 2), (196, 1)], "maxTemporalLayers is below"),
    ] {
        let client = Client::new(API_12_1);
        let refused = initialise(&client, |config| {
            for (at, value) in change {
                config.put(H264 + at, *value);
            }
        });
        assert_ne!(refused, 0, "{rule}");
        client.finish();
        client.stage.report().assert_violation("nvEncInitializeEncoder", rule);
    }
    let client = Client::new(API_12_1);
    let two_layers = |config: &mut Struct| {
        config.put(H264, 1 << 12 | 1).put(H264 + 20, 2).put(H264 + 196, 2);
    };
    assert_eq!(initialise(&client, two_layers), 0);
    client.stage.set("CAPS=SUPPORT_TEMPORAL_SVC=0");
    assert_ne!(initialise(&client, two_layers), 0);
    client.finish();
}

#[test]
fn only_a_reference_can_be_invalidated_and_only_where_the_gpu_can() {
    for caps in ["", "SUPPORT_REF_PIC_INVALIDATION=0"] {
        let client = Client::new(API_12_1);
        client.stage.set(&format!("CAPS={caps}"));
        let ready = client.ready();
        for timestamp in 0..3 {
            assert_eq!(client.submit(&ready, 0, 1000 + timestamp), 0);
            client.take(&ready.session, ready.output).unwrap();
        }
        // One is kept, the last.
        assert_eq!(invalidate(&client, &ready, 1001), 8);
        let status = invalidate(&client, &ready, 1002);
        assert_eq!(status == 0, caps.is_empty());
        assert_eq!(client.submit(&ready, 0, 1003), 0);
        let (lock, _) = client.take(&ready.session, ready.output).unwrap();
        // Nothing is left to predict from.
        assert_eq!(lock.get(64) == 3, caps.is_empty());
        client.put_away(ready);
        client.finish();
        let rule = if caps.is_empty() { "not among the references" } else { "the capabilities deny" };
        client.stage.report().assert_violation("nvEncInvalidateRefFrames", rule);
    }
}

#[test]
fn an_intra_refresh_is_forced_on_no_idr_and_only_where_the_gpu_can() {
    for (caps, flags, rule) in [
        ("", FORCE_IDR, "forced on an IDR"),
        ("SUPPORT_INTRA_REFRESH=0", 0, "the capabilities deny"),
        ("", 0, ""),
    ] {
        let client = Client::new(API_12_1);
        client.stage.set(&format!("CAPS={caps}"));
        let ready = client.ready();
        assert_eq!(client.submit(&ready, 0, 0), 0);
        client.take(&ready.session, ready.output).unwrap();
        let mut picture = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, 1);
        picture.put(16, flags).put(80 + 16, 12);
        let status = client.encode(&ready.session, &picture);
        assert_eq!(status == 0, rule.is_empty());
        if status == 0 {
            client.take(&ready.session, ready.output).unwrap();
        }
        client.put_away(ready);
        client.finish();
        let report = client.stage.report();
        if rule.is_empty() {
            report.assert_clean("a forced refresh");
            assert_eq!(report.sessions().last().unwrap()["intra_refreshes_forced"]["12"], 1);
        } else {
            report.assert_violation("nvEncEncodePicture", rule);
        }
    }
}
