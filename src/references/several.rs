//! The pictures of a session that keeps several references.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::answer::{Answer, REMEMBERED};

/// Stands for the parent of a picture that was predicted from none.
const NONE: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct SeveralReferences {
    /// The number of references that the session keeps.
    kept: usize,
    /// The remembered pictures, oldest first.
    known: VecDeque<CodedPicture>,
    /// The number of the oldest of them.
    oldest: u64,
    /// The picture that the stream starts anew with: the last IDR, or the first one of an intra refresh that has ended.
    start: u64,
}

#[derive(Debug, Clone, Copy)]
struct CodedPicture {
    /// The picture that this one was predicted from, or [`NONE`].
    parent: u64,
    is_reference: bool,
    is_lost: bool,
}

impl SeveralReferences {
    pub(super) fn new(kept: usize) -> Self {
        Self { kept, known: VecDeque::with_capacity(REMEMBERED as usize), oldest: 0, start: 0 }
    }

    #[inline(never)]
    pub(super) fn coded(&mut self, picture: u64, is_idr: bool, is_droppable: bool) {
        if is_idr {
            self.known.clear();
            self.start = picture;
        }
        if self.known.is_empty() {
            self.oldest = picture;
        } else if self.known.len() as u64 == REMEMBERED {
            self.known.pop_front();
            self.oldest += 1;
        }
        let parent = match self.known.back() {
            Some(newest) if newest.can_be_used() => picture - 1,
            _ => self.newest_usable(),
        };
        self.known.push_back(CodedPicture { parent, is_reference: !is_droppable, is_lost: false });
    }

    #[cfg(nvenc)]
    pub(super) fn refreshed(&mut self, first: u64, is_exact: bool) {
        let forgotten = self.known.len().saturating_sub(1);
        self.known.drain(..forgotten);
        self.oldest += forgotten as u64;
        if let Some(newest) = self.known.front_mut() {
            newest.parent = NONE;
        }
        if is_exact {
            self.start = first;
        }
    }

    pub(super) fn lose(&mut self, lost: &RangeInclusive<u64>) -> Answer {
        let end = self.oldest + self.known.len() as u64;
        if self.known.is_empty() || lost.is_empty() || *lost.end() < self.start || *lost.start() >= end {
            return Answer::Nothing;
        }
        if *lost.start() < self.oldest {
            // The loss may reach back to the IDR, into an intra refresh or to pictures no longer remembered, so every
            // picture counts as lost.
            let is_news = self.known.iter().any(|known| !known.is_lost);
            self.known.iter_mut().for_each(|known| known.is_lost = true);
            return if is_news { Answer::Idr } else { Answer::Nothing };
        }
        let newly = self.mark(lost);
        if newly.is_empty() {
            return Answer::Nothing;
        }
        let mut in_use = self.numbered().rev().filter(|(_, known)| known.is_reference).take(self.kept);
        let Some((oldest_in_use, _)) = in_use.clone().last() else {
            return Answer::Nothing;
        };
        if in_use.all(|(_, known)| known.is_lost) {
            return Answer::Idr;
        }
        Answer::Invalidate(newly.into_iter().filter(|&picture| picture >= oldest_in_use).collect())
    }

    /// Marks the pictures that were not received and the pictures predicted from them. Returns the references among
    /// those newly marked.
    fn mark(&mut self, lost: &RangeInclusive<u64>) -> Vec<u64> {
        let mut newly = Vec::new();
        for at in 0..self.known.len() {
            let picture = self.oldest + at as u64;
            let CodedPicture { parent, is_reference, is_lost } = self.known[at];
            if !is_lost && (lost.contains(&picture) || self.is_lost(parent)) {
                self.known[at].is_lost = true;
                if is_reference {
                    newly.push(picture);
                }
            }
        }
        newly
    }

    /// The number of the newest picture that a later one may be predicted from, or [`NONE`].
    fn newest_usable(&self) -> u64 {
        let newest = self.numbered().rev().find(|(_, known)| known.can_be_used());
        newest.map_or(NONE, |(picture, _)| picture)
    }

    fn is_lost(&self, picture: u64) -> bool {
        let at = picture.checked_sub(self.oldest).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.known.get(at)).is_some_and(|known| known.is_lost)
    }

    /// The remembered pictures with their numbers.
    fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &CodedPicture)> + Clone {
        self.known.iter().enumerate().map(|(at, known)| (self.oldest + at as u64, known))
    }
}

impl CodedPicture {
    fn can_be_used(&self) -> bool {
        self.is_reference && !self.is_lost
    }
}
