//! The parts of a WebRTC sender beside the encoder: values in, values out, without a WebRTC stack and without a clock.
//!
//! | from the stack | goes to |
//! |---|---|
//! | an offer with `profile-level-id` | [`ProfileLevelId`]: the profile to open the encoder with, the answer, the level |
//! | a captured frame | [`RtpClock`]: its 90 kHz timestamp |
//! | PLI, FIR, a viewer who joins | [`KeyframeGate`]: [`Picture::Idr`](crate::Picture::Idr) for the next frame, or not yet |
//! | a bandwidth estimate | [`RateGlue`]: a target for [`set_bitrate`](crate::Encoder::set_bitrate), or nothing |
//! | the age of its send queue | [`may_encode`]: whether this frame is encoded at all |
//! | packets without a packetiser of its own | [`payloads`]: the RTP payloads of an access unit |
//!
//! No function here allocates, blocks or reads a clock: each `Instant` comes from the caller.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use direct264::rtc::{KeyframeGate, MAX_QUEUE_AGE, RateGlue, RtpClock, may_encode};
//! use direct264::frame::Pixels;
//! use direct264::{Bitrate, Encoder, Frame};
//!
//! struct Sender<E> {
//!     encoder: E,
//!     clock: RtpClock,
//!     keyframes: KeyframeGate,
//!     rate: RateGlue,
//! }
//!
//! impl<E: Encoder> Sender<E> {
//!     /// A PLI or a FIR came in.
//!     fn on_keyframe_request(&mut self, now: Instant) {
//!         self.keyframes.request(now);
//!     }
//!
//!     /// The congestion control has a new estimate.
//!     fn on_estimate(&mut self, bps: u64, now: Instant) -> Result<(), direct264::Error> {
//!         if let Some(change) = self.rate.estimate(bps) {
//!             self.encoder.set_bitrate(change.bitrate)?;
//!             if change.is_deep_cut {
//!                 self.keyframes.require(now + RateGlue::IDR_AFTER_CUT);
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     /// A frame was captured. `queue_age` is how long the oldest packet that was not sent yet has waited.
//!     fn on_frame(
//!         &mut self,
//!         frame: &Frame<'_>,
//!         queue_age: Option<Duration>,
//!         now: Instant,
//!         send: impl FnOnce(u32, &[u8]),
//!     ) -> Result<(), direct264::Error> {
//!         if !may_encode(queue_age, MAX_QUEUE_AGE) {
//!             return Ok(());
//!         }
//!         match self.encoder.encode(frame, self.keyframes.picture(now)) {
//!             Ok(unit) => {
//!                 self.keyframes.coded(unit.is_idr, now);
//!                 // The whole access unit in one call: the packetiser sets the marker bit on its last packet.
//!                 send(self.clock.rtp(unit.timestamp), unit.bytes);
//!                 Ok(())
//!             }
//!             Err(error) => {
//!                 self.keyframes.failed();
//!                 Err(error)
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! # Drops
//! **A frame may be dropped before it is encoded, an access unit may not.** A decoder that misses a picture to which
//! others refer decodes on with a wrong reference: Chromium then asks for no keyframe and shows the damage. The one
//! exception is an access unit whose `is_droppable` is set. No other picture refers to it (`nal_ref_idc` is 0 in each
//! of its slices), so a sender under pressure may leave it out, and a forwarder may give it to some viewers only. A
//! sender that has lost another access unit calls [`KeyframeGate::require`].
//!
//! # Settings of the stack
//! - `packetization-mode=1`, [`ProfileLevelId::BROWSER`] or another offered profile, `level-asymmetry-allowed=1`.
//! - The playout-delay extension at zero on every frame. Without it a browser keeps a jitter buffer of its own.
//! - SPS and PPS go in one packet: this crate's have less than 60 bytes together.

mod clock;
mod keyframe;
mod payload;
mod profile_level_id;
mod queue;
mod rate;

pub use clock::RtpClock;
pub use keyframe::KeyframeGate;
pub use payload::{MIN_PAYLOAD_BYTES, Payload, Payloads, payloads};
pub use profile_level_id::ProfileLevelId;
pub use queue::{MAX_QUEUE_AGE, may_encode};
pub use rate::{RateChange, RateGlue};
