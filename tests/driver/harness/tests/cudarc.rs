//! The cudarc crate, written for the real driver, runs on the double.

use std::path::Path;

use cudarc::driver::CudaContext;
use d264_double::{Report, as_child};

#[test]
fn cudarc_copies_bytes_there_and_back() {
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cudarc.json");
    let test = "cudarc_copies_bytes_there_and_back";
    if let Some(output) = as_child(test, &[("REPORT", &report.display().to_string())]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report = Report::read(&report);
        assert!(report.calls("cuMemcpyHtoDAsync") > 0);
        report.assert_clean("cudarc");
        return;
    }
    let context = CudaContext::new(0).unwrap();
    assert_eq!(context.name().unwrap(), "NVIDIA Double");
    assert_ne!(context.uuid().unwrap().bytes, [0; 16]);
    let bytes: Vec<u8> = (0..100_000_u32).map(|value| (value % 251) as u8).collect();
    let default = context.default_stream();
    let own = context.new_stream().unwrap();
    for stream in [&default, &own] {
        let there = stream.clone_htod(&bytes).unwrap();
        let zeroes = stream.alloc_zeros::<u8>(1000).unwrap();
        let copy = stream.clone_dtod(&there).unwrap();
        assert_eq!(stream.clone_dtoh(&copy).unwrap(), bytes);
        assert_eq!(stream.clone_dtoh(&zeroes).unwrap(), vec![0; 1000]);
        stream.synchronize().unwrap();
    }
    let there = own.clone_htod(&bytes).unwrap();
    let other = own.fork().unwrap();
    let mut moved = other.alloc_zeros::<u8>(bytes.len()).unwrap();
    other.memcpy_dtod(&there, &mut moved).unwrap();
    let mut back = context.new_stream().unwrap().clone_dtoh(&moved).unwrap();
    back.truncate(bytes.len());
    assert_eq!(back, bytes);
}

#[test]
fn cudarc_uses_page_locked_memory_and_events() {
    let test = "cudarc_uses_page_locked_memory_and_events";
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cudarc-pinned.json");
    if let Some(output) = as_child(test, &[("REPORT", &report.display().to_string())]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Report::read(&report).assert_clean("cudarc with page-locked memory");
        return;
    }
    let context = CudaContext::new(0).unwrap();
    let (one, two) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    // SAFETY: every byte is written before one is read.
    #[expect(unsafe_code, reason = "memory comes as it is")]
    let mut pinned = unsafe { context.alloc_pinned::<u8>(4096) }.unwrap();
    pinned.as_mut_slice().unwrap().fill(9);
    let there = one.clone_htod(&pinned).unwrap();
    let event = one.record_event(None).unwrap();
    two.wait(&event).unwrap();
    let back = two.clone_dtoh(&there).unwrap();
    two.synchronize().unwrap();
    assert_eq!(back, vec![9; 4096]);
}
