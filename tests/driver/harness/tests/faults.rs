//! The double follows its settings: faults, hangs, limits, latency, other access units, other GPUs.
#![allow(unsafe_code, reason = "forks, and looks at an address that must fault")]

mod client;

use std::time::{Duration, Instant};

use client::{API_11_0, API_12_1, Client, HEIGHT, Kind, NV12, SURFACE_BYTES, WIDTH, slot};
use d264_double::{Double, Report, as_child};

#[test]
fn the_call_that_was_named_fails_and_no_other() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    client.stage.set("FAULT=nvEncEncodePicture:2=20;nvEncLockBitstream:2=77;cuMemcpyHtoD:1=999");
    assert_eq!(client.submit(&ready, 0, 0), 0);
    assert!(client.take(&ready.session, ready.output).is_ok());
    assert_eq!(client.submit(&ready, 0, 1), 20);
    assert_eq!(client.submit(&ready, 0, 2), 0);
    assert_eq!(client.take(&ready.session, ready.output).err(), Some(77));
    assert!(client.take(&ready.session, ready.output).is_ok());
    let byte = 0_u8;
    assert_eq!(client.cu("cuMemcpyHtoD_v2", &[ready.memory, &raw const byte as usize, 1]), 999);
    assert_eq!(client.cu("cuMemcpyHtoD_v2", &[ready.memory, &raw const byte as usize, 1]), 0);
    client.put_away(ready);
    client.finish();
    let report = client.stage.report();
    report.assert_clean("a client that meets faults");
    assert_eq!((report.faults("nvEncEncodePicture"), report.calls("nvEncEncodePicture")), (1, 4));
}

#[test]
fn a_session_that_is_refused_may_yet_have_a_handle() {
    let client = Client::new(API_12_1);
    client.stage.set("FAULT=nvEncOpenEncodeSessionEx:1=10!");
    let mut open = client.struct_of(Kind::Open);
    open.put(4, 1).put_long(8, client.context as u64).put(24, 0x0100_000c);
    let mut handle = 0_usize;
    assert_eq!(client.nv(slot::OPEN, &[open.at(), &raw mut handle as usize]), 10);
    assert_ne!(handle, 0);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
    client.stage.report().assert_clean("a client that destroys what it was given");
}

#[test]
fn what_is_given_back_is_gone_even_if_that_call_fails() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    client.stage.set(
        "FAULT=nvEncUnmapInputResource:1=20;nvEncUnregisterResource:1=20;nvEncDestroyBitstreamBuffer:1=20;\
         nvEncDestroyEncoder:1=20;cuMemFree:1=1",
    );
    client.end_of_stream(&ready.session);
    let handle = ready.session.handle;
    assert_eq!(client.nv(slot::UNMAP, &[handle, ready.mapped]), 20);
    assert_eq!(client.nv(slot::UNREGISTER, &[handle, ready.registered]), 20);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[handle, ready.output]), 20);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 20);
    assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 1);
    client.finish();
    client.stage.report().assert_clean("a client whose every release fails");
}

#[test]
fn a_call_can_hang_until_it_is_let_go() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    client.stage.set("FAULT=nvEncLockBitstream:1=hang120");
    assert_eq!(client.submit(&ready, 0, 0), 0);
    let begun = Instant::now();
    assert!(client.take(&ready.session, ready.output).is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(120));
    client.stage.set("FAULT=nvEncLockBitstream:1=hang");
    assert_eq!(client.submit(&ready, 0, 1), 0);
    let begun = Instant::now();
    std::thread::scope(|threads| {
        let stage = &client.stage;
        threads.spawn(move || {
            std::thread::sleep(Duration::from_millis(80));
            stage.set("FAULT=");
        });
        assert!(client.take(&ready.session, ready.output).is_ok());
    });
    assert!(begun.elapsed() >= Duration::from_millis(80));
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_clean("a client that waits");
}

#[test]
fn an_access_unit_can_be_empty_or_noise() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    client.stage.set("FAULT=nvEncLockBitstream:1=empty;nvEncLockBitstream:2=garbage");
    for timestamp in 0..3 {
        assert_eq!(client.submit(&ready, 0, timestamp), 0);
        let bytes = client.take(&ready.session, ready.output).map(|(_, bytes)| bytes).unwrap_or_default();
        match timestamp {
            0 => assert!(bytes.is_empty()),
            1 => assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0x5a)),
            _ => assert_eq!(bytes[..4], [0, 0, 0, 1]),
        }
    }
    client.put_away(ready);
    client.finish();
}

#[test]
fn a_sticky_error_kills_the_context_and_its_sessions() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    client.stage.set("FAULT=cuMemsetD8:1=700");
    assert_eq!(client.cu("cuMemsetD8_v2", &[ready.memory, 0, 16]), 700);
    assert_eq!(client.cu("cuCtxSynchronize", &[]), 700);
    assert_eq!(client.submit(&ready, 0, 0), 20);
    let handle = ready.session.handle;
    assert_eq!(client.nv(slot::UNMAP, &[handle, ready.mapped]), 0);
    assert_eq!(client.nv(slot::UNREGISTER, &[handle, ready.registered]), 0);
    assert_eq!(client.nv(slot::DESTROY_BITSTREAM, &[handle, ready.output]), 0);
    client.destroy(&ready.session);
    assert_eq!(client.cu("cuMemFree_v2", &[ready.memory]), 700);
    client.finish();
    client.stage.report().assert_clean("a client of a dead context");
}

#[test]
fn sessions_are_limited_with_either_answer() {
    let client = Client::new(API_12_1);
    for status in [10, 21] {
        client.stage.set(&format!("SESSIONS=2\nSESSION_STATUS={status}"));
        let open = [client.open(), client.open()].map(|handle| handle.unwrap_or(0));
        assert_eq!(client.open(), Err(status));
        assert_eq!(client.nv(slot::DESTROY, &[open[0]]), 0);
        let again = client.open().unwrap_or(0);
        for handle in [again, open[1]] {
            assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
        }
    }
    client.finish();
    client.stage.report().assert_clean("a client that asks for too much");
}

#[test]
fn a_picture_takes_as_long_as_it_is_told_to() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    // Longer than the test can take on a busy machine until it asks.
    client.stage.set("LATENCY_US=500000");
    let begun = Instant::now();
    assert_eq!(client.submit(&ready, 0, 0), 0);
    let mut lock = client.struct_of(Kind::Lock);
    lock.put(4, 1).put_long(8, ready.output as u64);
    assert_eq!(client.nv(slot::LOCK, &[ready.session.handle, lock.at()]), 13);
    assert!(client.take(&ready.session, ready.output).is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(500));
    client.put_away(ready);
    client.finish();
}

#[test]
fn an_encode_can_cost_nothing() {
    let client = Client::new(API_12_1);
    client.stage.set("ENCODE=canned\nCHECKS=light");
    let ready = client.ready();
    let mut times = Vec::new();
    for timestamp in 0..2000 {
        let begun = Instant::now();
        assert_eq!(client.submit(&ready, 0, timestamp), 0);
        assert!(client.take(&ready.session, ready.output).is_ok_and(|(_, bytes)| bytes[..4] == [0, 0, 0, 1]));
        times.push(begun.elapsed());
    }
    times.sort();
    assert!(times[1000] < Duration::from_micros(100), "{:?} a picture", times[1000]);
    client.put_away(ready);
    client.finish();
    client.stage.report().assert_clean("a client in a hurry");
}

#[test]
fn many_sessions_live_side_by_side() {
    let client = Client::new(API_12_1);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                assert_eq!(client.cu("cuCtxPushCurrent_v2", &[client.context]), 0);
                let sessions: Vec<_> = (0..4).map(|_| client.ready()).collect();
                for timestamp in 0..10 {
                    for ready in &sessions {
                        assert_eq!(client.submit(ready, 0, timestamp), 0);
                    }
                    for ready in &sessions {
                        assert!(client.take(&ready.session, ready.output).is_ok());
                    }
                }
                for ready in sessions {
                    client.put_away(ready);
                }
                let mut popped = 0_usize;
                assert_eq!(client.cu("cuCtxPopCurrent_v2", &[&raw mut popped as usize]), 0);
            });
        }
    });
    client.finish();
    client.stage.report().assert_clean("eight threads with four sessions each");
}

#[test]
fn a_lost_reference_is_followed_by_a_picture_that_needs_none() {
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let mut kinds = Vec::new();
    for timestamp in 0..4 {
        if timestamp == 3 {
            assert_eq!(client.nv(slot::INVALIDATE, &[ready.session.handle, 2]), 0);
            assert_eq!(client.nv(slot::INVALIDATE, &[ready.session.handle, 99]), 8);
        }
        assert_eq!(client.submit(&ready, 0, timestamp), 0);
        kinds.push(client.take(&ready.session, ready.output).map(|(lock, _)| lock.get(64)).unwrap_or(99));
    }
    assert_eq!(kinds, [3, 0, 0, 3]);
    client.put_away(ready);
    client.finish();
}

#[test]
fn capabilities_belong_to_an_api_version_and_can_be_set() {
    let client = Client::new(API_11_0);
    let handle = client.open().unwrap_or(0);
    let cap = |number: u32| {
        let mut ask = client.struct_of(Kind::Caps);
        ask.put(4, number);
        let mut value = 0_i32;
        let status = client
            .nv(slot::CAPS, &[handle, client::H264[0], client::H264[1], ask.at(), &raw mut value as usize]);
        (status, value)
    };
    assert_eq!(cap(45), (0, 145));
    client.stage.set("CAPS=WIDTH_MIN=33");
    assert_eq!(cap(45), (0, 33));
    assert_eq!(cap(54), (8, 0));
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    client.finish();
}

#[test]
fn gpus_with_and_without_encoder_stand_side_by_side() {
    let test = "gpus_with_and_without_encoder_stand_side_by_side";
    if let Some(output) = as_child(test, &[("GPUS", "none:NVIDIA H200,nvenc:NVIDIA L4")]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let mut client = Client::new(API_12_1);
    assert_eq!(client.open(), Err(2));
    let (mut count, mut name) = (0_i32, [0_u8; 32]);
    assert_eq!(client.cu("cuDeviceGetCount", &[&raw mut count as usize]), 0);
    assert_eq!(client.cu("cuDeviceGetName", &[name.as_mut_ptr() as usize, 32, 0]), 0);
    assert_eq!((count, &name[..11]), (2, &b"NVIDIA H200"[..]));
    let (first, mut second) = (client.context, 0_usize);
    assert_eq!(client.cu("cuDevicePrimaryCtxRetain", &[&raw mut second as usize, 1]), 0);
    client.context = second;
    let handle = client.open().unwrap_or(0);
    assert_eq!(client.nv(slot::DESTROY, &[handle]), 0);
    assert_eq!(client.cu("cuDevicePrimaryCtxRelease_v2", &[1]), 0);
    client.context = first;
    client.finish();
}

#[test]
fn without_a_gpu_cuda_says_so() {
    if let Some(output) = as_child("without_a_gpu_cuda_says_so", &[("GPUS", "")]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let stage = Double::get().load();
    // SAFETY: the functions of these names have these types.
    let init: extern "C" fn(u32) -> u32 = unsafe { stage.cuda().function("cuInit") };
    // SAFETY: as above.
    let count: extern "C" fn(*mut i32) -> u32 = unsafe { stage.cuda().function("cuDeviceGetCount") };
    let mut devices = 42;
    assert_eq!((init(0), init(0), init(1), count(&raw mut devices), devices), (100, 100, 1, 3, 42));
}

#[test]
fn a_forked_child_has_no_cuda() {
    if let Some(output) = as_child("a_forked_child_has_no_cuda", &[]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let client = Client::new(API_12_1);
    // SAFETY: the child calls the double, which takes no lock that another thread could have held, and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut count = 0_i32;
        let status = client.cu("cuDeviceGetCount", &[&raw mut count as usize]);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::try_from(status).unwrap_or(-1)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 3);
    client.finish();
}

#[test]
fn a_device_address_is_no_address() {
    if let Some(output) = as_child("a_device_address_is_no_address", &[]) {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
        return;
    }
    let client = Client::new(API_12_1);
    let address = client.device_memory(4096);
    // SAFETY: none: this is the mistake that must not go unnoticed, in a process of its own.
    let byte = unsafe { std::ptr::read_volatile(address as *const u8) };
    assert_eq!(byte, 0, "device memory can be read through its address");
}

#[test]
fn what_is_left_behind_is_in_the_report_at_exit() {
    let report = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("leaks.json");
    let test = "what_is_left_behind_is_in_the_report_at_exit";
    if as_child(test, &[("REPORT", &report.display().to_string())]).is_some() {
        let leaks = Report::read(&report).leaks();
        let expected = [
            ("bitstream_buffers", 1),
            ("contexts_left_on_threads", 1),
            ("device_allocations", 1),
            ("device_bytes", SURFACE_BYTES as u64),
            ("events", 1),
            ("input_buffers", 1),
            ("locked_bitstreams", 1),
            ("locked_inputs", 1),
            ("mappings", 1),
            ("page_locked_bytes", 4096),
            ("page_locked_ranges", 1),
            ("primary_contexts_retained", 1),
            ("registrations", 1),
            ("sessions", 1),
            ("streams", 1),
        ];
        assert_eq!(leaks, expected.map(|(what, count)| (what.to_owned(), count)));
        return;
    }
    let client = Client::new(API_12_1);
    let ready = client.ready();
    let session = ready.session.handle;
    let mut made = 0_usize;
    let place = &raw mut made as usize;
    assert_eq!(client.cu("cuMemHostAlloc", &[place, 4096, 0]), 0);
    assert_eq!(client.cu("cuStreamCreate", &[place, 1]), 0);
    assert_eq!(client.cu("cuEventCreate", &[place, 2]), 0);
    let mut create = client.struct_of(Kind::Input);
    create.put(4, WIDTH).put(8, HEIGHT).put(16, NV12);
    assert_eq!(client.nv(slot::CREATE_INPUT, &[session, create.at()]), 0);
    // Its word is that of the other structs of the first version.
    let mut lock = client.struct_of(Kind::Input);
    lock.put_long(8, create.get_long(24));
    assert_eq!(client.nv(slot::LOCK_INPUT, &[session, lock.at()]), 0);
    assert_eq!(client.submit(&ready, 0, 0), 0);
    let mut lock = client.struct_of(Kind::Lock);
    lock.put_long(8, ready.output as u64);
    assert_eq!(client.nv(slot::LOCK, &[session, lock.at()]), 0);
}

#[test]
fn a_running_process_can_be_told_through_a_file() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (control, report) = (folder.join("control"), folder.join("asked.json"));
    let test = "a_running_process_can_be_told_through_a_file";
    if std::env::var_os("D264_DOUBLE_CONTROL").is_none() {
        let _ = std::fs::remove_file(&control);
        let _ = std::fs::remove_file(&report);
    }
    if let Some(output) = as_child(test, &[("CONTROL", &control.display().to_string())]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let client = Client::new(API_12_1);
    let ready = client.ready();
    assert_eq!(client.submit(&ready, 0, 0), 0);
    assert!(client.take(&ready.session, ready.output).is_ok());
    let written =
        std::fs::write(&control, format!("FAULT=nvEncEncodePicture:1=20\n#report {}\n", report.display()));
    assert!(written.is_ok());
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(client.submit(&ready, 0, 1), 20);
    assert_eq!(client.submit(&ready, 0, 2), 0);
    assert!(client.take(&ready.session, ready.output).is_ok());
    client.put_away(ready);
    client.finish();
    // The file is whole when it has its name.
    let deadline = Instant::now() + Duration::from_secs(120);
    while !report.exists() {
        assert!(Instant::now() < deadline, "no report comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Report::read(&report).calls("nvEncOpenEncodeSessionEx"), 1);
}
