//! The pipelined form: one frame goes up while another is encoded.

mod ready;

pub use ready::Units;
pub(crate) use ready::{Done, Ready, Submitted};

use std::ops::RangeInclusive;

use crate::encoder::{Encoder, Engine, Picture};
use crate::error::Error;
use crate::event::Event;
use crate::frame::Frame;
use crate::recovery::Recovery;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange};

/// An encoder that keeps a frame in flight: while the hardware encodes it, the caller's thread brings the next one to
/// memory that the GPU reads, and its upload begins.
///
/// It is for throughput: back to back a frame costs the longer of what the encoder takes and what bringing it there
/// takes, where [`Encoder::encode`] costs the sum. A frame's access unit comes out one call later, so for the least
/// delay of a frame at a given rate `encode` is the form to use: paced at 60 Hz this one adds 16 ms.
///
/// ```
/// use direct264::{Bitrate, EncoderConfig, Frame, FrameRate, FrameSize, Order, Picture, Pipeline, PixelFormat, Timestamp};
///
/// # fn main() -> Result<(), direct264::Error> {
/// let size = FrameSize::new(1280, 720)?;
/// let config = EncoderConfig::new(size, FrameRate::hz(60)?, Bitrate::from_mbps(4)?);
/// let mut pipeline = Pipeline::new(direct264::open(&config, &Order::auto())?.encoder);
/// let pixels = vec![128; PixelFormat::Nv12.frame_bytes(size)];
/// let mut sizes = Vec::new();
/// for number in 0..3 {
///     let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(number))?;
///     for unit in pipeline.submit(&frame, Picture::Auto)? {
///         sizes.push(unit?.bytes.len());
///     }
/// }
/// for unit in pipeline.flush()? {
///     sizes.push(unit?.bytes.len());
/// }
/// assert_eq!(sizes.len(), 3);
/// # Ok(()) }
/// ```
///
/// # Order
/// Each frame that [`submit`](Pipeline::submit) took gives exactly one item, in the order of the frames: its access
/// unit, or the error that says why there is none. The access units are those that `encode` would have given, byte for
/// byte. NVENC has at most two frames in flight, the second one only inside `submit`; between two calls it is one.
/// openh264, which has nothing to overlap, encodes inside `submit` and gives the access unit at once.
///
/// A change between two frames ([`set_bitrate`](Pipeline::set_bitrate) and its like) holds from the next frame on, and
/// a requested IDR is the very frame. A change of size and the news of a loss wait for the frame in flight first, as does
/// a change of rate on a GPU that needs a new session for it.
///
/// # Times
/// [`StageTimes::total`](crate::StageTimes::total), and with it the failover encoder's
/// [`latency`](crate::FailoverEncoder::latency), is the time from the call that brought the frame to the access unit's
/// being handed out, the caller's own time between the two calls included. `wait` is what was still to wait for then.
///
/// # Failure
/// In a [`FailoverEncoder`](crate::FailoverEncoder) no frame is lost: when a call fails or hangs, the frame in flight
/// comes out of the next backend as an IDR, from the pixels that were uploaded, and the new frame behind it, both in one
/// call. A frame in flight whose pixels cannot be read any more (CUDA memory in a context that died) gives its error
/// in its place. An encoder by itself loses what is in flight with its session.
///
/// # Memory
/// Pixels in host memory are borrowed for the call alone. CUDA device memory has to stay as it is until the frame's
/// access unit has come out: see [`Frame::cuda`].
///
/// A pipeline that is dropped waits as its encoder does when dropped: what is in flight is finished and thrown away,
/// then the session ends. [`flush`](Pipeline::flush) comes first where the last frame counts.
#[derive(Debug)]
pub struct Pipeline<E> {
    encoder: E,
    ready: Ready,
}

/// What a [`Pipeline`] can be made of: [`FailoverEncoder`](crate::FailoverEncoder),
/// [`NvencEncoder`](crate::nvenc::NvencEncoder) and, in builds with it, `OpenH264Encoder`. No other type can be.
#[expect(private_bounds, reason = "a pipeline asks more of an encoder than its contract tells")]
pub trait Pipelined: Encoder + Stages {}

/// What a pipeline asks of its encoder. Access units go to `ready` in order, whatever is returned.
pub(crate) trait Stages {
    /// Takes a frame.
    fn push(&mut self, frame: &Frame<'_>, picture: Picture, ready: &mut Ready) -> Result<(), Error>;

    /// Waits for all that is in flight.
    fn drain(&mut self, ready: &mut Ready) -> Result<(), Error>;
}

impl<E: Engine> Stages for E {
    fn push(&mut self, frame: &Frame<'_>, picture: Picture, ready: &mut Ready) -> Result<(), Error> {
        if let Some(done) = self.submit(frame, picture)?.done {
            ready.add(done, self);
        }
        Ok(())
    }

    fn drain(&mut self, ready: &mut Ready) -> Result<(), Error> {
        if let Some(done) = self.finish()? {
            ready.add(done, self);
        }
        Ok(())
    }
}

impl<E: Pipelined> Pipeline<E> {
    /// Takes an encoder, which goes on with its stream.
    #[must_use]
    pub fn new(encoder: E) -> Self {
        Self { encoder, ready: Ready::default() }
    }

    /// The encoder: who encodes, its size, its counters.
    #[must_use]
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// Takes a frame, and gives what has come out by now: the access unit of the frame before, in most cases; none for
    /// the first frame; that of this frame too where nothing is in flight behind it. What is not taken from the
    /// result is gone with the next call.
    ///
    /// # Errors
    /// As [`Encoder::encode`]: after [`Error::Frame`], and [`Error::Config`] of the failover encoder, this frame was not
    /// taken, and what is in flight comes with the next call. After [`Error::Driver`] nothing comes any more.
    pub fn submit(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Units<'_>, Error> {
        self.ready.begin();
        self.encoder.push(frame, picture, &mut self.ready)?;
        Ok(self.ready.hand_out())
    }

    /// Waits for the frame in flight, and gives its access unit. None is in flight afterwards.
    ///
    /// # Errors
    /// [`Error::Driver`] as [`submit`](Pipeline::submit).
    pub fn flush(&mut self) -> Result<Units<'_>, Error> {
        self.ready.begin();
        self.encoder.drain(&mut self.ready)?;
        Ok(self.ready.hand_out())
    }

    /// As [`Encoder::invalidate`]. It waits for the frame in flight, which depends on what is lost as all others do, and
    /// whose access unit comes with the next call of [`submit`](Pipeline::submit) or [`flush`](Pipeline::flush).
    ///
    /// # Errors
    /// As [`Encoder::invalidate`].
    pub fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.encoder.invalidate(lost)
    }

    /// As [`Encoder::set_bitrate`], from the next frame on.
    ///
    /// # Errors
    /// As [`Encoder::set_bitrate`].
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.encoder.set_bitrate(bitrate)
    }

    /// As [`Encoder::set_frame_rate`], from the next frame on.
    ///
    /// # Errors
    /// As [`Encoder::set_frame_rate`].
    pub fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.encoder.set_frame_rate(frame_rate)
    }

    /// As [`Encoder::set_qp_range`], from the next frame on.
    ///
    /// # Errors
    /// As [`Encoder::set_qp_range`].
    pub fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.encoder.set_qp_range(qp_range)
    }

    /// As [`Encoder::set_size`]. It waits for the frame in flight, whose access unit comes with the next call of
    /// [`submit`](Pipeline::submit) or [`flush`](Pipeline::flush).
    ///
    /// # Errors
    /// As [`Encoder::set_size`].
    pub fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.encoder.set_size(size)
    }

    /// As [`Encoder::parameter_sets`].
    ///
    /// # Errors
    /// As [`Encoder::parameter_sets`].
    pub fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.encoder.parameter_sets()
    }

    /// As [`Encoder::forget_cuda`]. It waits for the frame in flight, as [`set_size`](Pipeline::set_size) does.
    ///
    /// # Errors
    /// As [`Encoder::forget_cuda`].
    pub fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.encoder.forget_cuda(address)
    }

    /// As [`Encoder::take_events`].
    pub fn take_events(&mut self) -> Vec<Event> {
        self.encoder.take_events()
    }
}
