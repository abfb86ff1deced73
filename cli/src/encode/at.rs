//! Parses and orders the actions of `--at FRAME:ACTION`.

use std::collections::VecDeque;
use std::mem;

use direct264::{Bitrate, FrameRate, FrameSize};

use crate::failure::Failure;
use crate::values;

/// One action and its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The frame before which the action happens, from 0.
    pub(crate) frame: u64,
    /// The change that is made.
    pub(crate) action: Action,
    /// The option's value as typed.
    text: String,
}

/// The change that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Makes the frame an IDR.
    Idr,
    /// Changes the target bitrate.
    Bitrate(Bitrate),
    /// Changes the declared frame rate.
    FrameRate(FrameRate),
    /// Scales the input to this size.
    Size(FrameSize),
}

impl At {
    /// Parses `FRAME:ACTION`.
    ///
    /// # Errors
    /// One clause that names the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            format!(
                "\"{text}\" {why}: write it like 120:idr, 120:bitrate=2M, 120:fps=15 or 120:size=1280x720"
            )
        };
        let (frame, action) = text.split_once(':').ok_or_else(|| refused("has no colon after the frame"))?;
        let is_number = !frame.is_empty() && frame.bytes().all(|byte| byte.is_ascii_digit());
        let frame = if is_number { frame.parse().ok() } else { None };
        let frame = frame.ok_or_else(|| refused("does not begin with a frame's number"))?;
        let action = match action.split_once('=') {
            None if action == "idr" => Action::Idr,
            Some(("bitrate", value)) => Action::Bitrate(values::bitrate(value)?),
            Some(("fps", value)) => Action::FrameRate(values::frame_rate(value)?),
            Some(("size", value)) => Action::Size(values::size(value)?),
            _ => return Err(refused("has no action that is known")),
        };
        Ok(Self { frame, action, text: text.to_owned() })
    }
}

/// The actions that are still to come, in the order of frames.
#[derive(Debug)]
pub struct Schedule(VecDeque<At>);

impl Schedule {
    /// Sorts the actions by frame.
    ///
    /// # Errors
    /// When two actions of one kind have the same frame.
    pub fn new(all: &[At]) -> Result<Self, Failure> {
        let mut all = all.to_vec();
        all.sort_by_key(|at| at.frame);
        for (index, at) in all.iter().enumerate() {
            let same_kind = |other: &&At| mem::discriminant(&other.action) == mem::discriminant(&at.action);
            let rivals = all[index + 1..].iter().take_while(|other| other.frame == at.frame);
            if let Some(rival) = rivals.into_iter().find(same_kind) {
                return Err(Failure::before(format!(
                    "--at {} and --at {} ask for the same thing at the same frame",
                    at.text, rival.text
                )));
            }
        }
        Ok(Self(all.into()))
    }

    /// Checks that an input of at most `frames` frames reaches every action.
    ///
    /// # Errors
    /// When an action lies beyond the end.
    pub(crate) fn check_within(&self, frames: u64, input: &str) -> Result<(), Failure> {
        match self.0.back() {
            Some(at) if at.frame >= frames && frames > 0 => Err(Failure::before(format!(
                "--at {} is beyond the end of {input}, which has {frames} frames (0 to {})",
                at.text,
                frames - 1
            ))),
            _ => Ok(()),
        }
    }

    /// Takes the next action that is due at `frame`.
    pub(crate) fn next_due(&mut self, frame: u64) -> Option<At> {
        if self.0.front()?.frame <= frame { self.0.pop_front() } else { None }
    }

    /// Returns the first action that was not reached, as typed.
    pub(crate) fn first_left(&self) -> Option<&str> {
        self.0.front().map(|at| at.text.as_str())
    }

    /// Returns the highest bitrate of all actions to come.
    pub(crate) fn highest_bitrate(&self) -> Option<Bitrate> {
        let bitrates = self.0.iter().filter_map(|at| match at.action {
            Action::Bitrate(bitrate) => Some(bitrate),
            _ => None,
        });
        bitrates.max()
    }

    /// Returns the sizes of all actions to come, with their text.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (FrameSize, &str)> {
        self.0.iter().filter_map(|at| match at.action {
            Action::Size(size) => Some((size, at.text.as_str())),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_read() {
        let action = |text| At::parse(text).unwrap().action;
        assert_eq!(action("0:idr"), Action::Idr);
        assert_eq!(action("7:bitrate=2M"), Action::Bitrate(Bitrate::from_mbps(2).unwrap()));
        assert_eq!(action("7:fps=15"), Action::FrameRate(FrameRate::hz(15).unwrap()));
        assert_eq!(action("7:size=64x32"), Action::Size(FrameSize::new(64, 32).unwrap()));
        assert_eq!(At::parse("7:idr").unwrap().frame, 7);
    }

    #[test]
    fn what_is_malformed_is_refused_with_the_value() {
        for text in
            ["idr", ":idr", "x:idr", "-1:idr", "+1:idr", "7:", "7:idr=1", "7:bitrate", "7:zoom=2", "7 :idr"]
        {
            assert!(At::parse(text).unwrap_err().contains(text), "{text}");
        }
        assert!(At::parse("7:bitrate=6Q").unwrap_err().contains("6Q"));
        assert!(At::parse("7:fps=0").unwrap_err().contains("frame rate 0 is outside"));
        assert!(At::parse("7:size=0x8").unwrap_err().contains("0x8"));
    }

    #[test]
    fn they_come_in_the_order_of_frames() {
        let all = ["9:idr", "3:fps=15", "3:idr"].map(|text| At::parse(text).unwrap());
        let mut schedule = Schedule::new(&all).unwrap();
        assert_eq!(schedule.next_due(2), None);
        assert_eq!(schedule.next_due(3).unwrap().text, "3:fps=15");
        assert_eq!(schedule.next_due(3).unwrap().text, "3:idr");
        assert_eq!(schedule.next_due(3), None);
        assert_eq!(schedule.first_left(), Some("9:idr"));
        assert!(schedule.check_within(10, "a").is_ok());
        assert!(schedule.check_within(9, "a").unwrap_err().message.contains("9 frames (0 to 8)"));
    }

    #[test]
    fn two_of_a_kind_at_one_frame_are_refused() {
        let all = ["3:bitrate=1M", "3:idr", "3:bitrate=2M"].map(|text| At::parse(text).unwrap());
        assert!(Schedule::new(&all).unwrap_err().message.contains("3:bitrate=1M and --at 3:bitrate=2M"));
    }
}
