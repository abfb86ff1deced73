//! Mistakes of a client: the double answers them as the driver would, and reports them in words.

mod client;

use client::{API_12_1, Client, HEIGHT, Kind, SURFACE_BYTES, Struct, WIDTH, slot};

#[test]
fn a_session_in_good_order_is_clean_in_every_api_version() {
    for version in 0..4 {
        let client = Client::new(version);
        let ready = client.ready();
        for timestamp in 0..5 {
            assert_eq!(client.submit(&ready, 0, 1000 + timestamp), 0);
            let (lock, bytes) = client.take(&ready.session, ready.output).unwrap();
            assert_eq!(lock.get_long(40), 1000 + timestamp);
            assert_eq!(lock.get(64), if timestamp == 0 { 3 } else { 0 });
            assert_eq!(bytes[..4], [0, 0, 0, 1]);
        }
        client.put_away(ready);
        client.finish();
        client.stage.report().assert_clean("a client in good order");
    }
}

#[test]
fn a_wrong_version_word_is_refused() {
    let client = Client::new(API_12_1);
    let handle = client.open().unwrap();
    let (_config, mut init) = client.settings(WIDTH, HEIGHT, 1_000_000);
    init.put(0, 0xf005_000c);
    assert_eq!(client.nv(slot::INITIALIZE, &[handle, init.at()]), 15);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
    client
        .stage
        .report()
        .assert_violation("nvEncInitializeEncoder", "version word 0xf005000c, not 0xf106000c");
}

#[test]
fn a_reserved_field_must_be_zero() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let mut picture = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, 0);
    picture.put(2000, 1);
    assert_eq!(client.encode(&ready.session, &picture), 8);
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_violation("nvEncEncodePicture", "reserved bytes 1768..2904");
}

#[test]
fn another_client_with_another_api_version_decides_for_all() {
    let mut client = Client::new(API_12_1);
    let mut other = Struct::zeroed();
    other.put(0, 2 << 16 | 7 << 28 | 11);
    // SAFETY: the function of that name takes the list.
    #[expect(unsafe_code, reason = "a C function by name")]
    let create: extern "C" fn(usize) -> u32 =
        unsafe { client.stage.nvenc().function("NvEncodeAPICreateInstance") };
    let mut list = vec![0_u64; 319];
    list[0] = u64::from(other.get(0));
    assert_eq!(create(list.as_ptr() as usize), 0);
    assert_eq!(client.open(), Err(15));
    client.create_instance();
    let handle = client.open().unwrap();
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
    client.stage.report().assert_clean("a client that created its instance anew");
}

#[test]
fn an_api_newer_than_the_driver_is_refused() {
    let client = Client::new(API_12_1);
    client.stage.set("API=12.0");
    assert_eq!(client.open(), Err(15));
    client.finish();
}

#[test]
fn no_handle_and_a_false_one_are_told_apart_from_a_good_one() {
    let client = Client::new(API_12_1);
    assert_eq!(client.nv(slot::DESTROY, &[0]), 3);
    assert_eq!(client.stage.report().violations(), []);
    assert_eq!(client.nv(slot::DESTROY, &[0x1234]), 3);
    client.finish();
    client.stage.report().assert_violation("nvEncDestroyEncoder", "no open session");
}

#[test]
fn an_input_is_of_no_use_after_it_was_unmapped() {
    let client = Client::new(API_12_1);
    let mut ready = client.ready();
    assert_eq!(client.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 0);
    assert_eq!(client.submit(&ready, 0, 0), 8);
    assert_eq!(client.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 25);
    ready.mapped = client.map(&ready.session, ready.registered);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncEncodePicture", "neither an input buffer nor a mapped resource");
    report.assert_violation("nvEncUnmapInputResource", "not mapped");
}

#[test]
fn a_surface_is_not_unmapped_while_it_is_encoded() {
    let client = Client::new(API_12_1);
    let mut ready = client.ready();
    assert_eq!(client.submit(&ready, 0, 0), 0);
    assert_eq!(client.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 0);
    client.take(&ready.session, ready.output).unwrap();
    ready.mapped = client.map(&ready.session, ready.registered);
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_violation("nvEncUnmapInputResource", "in flight");
}

#[test]
fn destroying_with_resources_alive_is_reported() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    assert_eq!(client.submit(&ready, 0, 0), 0);
    client.destroy(&ready.session);
    assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 0);
    client.finish();
    let report = client.stage.report();
    for words in ["1 bitstream buffers", "1 mapped", "1 registered", "pictures in flight", "end of stream"] {
        report.assert_violation("nvEncDestroyEncoder", words);
    }
}

#[test]
fn the_context_must_be_current() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let mut popped = 0_usize;
    assert_eq!(client.cu("cuCtxPopCurrent_v2", &[&raw mut popped as usize]), 0);
    assert_eq!(client.submit(&ready, 0, 0), 4);
    let mut address = 0_usize;
    assert_eq!(client.cu("cuMemAlloc_v2", &[&raw mut address as usize, 16]), 201);
    assert_eq!(client.cu("cuCtxPushCurrent_v2", &[client.context]), 0);
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_violation("nvEncEncodePicture", "context is not current");
}

#[test]
fn a_pitch_that_is_no_multiple_of_four_or_too_small_is_refused() {
    let client = Client::new(API_12_1);
    let session = client.session(WIDTH, HEIGHT);
    let memory = client.device_memory(SURFACE_BYTES * 2);
    for pitch in [322, 316] {
        let register = client.register_struct(memory, WIDTH, HEIGHT, pitch);
        assert_eq!(client.nv(slot::REGISTER, &[session.handle, register.at()]), 8);
    }
    let past_the_end = client.register_struct(memory, WIDTH, HEIGHT, 1024);
    assert_eq!(client.nv(slot::REGISTER, &[session.handle, past_the_end.at()]), 8);
    client.destroy(&session);
    assert_eq!(client.cu("cuMemFree_v2", &[memory]), 0);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncRegisterResource", "multiple of 4");
    report.assert_violation("nvEncRegisterResource", "past the end");
}

#[test]
fn stream_ordered_memory_cannot_be_registered() {
    let client = Client::new(API_12_1);
    let session = client.session(WIDTH, HEIGHT);
    let mut memory = 0_usize;
    assert_eq!(client.cu("cuMemAllocAsync", &[&raw mut memory as usize, SURFACE_BYTES, 0]), 0);
    let register = client.register_struct(memory, WIDTH, HEIGHT, WIDTH);
    assert_eq!(client.nv(slot::REGISTER, &[session.handle, register.at()]), 23);
    let mut pool = 0_usize;
    assert_eq!(client.cu("cuPointerGetAttribute", &[&raw mut pool as usize, 17, memory]), 0);
    assert_ne!(pool, 0);
    client.destroy(&session);
    assert_eq!(client.cu("cuMemFreeAsync", &[memory, 0]), 0);
    client.finish();
    client.stage.report().assert_clean("a client that finds out by trying");
}

#[test]
fn an_output_buffer_is_used_in_turn() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    assert_eq!(client.take(&ready.session, ready.output).err(), Some(9));
    assert_eq!(client.submit(&ready, 0, 0), 0);
    assert_eq!(client.submit(&ready, 0, 1), 9);
    let mut lock = client.struct_of(Kind::Lock);
    lock.put_long(8, ready.output as u64);
    assert_eq!(client.nv(slot::LOCK, &[ready.session.handle, lock.at()]), 0);
    assert_eq!(client.nv(slot::LOCK, &[ready.session.handle, lock.at()]), 9);
    assert_eq!(client.submit(&ready, 0, 1), 9);
    assert_eq!(client.nv(slot::UNLOCK, &[ready.session.handle, ready.output]), 0);
    assert_eq!(client.nv(slot::UNLOCK, &[ready.session.handle, ready.output]), 8);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncLockBitstream", "no picture was submitted");
    report.assert_violation("nvEncLockBitstream", "locked twice");
    report.assert_violation("nvEncEncodePicture", "before it is locked");
    report.assert_violation("nvEncEncodePicture", "before it is unlocked");
    report.assert_violation("nvEncUnlockBitstream", "not locked");
}

#[test]
fn registered_memory_is_not_freed() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 0);
    client.end_of_stream(&ready.session);
    assert_eq!(client.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 0);
    assert_eq!(client.nv(slot::UNREGISTER, &[ready.session.handle, ready.registered]), 0);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[ready.session.handle, ready.output]), 0);
    client.destroy(&ready.session);
    client.finish();
    client.stage.report().assert_violation("cuMemFree", "registered with the encoder");
}

#[test]
fn sizes_outside_the_capabilities_are_refused() {
    let client = Client::new(API_12_1);
    for (width, height) in [(144, 64), (320, 48), (5000, 720), (321, 192)] {
        let handle = client.open().unwrap();
        let (_config, mut init) = client.settings(width, height, 1_000_000);
        init.put(96, 0).put(100, 0);
        assert_eq!(client.nv(slot::INITIALIZE, &[handle, init.at()]), 8, "{width}x{height}");
        assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    }
    client.finish();
}
