//! The pipelined form: one frame is brought to the encoder while another is encoded.

use crate::encoder::Encoder;
use crate::engine::Depth;
use crate::error::Error;
use crate::frame::Frame;
use crate::picture::Picture;

pub use crate::ready::AccessUnits;

/// An encoder that keeps a frame in flight: while the hardware encodes it, the caller's thread brings the next one to
/// memory that the GPU reads, and its upload begins.
///
/// It is for throughput: back to back a frame costs the longer of what the encoder takes and what bringing it there
/// takes, where [`Encoder::encode`] costs the sum. A frame's access unit comes out one call later, so for the least
/// delay of a frame at a given rate `encode` is the form to use: paced at 60 Hz this one adds 16 ms.
///
/// ```
/// use direct264::{Bitrate, EncoderConfig, Frame, FrameRate, FrameSize, BackendOrder, Picture, Pipeline, PixelFormat, Timestamp};
///
/// # fn main() -> Result<(), direct264::Error> {
/// let size = FrameSize::new(1280, 720)?;
/// let config = EncoderConfig::new(size, FrameRate::hz(60)?, Bitrate::from_mbps(4)?);
/// let mut pipeline = Pipeline::new(direct264::open(&config, &BackendOrder::auto())?.encoder);
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
/// A change between two frames, made through [`encoder_mut`](Pipeline::encoder_mut), holds from the next frame on, and
/// a requested IDR is the very frame. A change of size, [`invalidate`](Encoder::invalidate) and
/// [`forget_cuda`](Encoder::forget_cuda) wait for the frame in flight first, whose access unit comes with the next call
/// of [`submit`](Pipeline::submit) or [`flush`](Pipeline::flush); so does a change of rate on a GPU that needs a new
/// session for it.
///
/// # Times
/// [`StageTimes::total`](crate::access_unit::StageTimes::total), and with it the failover encoder's
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
}

impl<E: Encoder> Pipeline<E> {
    /// Takes an encoder, which goes on with its stream. `&mut E` and `Box<dyn Encoder>` are encoders too.
    #[must_use]
    pub const fn new(encoder: E) -> Self {
        Self { encoder }
    }

    /// The encoder: its backend, its size, its counters.
    #[must_use]
    pub const fn encoder(&self) -> &E {
        &self.encoder
    }

    /// The encoder, to change its settings, report losses or take events. [`Encoder::encode`] answers
    /// [`FrameError::InFlight`](crate::error::FrameError::InFlight) while a frame of this pipeline is under way.
    pub const fn encoder_mut(&mut self) -> &mut E {
        &mut self.encoder
    }

    /// Gives the encoder back. After a [`flush`](Pipeline::flush) that was taken whole it encodes one frame at a time
    /// again; a frame that is still in flight comes first in the next pipeline that is made of it.
    #[must_use]
    pub fn into_inner(self) -> E {
        self.encoder
    }

    /// Takes a frame, and gives the access units that have come out by now: that of the frame before, in most cases;
    /// none for the first frame; that of this frame too where nothing is in flight behind it. The next call drops those
    /// that the caller has not taken from the result.
    ///
    /// # Errors
    /// As [`Encoder::encode`]: after [`Error::Frame`] and [`Error::Config`] this frame was not taken, and the one in
    /// flight comes with the next call. After any other error nothing comes any more.
    pub fn submit(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnits<'_>, Error> {
        self.encoder.ready().begin();
        self.encoder.submit(frame, picture, Depth::Two)?;
        Ok(self.encoder.ready().hand_out())
    }

    /// Waits for the frame in flight, and gives its access unit. No frame is in flight afterwards.
    ///
    /// # Errors
    /// As [`submit`](Pipeline::submit).
    pub fn flush(&mut self) -> Result<AccessUnits<'_>, Error> {
        self.encoder.ready().begin();
        self.encoder.finish()?;
        Ok(self.encoder.ready().hand_out())
    }
}
