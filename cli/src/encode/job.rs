//! The loop that encodes frame by frame and applies the actions of `--at`.

use direct264::{Bitrate, Encoder, FailoverEncoder, Frame, FrameRate, Picture, Timestamp};

use super::at::{Action, At, Schedule};
use super::output::StreamOutput;
use super::progress::FrameProgress;
use super::reader::{FrameReader, Next};
use super::scale::Scaler;
use super::switches::Switches;
use super::tally::Tally;
use crate::failure::{Failure, chain};
use crate::stats::Stats;

/// The encoder, its input and its outputs.
#[derive(Debug)]
pub(super) struct EncodeJob {
    /// The input's name in messages.
    pub(super) input: String,
    pub(super) encoder: FailoverEncoder,
    pub(super) scaler: Scaler,
    pub(super) schedule: Schedule,
    pub(super) output: StreamOutput,
    pub(super) stats: Option<Stats>,
    pub(super) progress: FrameProgress,
    pub(super) tally: Tally,
    pub(super) switches: Switches,
    /// The current target bitrate and frame rate.
    pub(super) bitrate: Bitrate,
    pub(super) frame_rate: FrameRate,
}

/// The cause of the stream's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The input ended.
    Whole,
    /// The input is truncated or failed: one clause with frame and byte.
    Broken(String),
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl EncodeJob {
    /// Encodes `next` and all frames after it.
    ///
    /// # Errors
    /// When the encoder or an output fails.
    pub(super) fn run(&mut self, mut next: Next, reader: &FrameReader) -> Result<Ending, Failure> {
        loop {
            match next {
                Next::Frame(pixels) => {
                    self.frame(&pixels)?;
                    reader.give_back(pixels);
                }
                Next::End => return Ok(Ending::Whole),
                Next::Failed(why) => return Ok(Ending::Broken(why)),
                Next::Interrupted => return Ok(Ending::Interrupted),
            }
            next = reader.next();
        }
    }

    fn frame(&mut self, pixels: &[u8]) -> Result<(), Failure> {
        let number = self.tally.frames();
        let picture = self.act(number)?;
        let scaled = self.scaler.size();
        let format = self.scaler.format();
        let pixels = self
            .scaler
            .scale(pixels)
            .map_err(|why| failed(&self.input, number, &format!("it cannot be scaled to {scaled}: {why}")))?;
        let timestamp = Timestamp(i64::try_from(number).unwrap_or(i64::MAX));
        let frame = Frame::contiguous(scaled, format, pixels, timestamp)
            .map_err(|error| failed(&self.input, number, &chain(&error)))?;
        let unit = match self.encoder.encode(&frame, picture) {
            Ok(unit) => unit,
            Err(error) => {
                let failure = failed(&self.input, number, &chain(&error));
                // The events before the error explain it.
                self.tell_events()?;
                return Err(failure);
            }
        };
        self.tally.add(&unit, self.bitrate, self.frame_rate);
        self.output.write(number, unit.bytes)?;
        if let Some(stats) = &mut self.stats {
            stats.frame(number, &unit)?;
        }
        self.progress.frame(unit.backend);
        self.tell_events()
    }

    /// Applies the actions that are due before frame `number` and returns the picture type of the frame.
    fn act(&mut self, number: u64) -> Result<Picture, Failure> {
        let mut picture = Picture::Auto;
        while let Some(At { action, .. }) = self.schedule.next_due(number) {
            let done = match action {
                Action::Idr => {
                    picture = Picture::Idr;
                    Ok(())
                }
                Action::Bitrate(bitrate) => {
                    self.bitrate = bitrate;
                    self.encoder.set_bitrate(bitrate)
                }
                Action::FrameRate(frame_rate) => {
                    self.frame_rate = frame_rate;
                    self.encoder.set_frame_rate(frame_rate)
                }
                Action::Size(size) => {
                    self.scaler.set_size(size);
                    self.encoder.set_size(size)
                }
            };
            done.map_err(|error| failed(&self.input, number, &chain(&error)))?;
        }
        self.tell_events()?;
        Ok(picture)
    }

    /// Drains the encoder's events into the summary and `--stats`.
    pub(super) fn tell_events(&mut self) -> Result<(), Failure> {
        let events = self.encoder.take_events();
        events.iter().for_each(|event| self.switches.add(event));
        let Some(stats) = &mut self.stats else { return Ok(()) };
        events.iter().try_for_each(|event| stats.event(event))
    }
}

fn failed(input: &str, number: u64, why: &str) -> Failure {
    Failure::after(format!("{input}: frame {number}: {why}"))
}
