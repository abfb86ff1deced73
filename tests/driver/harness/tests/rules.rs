//! Each rule about what is asked for is broken once: one value at one place of one struct, and the words that come of it.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

mod client;

use client::{API_12_1, Client, HEIGHT, Kind, SURFACE_BYTES, Struct, WIDTH, slot};

/// Where the parts of `NV_ENC_CONFIG` start.
const RATE: usize = 40;
const H264: usize = 168;
/// Profiles, GUIDs of nothing, and a flag of `h264Flags` that every session here has.
const MAIN: [usize; 2] = [0x4790_67fe_60b5_c1d4, 0x6d6e_7b6d_72c4_d594];
const HIGH: [usize; 2] = [0x4b89_4f7a_e7cb_c309, 0x10e3_2bc9_37d5_2aaf];
const NOTHING: [usize; 2] = [0x1234, 0x5678];
const REPEAT_HEADERS: u32 = 1 << 12;

/// Initialises a session whose settings were changed: the answer, and whether the rule was reported.
fn assert_refused(caps: &str, rule: &str, change: impl Fn(&mut Struct, &mut Struct)) {
    let client = Client::new(API_12_1);
    client.stage.set(&format!("CAPS={caps}"));
    let handle = client.open().unwrap();
    let (mut config, mut init) = client.settings(WIDTH, HEIGHT, 1_000_000);
    change(&mut config, &mut init);
    assert_ne!(client.nv(slot::INITIALIZE, &[handle, init.at()]), 0, "{rule}");
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncInitializeEncoder", rule);
    assert_eq!(report.violations().len(), 1, "{rule}: {:?}", report.violations());
}

#[test]
fn what_a_session_may_not_be_initialised_with() {
    for (at, value, rule) in [
        (0, 0, "NV_ENC_INITIALIZE_PARAMS carries the version word"),
        (4, 1, "encodeGUID is not the one of H.264"),
        (20, 1, "presetGUID is none of P1 to P7"),
        (52, 0, "the frame rate is zero"),
        (56, 0, "has no denominator"),
        (60, 1, "enableEncodeAsync is set"),
        (68, 1 << 20, "reserved bits at 68"),
        (72, 1, "reserved bytes 72..76"),
        (96, 4098, "the maximum size is outside the capabilities"),
        (136, 0, "tuningInfo is none of the four"),
        (136, 5, "tuningInfo is none of the four"),
    ] {
        assert_refused("", rule, |_, init| {
            init.put(at, value);
        });
    }
    for (at, value, rule) in [
        (0, 0, "NV_ENC_CONFIG carries the version word"),
        (24, 0, "gopLength is infinite and frameIntervalP is not 1"),
        (24, 3, "frameIntervalP asks for B frames"),
        (32, 2, "frameFieldMode asks for fields"),
        (RATE, 0, "rcParams carries the wrong version word"),
        (RATE + 4, 64, "rateControlMode is none of the capabilities"),
        (RATE + 36, 1 << 5, "lookahead is asked for"),
        (76, 1 << 4, "reserved bits at 76"),
        (H264 + 4, 63, "level is no level of H.264"),
        (H264 + 4, 8, "level is no level of H.264"),
        (H264, REPEAT_HEADERS | 1 << 7, "disableSPSPPS and repeatSPSPPS are both set"),
        (H264, REPEAT_HEADERS | 1 << 10, "intraRefreshCnt is not below intraRefreshPeriod"),
        (H264 + 64, 4, "sliceMode is above 3"),
        (H264 + 192, 3, "chromaFormatIDC asks for more than 4:2:0"),
        (304, 1, "reserved bytes 304..352"),
    ] {
        assert_refused("", rule, |config, _| {
            config.put(at, value);
            if at == RATE + 36 {
                // lookaheadDepth
                config.put(RATE + 88, 8 << 16);
            }
        });
    }
}

#[test]
fn rates_and_quantisers_that_contradict_each_other_are_refused() {
    for (changes, rule) in [
        (&[(4, 0), (8, 52)][..], "a constant QP is above 51"),
        (&[(36, 3), (40, 30), (52, 20)], "minQP is above maxQP"),
        (&[(36, 2), (52, 52)], "maxQP above 51"),
        (&[(4, 1), (24, 500_000)], "maxBitRate is below averageBitRate"),
        (&[(28, 1000), (32, 1001)], "vbvInitialDelay is above vbvBufferSize"),
    ] {
        assert_refused("", rule, |config, _| {
            for (at, value) in changes {
                config.put(RATE + at, *value);
            }
        });
    }
    assert_refused("", "no profile that the double encodes", |config, _| {
        config.put_guid(4, NOTHING);
    });
}

#[test]
fn what_the_capabilities_deny_is_refused() {
    for (caps, at, value, rule) in [
        ("SUPPORT_CABAC=0", H264 + 44, 1, "CABAC is asked for"),
        ("SUPPORT_ADAPTIVE_TRANSFORM=0", H264 + 32, 2, "the 8x8 transform is asked for"),
        ("SUPPORTED_RATECONTROL_MODES=1", RATE + 4, 2, "rateControlMode is none of the capabilities"),
        ("SUPPORT_CUSTOM_VBV_BUF_SIZE=0", RATE + 28, 1000, "vbvBufferSize is set"),
        ("SUPPORT_TEMPORAL_AQ=0", RATE + 36, 1 << 8, "temporal adaptive quantisation is asked for"),
        ("SUPPORT_INTRA_REFRESH=0", H264, REPEAT_HEADERS | 1 << 10, "intra refresh is asked for"),
        ("SINGLE_SLICE_INTRA_REFRESH=0", H264, REPEAT_HEADERS | 1 << 20, "intra refresh in one slice"),
        ("SUPPORT_MULTIPLE_REF_FRAMES=0", H264 + 204, 2, "numRefL0 asks for references"),
        // 45 by 80 macroblocks at the most.
        ("MB_NUM_MAX=3599", H264 + 4, 0, "more macroblocks than the capabilities allow"),
    ] {
        let profile = if at == H264 + 32 { HIGH } else { MAIN };
        assert_refused(caps, rule, |config, _| {
            config.put_guid(4, profile).put(at, value);
        });
    }
    assert_refused("SUPPORT_DYNAMIC_SLICE_MODE=0", "slices of so many bytes", |config, _| {
        config.put(H264 + 64, 1).put(H264 + 68, 1000);
    });
    // And what is not asked for is not missed.
    let client = Client::new(API_12_1);
    client.stage.set("CAPS=SUPPORT_CABAC=0,SUPPORT_ADAPTIVE_TRANSFORM=0,MB_NUM_MAX=3600");
    let session = client.session(WIDTH, HEIGHT);
    client.destroy(&session);
    client.finish();
    client.stage.report().assert_clean("a client of a modest GPU");
}

/// `reconfigure` with the settings in force, of which something was changed.
fn reconfigure(client: &Client, handle: usize, change: impl Fn(&mut Struct, &mut Struct)) -> u32 {
    let (mut config, mut init) = client.settings(WIDTH, HEIGHT, 2_000_000);
    change(&mut config, &mut init);
    let mut changed = client.struct_of(Kind::Reconfigure);
    for offset in (0..1808).step_by(4) {
        changed.put(8 + offset, init.get(offset));
    }
    client.nv(slot::RECONFIGURE, &[handle, changed.at()])
}

#[test]
fn what_a_reconfiguration_may_not_change() {
    for (of_config, at, value, rule) in [
        (true, 20, 30, "the GOP structure"),
        (false, 64, 0, "enablePTD"),
        (false, 96, 640, "the maximum size"),
        (false, 136, 2, "the preset or the tuning"),
    ] {
        let client = Client::new(API_12_1);
        let session = client.session(WIDTH, HEIGHT);
        let status = reconfigure(&client, session.handle, |config, init| {
            if of_config { config } else { init }.put(at, value);
        });
        assert_eq!(status, 8, "{rule}");
        client.destroy(&session);
        client.finish();
        client.stage.report().assert_violation("nvEncReconfigureEncoder", rule);
    }
    for (caps, size, rate, rule) in [
        ("SUPPORT_DYN_RES_CHANGE=0", (160, 96), 2_000_000, "the size changes, which"),
        ("SUPPORT_DYN_BITRATE_CHANGE=0", (WIDTH, HEIGHT), 1_000_000, "the rate changes, which"),
    ] {
        let client = Client::new(API_12_1);
        client.stage.set(&format!("CAPS={caps}"));
        let session = client.session(WIDTH, HEIGHT);
        let status = reconfigure(&client, session.handle, |config, init| {
            config.put(RATE + 20, rate);
            init.put(36, size.0).put(40, size.1);
        });
        assert_eq!(status, 8, "{rule}");
        client.destroy(&session);
        client.finish();
        client.stage.report().assert_violation("nvEncReconfigureEncoder", rule);
    }
}

#[test]
fn what_a_picture_may_not_say() {
    for (at, value, rule) in [
        (0, 0, "NV_ENC_PIC_PARAMS carries the version word"),
        (4, 322, "is not the session's size"),
        (12, 352, "format or pitch are not those of the mapped resource"),
        (16, 16, "encodePicFlags has flags that mean nothing here"),
        (40, 0, "neither an input buffer nor a mapped resource"),
        (44, 0, "neither an input buffer nor a mapped resource"),
        (48, 4, "the output buffer does not exist"),
        (56, 1, "a completion event is given"),
        (64, 0x10, "format or pitch are not those of the mapped resource"),
        (68, 2, "pictureStruct is not that of a frame"),
        (100, 1 << 8, "reserved bits at 100"),
    ] {
        let client = Client::new(API_12_1);
        let ready = client.ready();
        let mut picture = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, 0);
        picture.put(at, value);
        assert_ne!(client.encode(&ready.session, &picture), 0, "{rule}");
        let nothing = client.picture(&ready.session, 0, 0, WIDTH, 0);
        assert_eq!(client.encode(&ready.session, &nothing), 6);
        let mut end = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, 0);
        end.put(16, 8);
        assert_eq!(client.encode(&ready.session, &end), 8);
        client.put_away(ready);
        client.finish();
        let report = client.stage.report();
        for rule in [rule, "no input or no output buffer", "an end of stream comes with a picture"] {
            report.assert_violation("nvEncEncodePicture", rule);
        }
        assert_eq!(report.violations().len(), 3, "{rule}: {:?}", report.violations());
    }
}

#[test]
fn what_a_registration_may_not_say() {
    for (at, value, rule) in [
        (4, 0, "resourceType is not that of a CUDA device pointer"),
        (8, 1282, "larger than the session's maximum"),
        (12, 0, "larger than the session's maximum"),
        (24, 64, "no device memory"),
        (40, 0x1000, "bufferFormat is no format that goes in"),
        (44, 1, "bufferUsage is not that of an input image"),
        (48, 1, "reserved bytes 48..56"),
    ] {
        let client = Client::new(API_12_1);
        let session = client.session(WIDTH, HEIGHT);
        let memory = client.device_memory(SURFACE_BYTES);
        let mut register = client.register_struct(memory, WIDTH, HEIGHT, WIDTH);
        register.put(at, value);
        if at == 24 {
            register.put(28, 0);
        }
        assert_ne!(client.nv(slot::REGISTER, &[session.handle, register.at()]), 0, "{rule}");
        client.destroy(&session);
        assert_eq!(client.cu("cuMemFree_v2", &[memory]), 0);
        client.finish();
        client.stage.report().assert_violation("nvEncRegisterResource", rule);
    }
}

#[test]
fn what_is_registered_and_mapped_is_given_back_in_turn() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let handle = ready.session.handle;
    let mut map = client.struct_of(Kind::Map);
    map.put_long(16, ready.registered as u64);
    assert_eq!(client.nv(slot::MAP, &[handle, map.at()]), 16);
    map.put_long(16, 1);
    assert_eq!(client.nv(slot::MAP, &[handle, map.at()]), 24);
    assert_eq!(client.nv(slot::UNREGISTER, &[handle, ready.registered]), 9);
    assert_eq!(client.nv(slot::UNREGISTER, &[handle, 1]), 24);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[handle, 1]), 8);
    let mut lock = client.struct_of(Kind::Lock);
    lock.put_long(8, 1);
    assert_eq!(client.nv(slot::LOCK, &[handle, lock.at()]), 8);
    assert_eq!(client.nv(slot::INITIALIZE, &[handle, ready.session.init.at()]), 9);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    for (function, rule) in [
        ("nvEncMapInputResource", "a resource is mapped twice"),
        ("nvEncMapInputResource", "mapped that is not registered"),
        ("nvEncUnregisterResource", "unregistered while it is mapped"),
        ("nvEncUnregisterResource", "unregistered that is not registered"),
        ("nvEncDestroyBitstreamBuffer", "destroyed that does not exist"),
        ("nvEncLockBitstream", "locked that does not exist"),
        ("nvEncInitializeEncoder", "initialised twice"),
    ] {
        report.assert_violation(function, rule);
    }
}

#[test]
fn an_output_buffer_is_not_destroyed_under_its_user() {
    for is_locked in [true, false] {
        let client = Client::new(API_12_1);
        let ready = client.ready();
        let handle = ready.session.handle;
        assert_eq!(client.submit(&ready, 0, 0), 0);
        if is_locked {
            let mut lock = client.struct_of(Kind::Lock);
            lock.put_long(8, ready.output as u64);
            assert_eq!(client.nv(slot::LOCK, &[handle, lock.at()]), 0);
        }
        assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[handle, ready.output]), 0);
        client.end_of_stream(&ready.session);
        assert_eq!(client.nv(slot::UNMAP, &[handle, ready.mapped]), 0);
        assert_eq!(client.nv(slot::UNREGISTER, &[handle, ready.registered]), 0);
        client.destroy(&ready.session);
        assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 0);
        client.finish();
        let rule = if is_locked { "destroyed while it is locked" } else { "a picture that nobody took" };
        client.stage.report().assert_violation("nvEncDestroyBitstreamBuffer", rule);
    }
}

#[test]
fn input_buffers_are_written_under_their_lock_and_destroyed_once() {
    let client = Client::new(API_12_1);
    let session = client.session(WIDTH, HEIGHT);
    let handle = session.handle;
    let mut create = client.struct_of(Kind::Input);
    for (width, format, status) in [(WIDTH, 0x1000, 12), (2000, client::NV12, 8), (WIDTH, client::NV12, 0)] {
        create.put(4, width).put(8, HEIGHT).put(16, format);
        assert_eq!(client.nv(slot::CREATE_INPUT, &[handle, create.at()]), status);
    }
    let (input, output) = (create.get_long(24) as usize, client.bitstream(&session));
    // Its word is that of the other structs of the first version.
    let mut lock = client.struct_of(Kind::Input);
    lock.put_long(8, input as u64);
    assert_eq!(client.nv(slot::LOCK_INPUT, &[handle, lock.at()]), 0);
    let (address, pitch) = (lock.get_long(16) as usize, lock.get(24));
    assert_eq!(client.nv(slot::LOCK_INPUT, &[handle, lock.at()]), 9);
    let picture = client.picture(&session, input, output, pitch, 0);
    assert_eq!(client.encode(&session, &picture), 9);
    assert_eq!(client.nv(slot::UNLOCK_INPUT, &[handle, input]), 0);
    assert_eq!(client.nv(slot::UNLOCK_INPUT, &[handle, input]), 8);
    d264_double_common::pointer::Bytes::new(address, 1).fill(9);
    let other_pitch = client.picture(&session, input, output, pitch * 2, 0);
    assert_eq!(client.encode(&session, &other_pitch), 8);
    assert_eq!(client.encode(&session, &picture), 0);
    assert_eq!(client.nv(slot::LOCK_INPUT, &[handle, lock.at()]), 13);
    client.take(&session, output).unwrap();
    assert_eq!(client.nv(slot::LOCK_INPUT, &[handle, lock.at()]), 0);
    assert_eq!(client.nv(slot::DESTROY_INPUT, &[handle, input]), 0);
    assert_eq!(client.nv(slot::DESTROY_INPUT, &[handle, input]), 8);
    assert_eq!(client.nv(slot::LOCK_INPUT, &[handle, lock.at()]), 8);
    client.end_of_stream(&session);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[handle, output]), 0);
    client.destroy(&session);
    client.finish();
    let report = client.stage.report();
    for (function, rule) in [
        ("nvEncCreateInputBuffer", "bufferFmt is no format that goes in"),
        ("nvEncCreateInputBuffer", "larger than the session's maximum"),
        ("nvEncLockInputBuffer", "locked twice"),
        ("nvEncLockInputBuffer", "while its picture is in flight"),
        ("nvEncLockInputBuffer", "locked that does not exist"),
        ("nvEncEncodePicture", "encoded while it is locked"),
        ("nvEncEncodePicture", "format or pitch are not those of the input buffer"),
        ("nvEncEncodePicture", "written to after it was unlocked"),
        ("nvEncUnlockInputBuffer", "unlocked that is not locked"),
        ("nvEncDestroyInputBuffer", "destroyed while it is locked"),
        ("nvEncDestroyInputBuffer", "destroyed that does not exist"),
    ] {
        report.assert_violation(function, rule);
    }
}

/// All but what only asks.
#[test]
fn the_context_is_current_in_every_call_of_a_session() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    assert_eq!(client.submit(&ready, 0, 0), 0);
    let handle = ready.session.handle;
    let mut lock = client.struct_of(Kind::Lock);
    lock.put_long(8, ready.output as u64);
    assert_eq!(client.nv(slot::LOCK, &[handle, lock.at()]), 0);
    let mut popped = 0_usize;
    assert_eq!(client.cu("cuCtxPopCurrent_v2", &[&raw mut popped as usize]), 0);
    let mut ask = client.struct_of(Kind::Caps);
    ask.put(4, 45);
    let mut value = 0_i32;
    let [first, second] = client::H264;
    let asked = client.nv(slot::CAPS, &[handle, first, second, ask.at(), &raw mut value as usize]);
    assert_eq!(asked, 0);
    let calls = [
        (slot::RECONFIGURE, "nvEncReconfigureEncoder", 4),
        (slot::SET_STREAMS, "nvEncSetIOCudaStreams", 4),
        (slot::CREATE_INPUT, "nvEncCreateInputBuffer", 4),
        (slot::CREATE_BITSTREAM, "nvEncCreateBitstreamBuffer", 4),
        (slot::REGISTER, "nvEncRegisterResource", 4),
        (slot::MAP, "nvEncMapInputResource", 4),
        (slot::LOCK_INPUT, "nvEncLockInputBuffer", 4),
        (slot::LOCK, "nvEncLockBitstream", 4),
        (slot::INVALIDATE, "nvEncInvalidateRefFrames", 4),
    ];
    for (slot, name, status) in calls {
        assert_eq!(client.nv(slot, &[handle, 0]), status, "{name}");
    }
    // What gives something back does so all the same.
    assert_eq!(client.nv(slot::UNLOCK, &[handle, ready.output]), 0);
    assert_eq!(client.cu("cuCtxPushCurrent_v2", &[client.context]), 0);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    for name in calls.map(|(_, name, _)| name).into_iter().chain(["nvEncUnlockBitstream"]) {
        report.assert_violation(name, "context is not current");
    }
    assert_eq!(report.violations().len(), 10, "{:?}", report.violations());
}

#[test]
fn the_text_of_the_last_error_is_counted_and_can_be_missing() {
    let client = Client::new(API_12_1);
    let handle = client.open().unwrap();
    client.stage.set("FAULT=nvEncGetLastErrorString:2=20\nTRACE=100");
    assert_ne!(client.nv(slot::LAST_ERROR, &[handle]), 0);
    assert_eq!(client.nv(slot::LAST_ERROR, &[handle]), 0);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
    let report = client.stage.report();
    assert_eq!((report.calls("nvEncGetLastErrorString"), report.faults("nvEncGetLastErrorString")), (2, 1));
    assert_eq!(report.trace().iter().filter(|(name, _)| name == "nvEncGetLastErrorString").count(), 2);
    report.assert_clean("a client that asks what went wrong");
}
