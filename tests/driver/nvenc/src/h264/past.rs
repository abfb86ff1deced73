//! Codes two kinds of pictures that openh264 lacks: a picture predicted from an older reference, and an intra picture
//! that is no IDR.
//!
//! An IDR of openh264's becomes the intra picture. From there to the next IDR the pictures have other numbers than
//! openh264 gives them, and the slice headers are written anew.
//!
//! openh264 predicts from the last reference alone. So this module keeps the input since the last IDR. For a picture
//! predicted from an older reference, a second encoder gets the input up to that reference, and is then in the state
//! that the first encoder was in. The second encoder codes that picture and the stream from there on.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use d264_double_common::Function;

use super::slice::{Numbers, renumber};
use super::{Coded, Coder};
use crate::config::Config;
use crate::driver::broke;
use crate::pixels::Picture;

/// Pictures of a sequence that are kept at most; beyond them there is no way back but an IDR.
const MOST_STEPS: usize = 600;

/// The kinds of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Predicted,
    /// Predicted from nothing, and no IDR.
    Intra,
    Idr,
}

/// What was done since the last IDR, and the references that a decoder has.
#[derive(Debug)]
pub(crate) struct Past {
    /// How many of them: the decoded picture buffer.
    kept: usize,
    /// Oldest first.
    references: VecDeque<Reference>,
    steps: Vec<Step>,
    /// There were too many steps, or nothing to go back to.
    is_forgotten: bool,
    /// The pictures have other numbers than openh264 gives them.
    is_renumbered: bool,
    /// What the encoder of this sequence was started with.
    begun_with: Option<(Config, i32)>,
    idr: u32,
    /// Pictures and references since the IDR.
    pictures: u32,
    next_frame_num: u32,
}

#[derive(Debug)]
enum Step {
    /// A picture, whether it is an intra picture, and what came of it.
    Picture(Box<Picture>, bool, u64),
    Rate(u32, f32),
}

#[derive(Debug)]
struct Reference {
    timestamp: u64,
    frame_num: u32,
    /// What an encoder has done that has just coded it.
    steps: usize,
    is_lost: bool,
}

/// There is no such picture among the references.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Past {
    pub(crate) fn new(kept: u32) -> Self {
        Self {
            kept: kept as usize,
            references: VecDeque::new(),
            steps: Vec::new(),
            is_forgotten: kept == 1,
            is_renumbered: kept > 1,
            begun_with: None,
            idr: 0,
            pictures: 0,
            next_frame_num: 0,
        }
    }

    /// Encodes a picture: a predicted one from the newest reference that is not lost. None if openh264 refuses it.
    pub(crate) fn encode(
        &mut self,
        coder: &mut Coder,
        config: &Config,
        picture: &Picture,
        timestamp: u64,
        kind: Kind,
    ) -> Option<Coded> {
        if kind == Kind::Idr || self.pictures == 0 {
            return self.begin(coder, config, picture, timestamp, 0);
        }
        let from = self.references.iter().rev().find(|reference| !reference.is_lost)?;
        let (back, steps) = (self.next_frame_num - from.frame_num, from.steps);
        if back > 1 && steps < self.last_reference_steps() {
            self.go_back(coder, config, steps)?;
        }
        let coded = coder.encode(picture, kind == Kind::Intra)?;
        if coded.idr && kind == Kind::Predicted {
            // The period of IDRs that openh264 was given is over.
            self.restart();
            self.is_forgotten = true;
            return self.note(coded, picture, timestamp, (Kind::Idr, 1));
        }
        self.is_renumbered |= kind == Kind::Intra;
        self.note(coded, picture, timestamp, (kind, back))
    }

    /// Encodes a picture as an IDR. Where it may be gone back to, or is to be coarser, with a new encoder: another one
    /// can come to be like it.
    pub(crate) fn begin(
        &mut self,
        coder: &mut Coder,
        config: &Config,
        picture: &Picture,
        timestamp: u64,
        least_qp: i32,
    ) -> Option<Coded> {
        if self.kept > 1 || least_qp > 0 {
            *coder = Coder::with_least_qp(config, least_qp).ok()?;
            self.begun_with = Some((config.clone(), least_qp));
        }
        let coded = coder.encode(picture, true)?;
        self.restart();
        self.note(coded, picture, timestamp, (Kind::Idr, 1))
    }

    fn restart(&mut self) {
        self.references.clear();
        self.steps.clear();
        self.is_forgotten = self.kept == 1;
        self.is_renumbered = self.kept > 1;
        self.idr ^= 1;
        (self.pictures, self.next_frame_num) = (0, 0);
    }

    fn note(
        &mut self,
        mut coded: Coded,
        picture: &Picture,
        timestamp: u64,
        (kind, back): (Kind, u32),
    ) -> Option<Coded> {
        self.is_forgotten |= self.steps.len() >= MOST_STEPS;
        let is_intra = kind != Kind::Predicted;
        if self.is_forgotten {
            self.steps.clear();
        } else {
            self.steps.push(Step::Picture(Box::new(picture.clone()), is_intra, digest(&coded)));
        }
        if self.is_renumbered {
            let (frame_num, picture, idr) = (self.next_frame_num, self.pictures, self.idr);
            let is_plain_intra = kind == Kind::Intra;
            let numbers = Numbers { frame_num, picture, idr, back, is_plain_intra };
            for slice in &mut coded.slices {
                *slice = renumber(slice, coded.syntax, numbers)?;
            }
        }
        coded.idr = kind == Kind::Idr;
        self.pictures += 1;
        if coded.is_reference() {
            if self.references.len() == self.kept {
                self.references.pop_front();
            }
            let (frame_num, steps) = (self.next_frame_num, self.steps.len());
            self.references.push_back(Reference { timestamp, frame_num, steps, is_lost: false });
            self.next_frame_num += 1;
        }
        coded.back = back;
        Some(coded)
    }

    /// The rate changes from the next picture on.
    pub(crate) fn set_rate(&mut self, bits_per_second: u32, frames_per_second: f32) {
        if !self.is_forgotten {
            self.steps.push(Step::Rate(bits_per_second, frames_per_second));
        }
    }

    /// The picture of this timestamp is lost, and all references since, which were predicted from it. Whether there is
    /// one left to predict from.
    pub(crate) fn lose(&mut self, timestamp: u64) -> Result<bool, Unknown> {
        let place = self.references.iter().position(|known| known.timestamp == timestamp).ok_or(Unknown)?;
        if !self.references[place].is_lost {
            self.references.range_mut(place..).for_each(|reference| reference.is_lost = true);
        }
        Ok(!self.is_forgotten && self.references.iter().any(|reference| !reference.is_lost))
    }

    fn last_reference_steps(&self) -> usize {
        self.references.back().map_or(0, |reference| reference.steps)
    }

    /// Has an encoder take the place of `coder` that has done no more than the first steps.
    fn go_back(&mut self, coder: &mut Coder, config: &Config, steps: usize) -> Option<()> {
        let (begun_with, least_qp) = self.begun_with.as_ref()?;
        *coder = Coder::with_least_qp(begun_with, *least_qp).ok()?;
        self.steps.truncate(steps);
        for step in &self.steps {
            match step {
                Step::Picture(picture, is_intra, came_of_it) => {
                    if coder.encode(picture, *is_intra).is_none_or(|again| digest(&again) != *came_of_it) {
                        broke(Function::nvEncEncodePicture, 0, "the double does not code alike twice");
                    }
                }
                Step::Rate(bits_per_second, frames_per_second) => {
                    coder.set_rate(*bits_per_second, *frames_per_second);
                }
            }
        }
        let (bits, frames) = (config.target_bits_per_second(), config.frames_per_second());
        coder.set_rate(bits, frames);
        self.set_rate(bits, frames);
        // What is lost has no place among the steps any more.
        for lost in self.references.iter_mut().filter(|reference| reference.is_lost) {
            lost.steps = 0;
        }
        Some(())
    }
}

fn digest(coded: &Coded) -> u64 {
    let mut hasher = DefaultHasher::new();
    coded.slices.hash(&mut hasher);
    hasher.finish()
}
