//! The double does the work of the GPU as late as CUDA may: an early reader gets wrong pixels and is reported.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

mod client;

use client::{API_12_1, Client, Ready, SURFACE_BYTES, slot};
use d264_double_common::pointer::Bytes;

const NON_BLOCKING: usize = 1;

fn stream(client: &Client) -> usize {
    let mut made = 0_usize;
    assert_eq!(client.cu("cuStreamCreate", &[&raw mut made as usize, NON_BLOCKING]), 0);
    made
}

fn pinned(client: &Client, len: usize, value: u8) -> usize {
    let mut made = 0_usize;
    assert_eq!(client.cu("cuMemHostAlloc", &[&raw mut made as usize, len, 0]), 0);
    Bytes::new(made, len).fill(value);
    made
}

fn bytes(address: usize, len: usize) -> Vec<u8> {
    let mut read = vec![0; len];
    Bytes::new(address, len).read(&mut read);
    read
}

/// The size of the picture that comes out, which tells noise from grey.
fn encoded(client: &Client, ready: &Ready, timestamp: u64) -> usize {
    assert_eq!(client.submit(ready, 2, timestamp), 0);
    client.take(&ready.session, ready.output).unwrap().1.len()
}

#[test]
fn a_download_that_is_not_waited_for_has_not_happened() {
    let client = Client::new(API_12_1);
    let (on, device, host) = (stream(&client), client.device_memory(64), pinned(&client, 64, 7));
    assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[device, host, 64, on]), 0);
    assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
    Bytes::new(host, 64).fill(0);
    assert_eq!(client.cu("cuMemcpyDtoHAsync_v2", &[host, device, 64, on]), 0);
    assert_ne!(bytes(host, 64), [7; 64]);
    assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
    assert_eq!(bytes(host, 64), [7; 64]);
    assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
    assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
    client.finish();
    client.stage.report().assert_clean("a client that waits");
}

#[test]
fn an_allocation_waits_for_the_device() {
    let client = Client::new(API_12_1);
    let (on, device, host) = (stream(&client), client.device_memory(64), pinned(&client, 64, 7));
    assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[device, host, 64, on]), 0);
    assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
    Bytes::new(host, 64).fill(0);
    assert_eq!(client.cu("cuMemcpyDtoHAsync_v2", &[host, device, 64, on]), 0);
    let other = client.device_memory(64);
    assert_eq!(bytes(host, 64), [7; 64]);
    for memory in [device, other] {
        assert_eq!(client.cu("cuMemFree_v2", &[memory]), 0);
    }
    assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
    client.finish();
    client.stage.report().assert_clean("an allocation behind a copy");
}

#[test]
fn a_source_that_changes_too_soon_is_noticed() {
    let client = Client::new(API_12_1);
    let (on, device, host) = (stream(&client), client.device_memory(64), pinned(&client, 64, 7));
    assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[device, host, 64, on]), 0);
    Bytes::new(host, 64).fill(8);
    assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
    assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
    assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
    client.finish();
    client.stage.report().assert_violation("cuMemcpyHtoDAsync", "changed before the copy was waited for");
}

#[test]
fn page_locked_memory_is_not_freed_under_a_copy() {
    let client = Client::new(API_12_1);
    let (on, device, host) = (stream(&client), client.device_memory(64), pinned(&client, 64, 7));
    assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[device, host, 64, on]), 0);
    assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
    assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
    client.finish();
    client.stage.report().assert_violation("cuMemFreeHost", "may still run");
}

#[test]
fn two_streams_need_an_event_between_them() {
    for with_event in [false, true] {
        let client = Client::new(API_12_1);
        let (one, two, device) = (stream(&client), stream(&client), client.device_memory(64));
        let mut event = 0_usize;
        assert_eq!(client.cu("cuEventCreate", &[&raw mut event as usize, 2]), 0);
        assert_eq!(client.cu("cuMemsetD8Async", &[device, 5, 64, one]), 0);
        if with_event {
            assert_eq!(client.cu("cuEventRecord", &[event, one]), 0);
            assert_eq!(client.cu("cuStreamWaitEvent", &[two, event, 0]), 0);
        }
        let mut read = [0_u8; 64];
        assert_eq!(client.cu("cuMemcpyDtoHAsync_v2", &[read.as_mut_ptr() as usize, device, 64, two]), 0);
        assert_eq!(client.cu("cuStreamSynchronize", &[two]), 0);
        assert_eq!(read == [5; 64], with_event);
        assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
        assert_eq!(client.cu("cuEventDestroy_v2", &[event]), 0);
        assert_eq!(client.cu("cuStreamDestroy_v2", &[one]), 0);
        assert_eq!(client.cu("cuStreamDestroy_v2", &[two]), 0);
        client.finish();
        let report = client.stage.report();
        if with_event {
            report.assert_clean("a client with an event");
        } else {
            report.assert_violation("cuMemcpyDtoHAsync", "without waiting for it");
        }
    }
}

#[test]
fn the_encoder_waits_for_its_input_stream_and_for_no_other() {
    for told in [false, true] {
        let client = Client::new(API_12_1);
        let ready = client.ready();
        let (on, host) = (stream(&client), pinned(&client, SURFACE_BYTES, 0));
        let noise: Vec<u8> =
            (0..SURFACE_BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Bytes::new(host, SURFACE_BYTES).write(&noise);
        let grey = encoded(&client, &ready, 0);
        if told {
            let pointer = &raw const on as usize;
            assert_eq!(client.nv(slot::SET_STREAMS, &[ready.session.handle, pointer, pointer]), 0);
        }
        assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[ready.memory, host, SURFACE_BYTES, on]), 0);
        let after = encoded(&client, &ready, 1);
        assert_eq!(after > grey * 4, told, "{grey} and {after} bytes");
        assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
        client.put_away(ready);
        assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
        assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
        client.finish();
        let report = client.stage.report();
        if told {
            report.assert_clean("a client that names its stream");
        } else {
            report.assert_violation("nvEncEncodePicture", "without waiting for it");
        }
    }
}

#[test]
fn a_surface_is_not_written_while_it_is_encoded() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let on = stream(&client);
    assert_eq!(client.submit(&ready, 0, 0), 0);
    assert_eq!(client.cu("cuMemsetD8Async", &[ready.memory, 1, 64, on]), 0);
    client.take(&ready.session, ready.output).unwrap();
    assert_eq!(client.cu("cuStreamSynchronize", &[on]), 0);
    client.put_away(ready);
    assert_eq!(client.cu("cuStreamDestroy_v2", &[on]), 0);
    client.finish();
    client.stage.report().assert_violation("cuMemsetD8Async", "nvEncEncodePicture reads");
}

/// The next picture's upload begins while one is encoded only where the encoder's output does not hold up its stream.
#[test]
fn a_copy_behind_a_picture_in_flight_is_counted() {
    for on_the_encoders_stream in [false, true] {
        let client = Client::new(API_12_1);
        let ready = client.ready();
        let (of_encoder, other) = (stream(&client), stream(&client));
        let (device, host) = (client.device_memory(64), pinned(&client, 64, 7));
        let pointer = &raw const of_encoder as usize;
        assert_eq!(client.nv(slot::SET_STREAMS, &[ready.session.handle, pointer, pointer]), 0);
        let on = if on_the_encoders_stream { of_encoder } else { other };
        let copy = || assert_eq!(client.cu("cuMemcpyHtoDAsync_v2", &[device, host, 64, on]), 0);
        copy();
        assert_eq!(client.submit(&ready, 2, 0), 0);
        copy();
        client.take(&ready.session, ready.output).unwrap();
        copy();
        let counted = client.stage.report().json()["copies_behind_pictures"].as_u64();
        assert_eq!(counted, Some(u64::from(on_the_encoders_stream)));
        for stream in [of_encoder, other] {
            assert_eq!(client.cu("cuStreamSynchronize", &[stream]), 0);
        }
        client.put_away(ready);
        assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
        assert_eq!(client.cu("cuMemFreeHost", &[host]), 0);
        for stream in [of_encoder, other] {
            assert_eq!(client.cu("cuStreamDestroy_v2", &[stream]), 0);
        }
        client.finish();
        client.stage.report().assert_clean("a client that copies");
    }
}

#[test]
fn copies_stay_inside_their_allocation() {
    let client = Client::new(API_12_1);
    let device = client.device_memory(64);
    let host = [0_u8; 128];
    assert_eq!(client.cu("cuMemcpyHtoD_v2", &[device, host.as_ptr() as usize, 128]), 1);
    assert_eq!(client.cu("cuMemcpyHtoD_v2", &[device + 4096, host.as_ptr() as usize, 1]), 1);
    assert_eq!(client.cu("cuMemFree_v2", &[device]), 0);
    assert_eq!(client.cu("cuMemFree_v2", &[device]), 1);
    client.finish();
    let report = client.stage.report();
    report.assert_violation("cuMemcpyHtoD", "past the end");
    report.assert_violation("cuMemcpyHtoD", "no allocation of the device");
    report.assert_violation("cuMemFree", "no live allocation");
}
