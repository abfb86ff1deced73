//! Pipelined frames: a frame in flight goes down the line, or is lost once and in order.

use std::thread;
use std::time::{Duration, Instant};

use super::{A, C, PATIENCE, config, encode, grey, opened, size, without_retry};
use crate::encoder::Encoder;
use crate::error::Error;
use crate::picture::Picture;
use crate::pipeline::Pipeline;
use crate::reason::Reason;
use crate::scripted::{Act, Stage};
use crate::units::Timestamp;

#[test]
fn a_frame_in_flight_goes_down_the_line_in_order() {
    let stage = Stage::new();
    stage.pictures(0, &[Act::Work, Act::Work, Act::Fail]);
    stage.pictures(1, &[Act::Fail]);
    let mut pipeline = Pipeline::new(opened(&stage, without_retry()));
    let mut seen = Vec::new();
    for number in 1..6 {
        grey(size(32), number, |frame| {
            let units = pipeline.submit(frame, Picture::Auto).unwrap();
            seen.extend(units.map(|unit| unit.map(|unit| (unit.timestamp.0, unit.backend))));
        });
    }
    seen.extend(pipeline.flush().unwrap().map(|unit| unit.map(|unit| (unit.timestamp.0, unit.backend))));
    // The second frame was in flight when A failed on the third; B failed on it, and C took it.
    let came: Vec<_> = seen.into_iter().map(Result::unwrap).collect();
    assert_eq!(came, [(1, A), (2, C), (3, C), (4, C), (5, C)]);
    assert_eq!(pipeline.into_inner().counters().frames(C), 4);
}

#[test]
fn an_encoder_that_has_a_frame_in_flight_encodes_none_beside_it() {
    let stage = Stage::new();
    let mut pipeline = Pipeline::new(opened(&stage, without_retry()));
    grey(size(32), 1, |frame| assert_eq!(pipeline.submit(frame, Picture::Auto).unwrap().len(), 0));
    let in_flight = |error| matches!(error, Error::Frame(crate::error::FrameError::InFlight));
    assert!(encode(pipeline.encoder_mut(), 2).is_err_and(in_flight));
    assert_eq!(pipeline.flush().unwrap().len(), 1);
    let mut encoder = pipeline.into_inner();
    assert_eq!(encode(&mut encoder, 2).unwrap().timestamp, Timestamp(2));
}

#[test]
fn a_frame_in_flight_that_no_backend_takes_is_an_error_in_its_place() {
    let stage = Stage::new();
    stage.pictures(0, &[Act::Work, Act::Work, Act::Fail]);
    (1..3).for_each(|number| stage.pictures(number, &[Act::Fail]));
    let mut pipeline = Pipeline::new(opened(&stage, without_retry()));
    let mut submit = |number| {
        let mut seen = Vec::new();
        grey(size(32), number, |frame| {
            seen = match pipeline.submit(frame, Picture::Auto) {
                Ok(units) => units.map(|unit| unit.ok().map(|unit| unit.timestamp.0)).collect(),
                Err(_) => vec![Some(-number)],
            };
        });
        seen
    };
    assert_eq!((submit(1), submit(2), submit(3)), (vec![], vec![Some(1)], vec![Some(-3)]));
    let left = pipeline.flush().unwrap().map(|unit| unit.is_ok()).collect::<Vec<_>>();
    assert_eq!(left, [false]);
    pipeline.encoder_mut().forget_cuda(None).unwrap();
}

#[test]
fn a_frame_that_is_lost_on_the_way_back_is_lost_once() {
    let stage = Stage::new();
    stage.all_opens(0, Act::Fail);
    stage.all_opens(1, Act::Lack(Reason::NoDriver));
    stage.finish_fails(2);
    let mut pipeline = Pipeline::new(opened(&stage, config()));
    stage.all_opens(0, Act::Work);
    let (mut frames, mut came) = (0, Vec::new());
    let deadline = Instant::now() + PATIENCE;
    // C fails on the frame in flight when the stream leaves it for A.
    while !came.last().is_some_and(|unit| *unit == Some(A)) {
        assert!(Instant::now() < deadline);
        frames += 1;
        grey(size(32), frames, |frame| {
            let units = pipeline.submit(frame, Picture::Auto).unwrap();
            came.extend(units.map(|unit| unit.ok().map(|unit| unit.backend)));
        });
        thread::sleep(Duration::from_millis(1));
    }
    came.extend(pipeline.flush().unwrap().map(|unit| unit.ok().map(|unit| unit.backend)));
    assert_eq!(came.len() as i64, frames, "one item for each frame");
    assert_eq!(came.iter().filter(|unit| unit.is_none()).count(), 1);
}
