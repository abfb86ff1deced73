//! Changes of size: the backend that takes a size gets the stream.

use std::thread;
use std::time::{Duration, Instant};

use super::{A, B, C, PATIENCE, config, encode, grey, opened, size, stays, until};
use crate::encoder::Encoder;
use crate::error::Error;
use crate::picture::Picture;
use crate::reason::Reason;
use crate::scripted::{Act, Stage};
use crate::units::Bitrate;

#[test]
fn a_size_goes_to_the_first_that_takes_it_and_the_stream_returns_with_another_size() {
    let stage = Stage::new();
    stage.widest(0, 32);
    stage.widest(1, 64);
    let mut encoder = opened(&stage, config());
    encode(&mut encoder, 1).unwrap();
    grey(size(128), 2, |frame| {
        let unit = encoder.encode(frame, Picture::Auto).unwrap();
        assert_eq!((unit.backend, unit.is_idr), (C, true));
    });
    // A size that only C takes keeps the stream there.
    stays(&mut encoder, C);
    encoder.set_size(size(64)).unwrap();
    assert!(until(&mut encoder, B).is_idr);
    encoder.set_size(size(32)).unwrap();
    assert!(until(&mut encoder, A).is_idr);
}

#[test]
fn a_size_that_no_backend_takes_leaves_the_stream_as_it_was() {
    let stage = Stage::new();
    (0..3).for_each(|number| stage.widest(number, 32));
    let mut encoder = opened(&stage, config());
    encode(&mut encoder, 1).unwrap();
    assert!(matches!(encoder.set_size(size(64)), Err(Error::Config(_))));
    let unit = encode(&mut encoder, 2).unwrap();
    assert_eq!((unit.backend, unit.is_idr, encoder.size()), (A, false, size(32)));
}

#[test]
fn a_stream_without_a_backend_follows_the_size_until_an_attempt_succeeds() {
    let stage = Stage::new();
    (0..2).for_each(|number| stage.all_opens(number, Act::Lack(Reason::OutOfMemory)));
    stage.pictures(2, &[Act::Work, Act::Fail]);
    let mut encoder = opened(&stage, config());
    encode(&mut encoder, 1).unwrap();
    stage.all_opens(2, Act::Fail);
    assert!(encode(&mut encoder, 2).is_err());
    encoder.set_size(size(64)).unwrap();
    encoder.set_bitrate(Bitrate::from_kbps(50).unwrap()).unwrap();
    stage.all_opens(1, Act::Work);
    let deadline = Instant::now() + PATIENCE;
    let unit = loop {
        match encode(&mut encoder, 3) {
            Ok(unit) => break unit,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!((unit.backend, unit.is_idr, encoder.size()), (B, true, size(64)));
    assert_eq!(encoder.bitrate_in_force(), Bitrate::from_kbps(50).unwrap());
}
