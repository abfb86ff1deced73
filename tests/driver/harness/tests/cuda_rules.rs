//! Each rule of the CUDA half about the life of things is broken once, and found broken.

mod client;

use client::{API_12_1, Client, SURFACE_BYTES, slot};

fn made(client: &Client, function: &str, more: &[usize]) -> usize {
    let mut made = 0_usize;
    let arguments: Vec<usize> = [&raw mut made as usize].into_iter().chain(more.iter().copied()).collect();
    assert_eq!(client.cu(function, &arguments), 0, "{function}");
    made
}

#[test]
fn a_stream_outlives_the_session_that_works_on_it() {
    for is_early in [true, false] {
        let client = Client::new(API_12_1);
        let ready = client.ready();
        let stream = made(&client, "cuStreamCreate", &[1]);
        let pointer = &raw const stream as usize;
        assert_eq!(client.nv(slot::SET_STREAMS, &[ready.session.handle, pointer, pointer]), 0);
        if is_early {
            assert_eq!(client.cu("cuStreamDestroy_v2", &[stream]), 0);
        }
        client.put_away(ready);
        if !is_early {
            assert_eq!(client.cu("cuStreamDestroy_v2", &[stream]), 0);
        }
        client.finish();
        let report = client.stage.report();
        if is_early {
            report.assert_violation("cuStreamDestroy", "an encode session still works on");
        } else {
            report.assert_clean("a client that ends its stream last");
        }
    }
}

#[test]
fn a_context_ends_empty() {
    let client = Client::new(API_12_1);
    let context = made(&client, "cuCtxCreate_v2", &[0, 0]);
    made(&client, "cuMemAlloc_v2", &[SURFACE_BYTES]);
    made(&client, "cuMemHostAlloc", &[64, 0]);
    made(&client, "cuStreamCreate", &[1]);
    made(&client, "cuEventCreate", &[2]);
    let own = client.context;
    let mut inside = client;
    inside.context = context;
    let handle = inside.open().unwrap();
    assert_eq!(inside.cu("cuCtxDestroy_v2", &[context]), 0);
    // What is left of the session is a handle; the context that it would want is gone.
    assert_eq!(inside.nv(slot::DESTROY, &[handle]), 0);
    inside.context = own;
    inside.finish();
    let report = inside.stage.report();
    report.assert_violation("cuCtxDestroy", "while an encode session lives in it");
    report.assert_violation(
        "cuCtxDestroy",
        "1 device allocations, 1 page-locked ones, 1 streams and 1 events alive",
    );
}

/// Calls with arguments that make no sense: the answer of each, and the rule that it breaks.
#[test]
fn what_does_not_exist_is_neither_used_nor_given_back() {
    let client = Client::new(API_12_1);
    let mut pitched = [0_usize; 2];
    let [address, pitch] = [0, 1].map(|place| &raw mut pitched[place] as usize);
    let host = [0_u8; 64];
    let bytes = host.as_ptr() as usize;
    assert_eq!(client.cu("cuMemHostRegister_v2", &[bytes, 64, 0]), 0);
    let memory = client.device_memory(64);
    for (symbol, arguments, status, rule) in [
        ("cuDevicePrimaryCtxRelease_v2", &[5][..], 101, ""),
        ("cuCtxDestroy_v2", &[client.context], 1, "destroyed instead of released"),
        ("cuCtxPushCurrent_v2", &[1], 201, "a context is pushed that does not exist"),
        ("cuStreamDestroy_v2", &[1234], 400, "a stream is destroyed that does not exist"),
        ("cuStreamSynchronize", &[1234], 400, "a stream is used that does not exist"),
        ("cuEventDestroy_v2", &[1234], 400, "an event is destroyed that does not exist"),
        ("cuMemFreeHost", &[bytes], 1, "never page-locked in this way"),
        ("cuMemHostUnregister", &[bytes + 8], 713, "never page-locked in this way"),
        ("cuMemHostRegister_v2", &[bytes + 8, 8, 0], 712, "page-locked already"),
        ("cuMemAllocPitch_v2", &[address, pitch, 64, 64, 5], 1, "the element size is none of"),
        ("cuMemcpyHtoD_v2", &[memory, memory, 1], 1, "where a host address is due"),
    ] {
        assert_eq!(client.cu(symbol, arguments), status, "{symbol}");
        let function = symbol.trim_end_matches("_v2");
        if !rule.is_empty() {
            client.stage.report().assert_violation(function, rule);
        }
    }
    assert_eq!(client.cu("cuMemHostUnregister", &[bytes]), 0);
    assert_eq!(client.cu("cuMemFree_v2", &[memory]), 0);
    client.finish();
    // Nothing is retained or current any more.
    assert_eq!(client.cu("cuDevicePrimaryCtxRelease_v2", &[0]), 201);
    let mut popped = 0_usize;
    assert_eq!(client.cu("cuCtxPopCurrent_v2", &[&raw mut popped as usize]), 201);
    let report = client.stage.report();
    report.assert_violation("cuDevicePrimaryCtxRelease", "more often than retained");
    report.assert_violation("cuCtxPopCurrent", "popped off a thread that has none");
}

#[test]
fn memory_whose_release_is_queued_is_not_used_any_more() {
    let client = Client::new(API_12_1);
    let memory = made(&client, "cuMemAllocAsync", &[64, 0]);
    assert_eq!(client.cu("cuMemFreeAsync", &[memory, 0]), 0);
    assert_eq!(client.cu("cuMemFreeAsync", &[memory, 0]), 1);
    let byte = 0_u8;
    assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[memory, &raw const byte as usize, 1, 0]), 1);
    assert_eq!(client.cu("cuCtxSynchronize", &[]), 0);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("cuMemFreeAsync", "freed twice");
    report.assert_violation("cuMemcpyHtoDAsync", "after its release was queued");
}

#[test]
fn streams_and_events_stay_in_their_context() {
    let client = Client::new(API_12_1);
    let (stream, event) = (made(&client, "cuStreamCreate", &[1]), made(&client, "cuEventCreate", &[2]));
    let other = made(&client, "cuCtxCreate_v2", &[0, 0]);
    assert_eq!(client.cu("cuStreamSynchronize", &[stream]), 400);
    assert_eq!(client.cu("cuEventRecord", &[event, 0]), 400);
    assert_eq!(client.cu("cuCtxDestroy_v2", &[other]), 0);
    assert_eq!(client.cu("cuEventDestroy_v2", &[event]), 0);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[stream]), 0);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("cuStreamSynchronize", "another context than its own is current");
    report.assert_violation("cuEventRecord", "on a stream of another context");
}
