//! An encoder in either of its forms: a frame's access unit comes out of the call that brings it, or one call later.

use direct264::{
    AccessUnit, Bitrate, Event, Frame, FrameRate, FrameSize, Picture, Pipeline, Pipelined, QpRange,
};

#[derive(Debug)]
pub enum Form<E> {
    OneCall(E),
    Pipelined(Pipeline<E>),
}

/// The same call of either.
macro_rules! either {
    ($form:expr, $encoder:ident => $call:expr) => {
        match $form {
            Form::OneCall($encoder) => $call,
            Form::Pipelined($encoder) => $call,
        }
    };
}

impl<E: Pipelined> Form<E> {
    pub fn new(encoder: E, is_pipelined: bool) -> Self {
        if is_pipelined { Self::Pipelined(Pipeline::new(encoder)) } else { Self::OneCall(encoder) }
    }

    pub fn encoder(&self) -> &E {
        match self {
            Self::OneCall(encoder) => encoder,
            Self::Pipelined(pipeline) => pipeline.encoder(),
        }
    }

    /// Brings a frame. What comes out goes to `take`.
    pub fn frame(&mut self, frame: &Frame<'_>, picture: Picture, mut take: impl FnMut(AccessUnit<'_>)) {
        match self {
            Self::OneCall(encoder) => take(encoder.encode(frame, picture).unwrap()),
            Self::Pipelined(pipeline) => {
                pipeline.submit(frame, picture).unwrap().for_each(|unit| take(unit.unwrap()));
            }
        }
    }

    /// Waits for what has not come out yet.
    pub fn flush(&mut self, mut take: impl FnMut(AccessUnit<'_>)) {
        if let Self::Pipelined(pipeline) = self {
            pipeline.flush().unwrap().for_each(|unit| take(unit.unwrap()));
        }
    }

    pub fn set_bitrate(&mut self, bitrate: Bitrate) {
        either!(self, encoder => encoder.set_bitrate(bitrate)).unwrap();
    }

    pub fn set_frame_rate(&mut self, frame_rate: FrameRate) {
        either!(self, encoder => encoder.set_frame_rate(frame_rate)).unwrap();
    }

    pub fn set_qp_range(&mut self, qp_range: QpRange) {
        either!(self, encoder => encoder.set_qp_range(qp_range)).unwrap();
    }

    pub fn set_size(&mut self, size: FrameSize) -> Result<(), direct264::Error> {
        either!(self, encoder => encoder.set_size(size))
    }

    pub fn parameter_sets(&mut self) -> Vec<u8> {
        either!(self, encoder => encoder.parameter_sets()).unwrap()
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        either!(self, encoder => encoder.take_events())
    }
}
