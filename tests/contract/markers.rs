//! What embedders rely on at compile time.

use direct264::failover::Opened;
use direct264::nvenc::{LentFrame, NvencEncoder, Probe};
use direct264::openh264::OpenH264Encoder;
use direct264::rtc::{KeyframeGate, ProfileLevelId, RateGlue, RtpClock};
use direct264::worker::{FramePool, FrameSender, HostFrame, Unit, UnitReceiver, WorkerError};
use direct264::{Encoder, Error, Event, FailoverEncoder, Frame, OwnedAccessUnit};

fn is_send<T: Send>() {}
fn is_send_and_sync<T: Send + Sync>() {}
fn is_static<T: 'static>() {}

#[test]
fn encoders_move_between_threads_and_values_are_shared() {
    is_send::<NvencEncoder>();
    is_send::<LentFrame>();
    is_send_and_sync::<Probe>();
    is_send::<OpenH264Encoder>();
    is_send::<Box<dyn Encoder>>();
    is_send::<Opened>();
    is_send::<FailoverEncoder>();
    is_send_and_sync::<Frame<'_>>();
    is_send_and_sync::<OwnedAccessUnit>();
    is_send_and_sync::<Event>();
    is_send_and_sync::<Error>();
    is_static::<Error>();
}

#[test]
fn both_ends_of_a_worker_and_what_passes_through_move_between_threads() {
    is_send_and_sync::<FrameSender>();
    is_send_and_sync::<UnitReceiver>();
    is_send_and_sync::<FramePool>();
    is_send_and_sync::<HostFrame>();
    is_send_and_sync::<Unit>();
    is_send_and_sync::<WorkerError>();
    is_static::<WorkerError>();
    is_send_and_sync::<(KeyframeGate, ProfileLevelId, RateGlue, RtpClock)>();
}
