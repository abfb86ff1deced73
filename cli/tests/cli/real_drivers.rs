//! `direct264 probe` on the real user-space drivers of four generations, on a machine that need not have a GPU.
#![cfg(target_os = "linux")]

#[allow(unreachable_pub, reason = "a module that the tests of the library share")]
#[allow(dead_code, reason = "the tests of the library read the other versions")]
#[path = "../../../tests/common/real_drivers.rs"]
mod shared;

use direct264::Reason;

#[test]
fn the_reason_the_newest_api_and_the_advice_are_told() {
    shared::each(|generation, libraries| {
        let mut probe = shared::command(env!("CARGO_BIN_EXE_direct264"), libraries);
        let output = probe.arg("probe").output().unwrap();
        let (name, told) = (generation.name, String::from_utf8_lossy(&output.stdout));
        // openh264 works here.
        assert!(output.status.success(), "driver {name}: {told}");
        let (major, minor) = generation.newest;
        for part in [
            &format!("none found: {} (cuInit: CUDA_ERROR_NO_DEVICE (100)", Reason::NoGpu.sentence())[..],
            &format!("encode API {major}.{minor}\n"),
            "what to do: check that nvidia-smi lists a GPU",
            "auto       takes openh264",
        ] {
            assert!(told.contains(part), "driver {name}: {part:?} is not in {told}");
        }
    });
}
