//! The rules of completion events, each broken once. Elsewhere than on Windows the double takes any number for an event.
#![cfg(not(windows))]
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

mod client;

use client::{API_12_1, Client, HEIGHT, Kind, Ready, SURFACE_BYTES, Session, Struct, WIDTH, slot};

const REGISTER_EVENT: usize = 23;
const UNREGISTER_EVENT: usize = 24;

const EVENT: u64 = 0x40;
const END: u64 = 0x44;

/// A client on a driver with events.
fn client() -> Client {
    let client = Client::new(API_12_1);
    client.stage.set("CAPS=ASYNC_ENCODE_SUPPORT=1");
    client
}

/// A session with or without events, and what a picture needs.
fn ready(client: &Client, with_events: bool) -> Ready {
    let handle = client.open().unwrap();
    let (config, mut init) = client.settings(WIDTH, HEIGHT, 2_000_000);
    init.put(60, u32::from(with_events));
    assert_eq!(client.nv(slot::INITIALIZE, &[handle, init.at()]), 0);
    let session = Session { handle, config, init };
    let output = client.bitstream(&session);
    let memory = client.device_memory(SURFACE_BYTES);
    assert_eq!(client.cu("cuMemsetD8_v2", &[memory, 100, SURFACE_BYTES]), 0);
    assert_eq!(client.cu("cuStreamSynchronize", &[0]), 0);
    let registered = client.register(&session, memory, WIDTH, HEIGHT);
    let mapped = client.map(&session, registered);
    Ready { session, memory, registered, mapped, output }
}

/// The struct of a call about an event, which has the struct version of that about a capability.
fn event_struct(client: &Client, event: u64) -> Struct {
    let mut params = client.struct_of(Kind::Caps);
    params.put_long(8, event);
    params
}

fn event_call(client: &Client, ready: &Ready, slot: usize, event: u64) -> u32 {
    client.nv(slot, &[ready.session.handle, event_struct(client, event).at()])
}

fn submit(client: &Client, ready: &Ready, event: u64) -> u32 {
    let mut picture = client.picture(&ready.session, ready.mapped, ready.output, WIDTH, 0);
    picture.put_long(56, event);
    client.encode(&ready.session, &picture)
}

fn put_away(client: &Client, ready: Ready, event: u64) {
    let mut end = client.struct_of(Kind::Picture);
    end.put(16, 8).put_long(56, event);
    assert_eq!(client.encode(&ready.session, &end), 0);
    for event in [EVENT, END].into_iter().filter(|_| event != 0) {
        assert_eq!(event_call(client, &ready, UNREGISTER_EVENT, event), 0);
    }
    assert_eq!(client.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 0);
    assert_eq!(client.nv(slot::UNREGISTER, &[ready.session.handle, ready.registered]), 0);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[ready.session.handle, ready.output]), 0);
    client.destroy(&ready.session);
    assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 0);
}

fn with_events(body: impl FnOnce(&Client, &Ready)) -> Client {
    let client = client();
    let ready = ready(&client, true);
    for event in [EVENT, END] {
        assert_eq!(event_call(&client, &ready, REGISTER_EVENT, event), 0);
    }
    body(&client, &ready);
    put_away(&client, ready, END);
    client
}

#[test]
fn a_client_that_keeps_the_rules_leaves_a_clean_report() {
    let client = with_events(|client, ready| {
        for _ in 0..2 {
            assert_eq!(submit(client, ready, EVENT), 0);
            assert!(!client.take(&ready.session, ready.output).unwrap().1.is_empty());
        }
    });
    client.finish();
    client.stage.report().assert_clean("a client with events");
}

#[test]
fn an_event_that_is_missing_unknown_or_too_many_is_a_broken_rule() {
    let client = with_events(|client, ready| {
        assert_eq!(submit(client, ready, 0), 7);
        assert_eq!(submit(client, ready, 0x48), 19);
        assert_eq!(event_call(client, ready, REGISTER_EVENT, EVENT), 7);
        assert_eq!(event_call(client, ready, REGISTER_EVENT, 0), 7);
        assert_eq!(event_call(client, ready, UNREGISTER_EVENT, 0x48), 19);
    });
    let without = ready(&client, false);
    assert_eq!(submit(&client, &without, EVENT), 7);
    put_away(&client, without, 0);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncEncodePicture", "is given no completion event");
    report.assert_violation("nvEncEncodePicture", "that is not registered");
    report.assert_violation("nvEncEncodePicture", "in a session without events");
    report.assert_violation("nvEncRegisterAsyncEvent", "registered twice");
    report.assert_violation("nvEncRegisterAsyncEvent", "to register is none");
    report.assert_violation("nvEncUnregisterAsyncEvent", "that is not registered");
    assert_eq!(report.violations().len(), 6, "{:?}", report.violations());
}

#[test]
fn a_lock_before_the_event_hands_out_half_a_picture() {
    let mut whole = 0;
    let client = with_events(|client, ready| {
        assert_eq!(submit(client, ready, EVENT), 0);
        whole = client.take(&ready.session, ready.output).unwrap().1.len();
    });
    client.finish();
    drop(client);
    let client = with_events(|client, ready| {
        client.stage.set("FAULT=nvEncEncodePicture:1=silent");
        assert_eq!(submit(client, ready, EVENT), 0);
        let half = client.take(&ready.session, ready.output).unwrap().1.len();
        assert_eq!(half, whole / 2);
        assert_eq!(submit(client, ready, EVENT), 7);
    });
    client.finish();
    let report = client.stage.report();
    report.assert_violation("nvEncLockBitstream", "before its completion event");
    report.assert_violation("nvEncEncodePicture", "before it was signalled for another");
    assert_eq!(report.violations().len(), 2, "{:?}", report.violations());
}

#[test]
fn an_event_that_is_left_is_told() {
    let client = client();
    let ready = ready(&client, true);
    assert_eq!(event_call(&client, &ready, REGISTER_EVENT, EVENT), 0);
    assert_eq!(
        client.stage.report().leaks().iter().filter(|(what, _)| what == "completion_events").count(),
        1
    );
    assert_eq!(event_call(&client, &ready, REGISTER_EVENT, END), 0);
    put_away(&client, ready, END);
    client.finish();
}

#[test]
fn a_driver_without_events_does_not_know_the_calls() {
    let client = Client::new(API_12_1);
    let ready = ready(&client, false);
    assert_eq!(event_call(&client, &ready, REGISTER_EVENT, EVENT), 22);
    put_away(&client, ready, 0);
    client.finish();
    client.stage.report().assert_clean("a client that asks for events in vain");
}
