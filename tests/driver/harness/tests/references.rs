//! References, intra refresh and temporal layers: requests of a client, and the answers of the double.
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

/// repeatSPSPPS, and with it enableIntraRefresh, outputRecoveryPointSEI and singleSliceIntraRefresh.
const REPEAT_HEADERS: u32 = 1 << 12;
const ARMED: u32 = REPEAT_HEADERS | 1 << 10 | 1 << 9;
const ONE_SLICE: u32 = ARMED | 1 << 20;

/// The settings of an intra refresh: flags, period, length.
fn refreshing(flags: u32, period: u32, length: u32) -> impl Fn(&mut Struct) {
    move |config| {
        config.put(H264, flags).put(H264 + 52, period).put(H264 + 56, length);
    }
}

/// Submits a picture that asks for an intra refresh of that length, 0 for none.
fn submit(client: &Client, ready: &Ready, (number, flags, refresh): (u64, u32, u32)) -> u32 {
    let mut picture = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, number);
    picture.put(16, flags).put(80 + 16, refresh);
    client.encode(&ready.session, &picture)
}

/// A letter for the picture: an IDR `I`, another intra picture `i`, or `P`; and whether a message comes with it.
fn kind(unit: &[u8]) -> (char, bool) {
    let starts = (0..unit.len() - 4).filter(|&at| unit[at..at + 4] == [0, 0, 0, 1]).map(|at| at + 4);
    let heads: Vec<[u8; 2]> = starts.map(|at| [unit[at], unit[at + 1]]).collect();
    let slice = heads.iter().find(|head| matches!(head[0] & 0x1f, 1 | 5)).unwrap();
    let letter = match slice {
        [header, _] if header & 0x1f == 5 => 'I',
        // The code of the slice type stands behind that of the first macroblock, a bit.
        [_, bits] => {
            let code = bits << 1;
            let slice_type = (code >> (7 - 2 * code.leading_zeros())) - 1;
            if slice_type % 5 == 2 { 'i' } else { 'P' }
        }
    };
    (letter, heads.iter().any(|head| head[0] & 0x1f == 6))
}

#[test]
fn an_intra_refresh_is_forced_on_no_idr_and_only_where_the_gpu_can() {
    for (caps, flags, rule) in
        [("", FORCE_IDR, "forced on an IDR"), ("SUPPORT_INTRA_REFRESH=0", 0, "the capabilities deny")]
    {
        let client = Client::new(API_12_1);
        client.stage.set(&format!("CAPS={caps}"));
        let ready = client.ready();
        assert_eq!(client.submit(&ready, 0, 0), 0);
        client.take(&ready.session, ready.output).unwrap();
        assert_ne!(submit(&client, &ready, (1, flags, 4)), 0);
        client.put_away(ready);
        client.finish();
        client.stage.report().assert_violation("nvEncEncodePicture", rule);
    }
}

#[test]
fn an_intra_refresh_has_32_rows_a_picture_and_is_alone_in_an_armed_session() {
    const NEVER: u32 = 1 << 30;
    let force = |number, refresh| (number, 0, refresh);
    // Settings, pictures that ask for something, the pictures that come, those with a message, and the rule broken.
    for (settings, asked, kinds, messages, ignored, rule) in [
        ((REPEAT_HEADERS, 0, 0), vec![force(1, 2)], "IPPPPPPPPP", vec![], 1, "not armed"),
        // 192 rows.
        ((ARMED, NEVER, 6), vec![force(1, 12)], "IPPPPPiPPP", vec![1], 0, ""),
        ((ARMED, NEVER, 6), vec![force(1, 1), force(2, 1)], "IiiPPPPPPP", vec![1, 2], 0, ""),
        ((ARMED, NEVER, 6), vec![force(1, 3), force(3, 3)], "IPPiPPPPPP", vec![1], 1, "while one runs"),
        (
            (ARMED, NEVER, 6),
            vec![force(1, 4), (3, FORCE_IDR, 0), force(4, 4)],
            "IPPIPPPiPP",
            vec![1, 4],
            0,
            "",
        ),
        ((ONE_SLICE, NEVER, 6), vec![force(1, 3)], "IPPPPPPPPP", vec![1], 0, ""),
        ((ARMED, 4, 2), vec![], "IPPPPiPPPi", vec![4, 8], 0, ""),
    ] {
        let what = format!("{settings:?}, {asked:?}");
        let client = Client::new(API_12_1);
        let (flags, period, length) = settings;
        let ready = client.ready_with(refreshing(flags, period, length));
        let seen: Vec<(char, bool)> = (0..10)
            .map(|number| {
                let plain = (number, 0, 0);
                let picture = asked.iter().find(|picture| picture.0 == number).unwrap_or(&plain);
                assert_eq!(submit(&client, &ready, *picture), 0, "{what}");
                kind(&client.take(&ready.session, ready.output).unwrap().1)
            })
            .collect();
        assert_eq!(seen.iter().map(|seen| seen.0).collect::<String>(), kinds, "{what}");
        let with_message: Vec<usize> = (0..10).filter(|&at| seen[at].1).collect();
        assert_eq!(with_message, messages, "{what}");
        client.put_away(ready);
        client.finish();
        let report = client.stage.report();
        let session = report.sessions().last().unwrap().clone();
        assert_eq!(session["intra_refreshes_ignored"], ignored, "{what}");
        let begun = session["intra_refreshes"].as_object().unwrap();
        let begun: u64 = begun.values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(begun, messages.len() as u64, "{what}");
        if rule.is_empty() {
            report.assert_clean(&what);
        } else {
            report.assert_violation("nvEncEncodePicture", rule);
        }
    }
}

#[test]
fn within_an_intra_refresh_no_invalidation_is_honoured() {
    let client = Client::new(API_12_1);
    let ready = client.ready_with(|config| {
        refreshing(ARMED, 1 << 30, 6)(config);
        config.put(H264 + 60, 4);
    });
    let next = |number: u64, refresh| {
        assert_eq!(submit(&client, &ready, (number, 0, refresh)), 0);
        kind(&client.take(&ready.session, ready.output).unwrap().1).0
    };
    let mut kinds = String::new();
    for number in 0..3 {
        kinds.push(next(number, if number == 1 { 4 } else { 0 }));
    }
    assert_eq!(invalidate(&client, &ready, 2), 0);
    for number in 3..6 {
        kinds.push(next(number, 0));
    }
    // Behind the refresh it is, and what was before the end of the refresh is predicted from as anything else.
    assert_eq!(invalidate(&client, &ready, 4), 0);
    kinds.push(next(6, 0));
    assert_eq!(kinds, "IPPPiPP");
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncInvalidateRefFrames", "within an intra refresh");
    assert_eq!(report.sessions().last().unwrap()["from_older_references"], 1);
}
