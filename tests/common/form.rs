//! An encoder in either form: the access unit of a frame comes out of the same call, or one call later.

use direct264::{
    AccessUnit, Bitrate, Encoder, Event, Frame, FrameRate, FrameSize, Picture, Pipeline, QpRange,
};

#[derive(Debug)]
pub enum Form<E> {
    OneCall(E),
    Pipelined(Pipeline<E>),
}

impl<E: Encoder> Form<E> {
    pub fn new(encoder: E, is_pipelined: bool) -> Self {
        if is_pipelined { Self::Pipelined(Pipeline::new(encoder)) } else { Self::OneCall(encoder) }
    }

    pub fn encoder(&self) -> &E {
        match self {
            Self::OneCall(encoder) => encoder,
            Self::Pipelined(pipeline) => pipeline.encoder(),
        }
    }

    pub fn encoder_mut(&mut self) -> &mut E {
        match self {
            Self::OneCall(encoder) => encoder,
            Self::Pipelined(pipeline) => pipeline.encoder_mut(),
        }
    }

    /// Submits a frame, and passes access units that come out to `take`.
    pub fn frame(&mut self, frame: &Frame<'_>, picture: Picture, mut take: impl FnMut(AccessUnit<'_>)) {
        match self {
            Self::OneCall(encoder) => take(encoder.encode(frame, picture).unwrap()),
            Self::Pipelined(pipeline) => {
                pipeline.submit(frame, picture).unwrap().for_each(|unit| take(unit.unwrap()));
            }
        }
    }

    /// Waits for the remaining access units.
    pub fn flush(&mut self, mut take: impl FnMut(AccessUnit<'_>)) {
        if let Self::Pipelined(pipeline) = self {
            pipeline.flush().unwrap().for_each(|unit| take(unit.unwrap()));
        }
    }

    pub fn set_bitrate(&mut self, bitrate: Bitrate) {
        self.encoder_mut().set_bitrate(bitrate).unwrap();
    }

    pub fn set_frame_rate(&mut self, frame_rate: FrameRate) {
        self.encoder_mut().set_frame_rate(frame_rate).unwrap();
    }

    pub fn set_qp_range(&mut self, qp_range: QpRange) {
        self.encoder_mut().set_qp_range(qp_range).unwrap();
    }

    pub fn set_size(&mut self, size: FrameSize) -> Result<(), direct264::Error> {
        self.encoder_mut().set_size(size)
    }

    pub fn parameter_sets(&mut self) -> Vec<u8> {
        self.encoder_mut().parameter_sets().unwrap()
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        self.encoder_mut().take_events()
    }
}
