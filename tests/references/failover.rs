//! Losses before and after a change of backend.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU8;

use super::stage;
use crate::common::live::{Live, ms, small};
use crate::common::{LIMITS, config, within};
use direct264::config::{BackOff, FailoverConfig};
use direct264::{Backend, Encoder, EventKind, FrameId, Recovery};

#[test]
fn the_failover_encoder_counts_on_over_changes_of_backend_and_knows_whose_frames_are_lost() {
    let stage = stage();
    let soon = BackOff::new(ms(5), ms(40)).unwrap();
    // Longer than the double takes on a busy machine, and short enough to wait for.
    let nvenc = within(LIMITS.rest(ms(2_000))).reference_frames(NonZeroU8::new(4).unwrap());
    let config = config(small(), 30, 300)
        .nvenc(nvenc)
        .failover(FailoverConfig::new().warm_software(true).retry(Some(soon)));
    let mut live = Live::open(&config);
    let lost = |first, last| FrameId(first)..=FrameId(last);
    let words = |live: &mut Live| {
        let events = live.encoder.take_events();
        events.iter().filter(|event| matches!(event.kind, EventKind::Invalidated { .. })).count()
    };
    assert_eq!(live.encoder.invalidate(lost(0, 9)).unwrap(), Recovery::NotNeeded);
    live.frames(8);
    assert_eq!(live.encoder.invalidate(lost(7, 7)).unwrap(), Recovery::OlderReference);
    assert_eq!(words(&mut live), 1);
    live.frames(2);
    // The hardware fails at frame 10, which is then an IDR from software.
    stage.set("FAULT=nvEncEncodePicture:1=20;nvEncOpenEncodeSessionEx:1+=10");
    live.frames(3);
    assert_eq!((live.units[10].backend, live.units[10].is_idr), (Backend::OpenH264, true));
    assert_eq!(live.encoder.invalidate(lost(7, 9)).unwrap(), Recovery::NotNeeded);
    live.frames(1);
    assert!(!live.units[13].is_idr);
    // Lost before the change and after it.
    assert_eq!(live.encoder.invalidate(lost(8, 12)).unwrap(), Recovery::Idr);
    assert_eq!(words(&mut live), 1);
    live.frames(2);
    assert!(live.units[14].is_idr && !live.units[15].is_idr);
    // Back on the hardware, whose own numbers are others.
    stage.set("FAULT=");
    live.frames_until(Backend::Nvenc);
    let switch = live.units.len() as u64 - 1;
    assert!(live.units[switch as usize].is_idr);
    assert_eq!(live.encoder.invalidate(lost(0, switch - 1)).unwrap(), Recovery::NotNeeded);
    live.frames(4);
    assert_eq!(live.encoder.invalidate(lost(switch - 2, switch)).unwrap(), Recovery::Idr);
    live.frames(4);
    let newest = live.units.len() as u64 - 1;
    assert!(live.units[newest as usize - 3].is_idr);
    assert_eq!(live.encoder.invalidate(lost(newest, newest)).unwrap(), Recovery::OlderReference);
    // An invalidation in which the driver hangs costs no frame either.
    live.frames(3);
    stage.set("FAULT=nvEncInvalidateRefFrames:1=hang;nvEncOpenEncodeSessionEx:1+=10");
    let newest = live.units.len() as u64 - 1;
    assert_eq!(live.encoder.invalidate(lost(newest, newest)).unwrap(), Recovery::Idr);
    live.frames(2);
    assert_eq!(live.units.last().unwrap().backend, Backend::OpenH264);
    stage.set("FAULT=");
    let ids: Vec<u64> = live.units.iter().map(|unit| unit.frame_id.0).collect();
    assert_eq!(ids, (0..live.units.len() as u64).collect::<Vec<_>>());
    let ended = live.end();
    // Frame 7 was lost, and so was what led up to each IDR that was asked for; all is there for who has it.
    ended.assert_whole("losses and changes of backend");
    stage.assert_clean_soon("losses and changes of backend");
}
