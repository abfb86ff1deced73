//! What the caller has set holds on whichever backend encodes: it survives the way to software and the way back, and is
//! lost neither between the two nor in an encoder that lies ready.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![expect(unsafe_code, reason = "the C library is asked what is allocated: openh264 allocates there")]

use std::time::Instant;

use crate::common::live::{Live, PATIENCE, eager, ms};
use crate::common::{config, encode_run, size};
use d264_double::{Double, Stage};
use direct264::config::{BackOff, FailoverConfig};
use direct264::{Backend, BackendOrder, Bitrate, Encoder, FailoverEncoder, FrameRate, QpRange, open};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy)]
struct Wanted {
    kbps: u64,
    hz: u32,
    qp: (u8, u8),
}

/// A range that these pictures do not keep to by themselves.
const COARSE: Wanted = Wanted { kbps: 200, hz: 15, qp: (40, 46) };
const FINE: Wanted = Wanted { kbps: 900, hz: 60, qp: (14, 18) };

impl Wanted {
    fn bitrate(self) -> Bitrate {
        Bitrate::from_kbps(self.kbps).unwrap()
    }

    fn set(self, encoder: &mut FailoverEncoder) {
        encoder.set_bitrate(self.bitrate()).unwrap();
        encoder.set_frame_rate(FrameRate::hz(self.hz).unwrap()).unwrap();
        encoder.set_qp_range(QpRange::new(self.qp.0, self.qp.1).unwrap()).unwrap();
    }

    /// The next frames come from software and look like it.
    fn assert_in_software(self, live: &mut Live, what: &str) {
        assert_eq!(live.encoder.bitrate_in_force(), self.bitrate(), "{what}");
        for _ in 0..3 {
            let unit = live.frame(direct264::Picture::Auto);
            let qp = unit.qp.unwrap();
            assert_eq!(unit.backend, Backend::OpenH264, "{what}");
            assert!((self.qp.0..=self.qp.1).contains(&qp), "{what}: quantiser {qp}, {self:?}");
        }
    }

    /// The driver's session has all of it, one way or the other.
    fn assert_on_hardware(self, stage: &Stage, live: &Live, what: &str) {
        assert_eq!(live.encoder.backend(), Backend::Nvenc, "{what}");
        assert_eq!(live.encoder.bitrate_in_force(), self.bitrate(), "{what}");
        let settings = in_force(stage);
        let bps = self.kbps * 1_000;
        assert_eq!(
            [&settings["averageBitRate"], &settings["maxBitRate"]],
            [&json!(bps), &json!(bps)],
            "{what}"
        );
        let rate = [&settings["frameRateNum"], &settings["frameRateDen"]].map(|part| part.as_u64().unwrap());
        assert_eq!(rate[0], u64::from(self.hz) * rate[1], "{what}");
        assert_eq!(settings["minQP"], json!([self.qp.0, self.qp.0, self.qp.0]), "{what}");
        assert_eq!(settings["maxQP"], json!([self.qp.1, self.qp.1, self.qp.1]), "{what}");
    }
}

/// What the driver has of the session that was opened last, when all others have ended.
fn in_force(stage: &Stage) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let open = || stage.report().leaks().iter().find(|(what, _)| what == "sessions").map(|found| found.1);
    while open() != Some(1) {
        assert!(Instant::now() < deadline, "{:?} sessions are open", open());
        std::thread::sleep(ms(1));
    }
    let session = stage.report().sessions().pop().unwrap();
    let changed = session["reconfigurations"].as_array().unwrap().last().map(|last| &last["settings"]);
    changed.unwrap_or(&session["settings"]).clone()
}

/// With a stand-in that is opened when it is needed, and with a warm one.
fn both_stand_ins(what: &str, test: impl Fn(&Stage, FailoverConfig, &str)) {
    let stage = Double::get().load();
    let retry = Some(BackOff::new(ms(5), ms(40)).unwrap());
    for is_warm in [false, true] {
        stage.reset();
        let what = format!("{what}, warm: {is_warm}");
        test(&stage, FailoverConfig::new().retry(retry).warm_software(is_warm), &what);
        stage.assert_clean_soon(&what);
    }
}

/// The hardware fails, and opens no session until the fault is taken back.
fn fail(stage: &Stage, live: &mut Live) {
    stage.set("FAULT=nvEncEncodePicture:1=20;nvEncOpenEncodeSessionEx:*=20");
    live.frames(1);
}

fn come_back(stage: &Stage, live: &mut Live) {
    stage.set("FAULT=");
    live.frames_until(Backend::Nvenc);
}

#[test]
fn rates_and_quantisers_survive_the_way_to_software_and_back() {
    both_stand_ins("there and back", |stage, failover, what| {
        let mut live = Live::open(&eager().failover(failover));
        live.frames(2);
        COARSE.set(&mut live.encoder);
        fail(stage, &mut live);
        COARSE.assert_in_software(&mut live, what);
        come_back(stage, &mut live);
        COARSE.assert_on_hardware(stage, &live, what);

        FINE.set(&mut live.encoder);
        FINE.assert_on_hardware(stage, &live, what);
        fail(stage, &mut live);
        FINE.assert_in_software(&mut live, what);
        COARSE.set(&mut live.encoder);
        COARSE.assert_in_software(&mut live, what);
        come_back(stage, &mut live);
        COARSE.assert_on_hardware(stage, &live, what);
        live.end().assert_whole(what);
    });
}

#[test]
fn what_is_set_while_the_hardware_lies_ready_holds_there() {
    both_stand_ins("set while it lies ready", |stage, failover, what| {
        let mut live = Live::open(&eager().failover(failover));
        live.frames(2);
        let encoded = || stage.report().calls("nvEncUnlockBitstream");
        let before = encoded();
        fail(stage, &mut live);
        stage.set("FAULT=");
        // It has encoded a picture of its own, and waits for the next frame.
        let deadline = Instant::now() + PATIENCE;
        while encoded() == before {
            assert!(Instant::now() < deadline, "{what}: was not tried again");
            std::thread::sleep(ms(1));
        }
        std::thread::sleep(ms(50));
        COARSE.set(&mut live.encoder);
        // An increase that is too small to be passed on by itself.
        let wanted = Wanted { kbps: 210, ..COARSE };
        live.encoder.set_bitrate(wanted.bitrate()).unwrap();
        assert_eq!(live.encoder.bitrate_in_force(), COARSE.bitrate(), "{what}");
        live.frames_until(Backend::Nvenc);
        wanted.assert_on_hardware(stage, &live, what);
        live.frames(2);
        live.end().assert_whole(what);
    });
}

/// A lower frame rate leaves each frame more of the bits.
#[test]
fn the_frame_rate_that_was_set_before_the_switch_shares_out_the_bits_in_software() {
    both_stand_ins("the frame rate", |stage, failover, what| {
        let mut live = Live::open(&eager().failover(failover.retry(None)));
        live.encoder.set_bitrate(Bitrate::from_kbps(120).unwrap()).unwrap();
        live.frames(2);
        live.encoder.set_frame_rate(FrameRate::hz(10).unwrap()).unwrap();
        fail(stage, &mut live);
        live.frames(40);
        let bytes: usize = live.units[13..].iter().map(|unit| unit.bytes.len()).sum();
        let each = bytes / (live.units.len() - 13);
        // 120 kbit/s are 500 bytes a frame at 30 Hz, and 1500 at 10 Hz.
        assert!((1_000..2_200).contains(&each), "{what}: {each} bytes a frame");
    });
}

/// Bytes that the C library has handed out and not got back.
fn allocated() -> usize {
    #[repr(C)]
    struct Info {
        arena: usize,
        free_blocks: usize,
        fast_blocks: usize,
        mapped_blocks: usize,
        mapped_bytes: usize,
        most: usize,
        free_fast_bytes: usize,
        used_bytes: usize,
        free_bytes: usize,
        top_bytes: usize,
    }
    unsafe extern "C" {
        fn mallinfo2() -> Info;
    }
    // SAFETY: it reads the allocator's own figures, and gives them in a struct of this layout.
    let info = unsafe { mallinfo2() };
    info.used_bytes + info.mapped_bytes
}

#[test]
fn a_warm_stand_in_is_the_one_that_takes_over() {
    let stage = Double::get().load();
    let grown = [false, true].map(|is_warm| {
        stage.reset();
        let failover = FailoverConfig::new().retry(None).warm_software(is_warm);
        let config = config(size(1280, 720), 30, 2_000).failover(failover);
        let mut encoder = open(&config, &BackendOrder::auto()).unwrap().encoder;
        encode_run(&mut encoder, 0, 3);
        // The session that fails stays, so that nothing is given back meanwhile.
        stage.set("FAULT=nvEncEncodePicture:1=20;nvEncDestroyEncoder:1=hang");
        let before = allocated();
        let unit = encode_run(&mut encoder, 3, 1).remove(0);
        let after = allocated();
        assert_eq!((unit.backend, unit.is_idr), (Backend::OpenH264, true));
        stage.set("FAULT=");
        drop(encoder);
        stage.assert_clean_soon("a stand-in");
        after.saturating_sub(before)
    });
    println!("allocated in the switch: {} kB cold, {} kB warm", grown[0] / 1024, grown[1] / 1024);
    // An encoder of this size takes some 13 MB.
    assert!(grown[0] > (6 << 20) && grown[1] < (2 << 20), "{grown:?}");
}
