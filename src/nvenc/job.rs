//! What a session is asked to do, and what came of it.

use super::params::Params;
use super::pixels::{Staging, SurfaceFormat};
use super::session::{Next, Output, Session};
use crate::cuda::PinnedMemory;
use crate::error::{Error, FrameError};
use crate::frame::CudaImage;
use crate::units::FrameSize;

/// Something to do with a session. What the work needs travels with it and comes back with the [`Reply`], so that
/// nothing is shared between two threads while a call is under way.
#[derive(Debug)]
pub(super) enum Job {
    Prepare {
        slot: usize,
        format: SurfaceFormat,
        old: Option<Staging>,
    },
    Encode {
        slot: usize,
        staging: Staging,
        is_idr: bool,
        out: Output,
    },
    /// Encodes a picture in device memory.
    EncodeDevice {
        image: CudaImage,
        size: FrameSize,
        format: SurfaceFormat,
        is_idr: bool,
        out: Output,
    },
    /// Submits a picture, if there is one, and waits for the one in flight, if there is one.
    Pipe {
        next: Option<Next>,
        /// One of them lies in device memory.
        is_behind_others: bool,
        out: Output,
    },
    /// Brings a picture in device memory to page-locked memory.
    Fetch {
        image: CudaImage,
        size: FrameSize,
        memory: Option<PinnedMemory>,
    },
    /// Lets go of the caller's memory at an address; of all of it without one.
    Forget {
        address: Option<u64>,
    },
    Reconfigure {
        params: Box<Params>,
        force_idr: bool,
    },
    /// Has the next picture start an intra refresh that is spread over so many.
    Refresh {
        frames: u32,
    },
    /// Has no picture predicted from these any more.
    Invalidate {
        pictures: Vec<u64>,
    },
    ParameterSets,
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) result: Result<(), Error>,
    /// After [`Job::Prepare`] if it succeeded, and always after [`Job::Encode`].
    pub(super) staging: Option<Staging>,
    /// What is wrong with the frame, where that is why nothing came of it.
    pub(super) refused: Option<FrameError>,
    /// After [`Job::Fetch`]: always if it succeeded.
    pub(super) fetched: Option<PinnedMemory>,
    /// After [`Job::Encode`], [`Job::EncodeDevice`] and [`Job::Pipe`].
    pub(super) out: Output,
    /// After [`Job::ParameterSets`].
    pub(super) parameter_sets: Vec<u8>,
}

impl Reply {
    /// Sorts an error by whether the session is still good.
    fn end(&mut self, done: Result<(), Error>) {
        match done {
            Err(Error::Frame(error)) => self.refused = Some(error),
            done => self.result = done,
        }
    }
}

impl Session {
    pub(super) fn run(&mut self, job: Job) -> Reply {
        let mut reply = Reply {
            result: Ok(()),
            refused: None,
            staging: None,
            fetched: None,
            out: Output::default(),
            parameter_sets: Vec::new(),
        };
        match job {
            Job::Prepare { slot, format, old } => match self.prepare(slot, format, old) {
                Ok(staging) => reply.staging = Some(staging),
                Err(error) => reply.result = Err(error),
            },
            Job::Encode { slot, staging, is_idr, mut out } => {
                reply.result = self.encode(slot, &staging, is_idr, &mut out);
                reply.staging = Some(staging);
                reply.out = out;
            }
            Job::EncodeDevice { image, size, format, is_idr, mut out } => {
                let coded = self.encode_device(&image, size, format, is_idr, &mut out);
                reply.end(coded);
                reply.out = out;
            }
            Job::Pipe { next, mut out, .. } => {
                let piped = self.pipe(next, &mut out);
                reply.end(piped);
                reply.out = out;
            }
            Job::Fetch { image, size, memory } => {
                reply.fetched = memory;
                let fetched = self.fetch(&image, size, &mut reply.fetched);
                reply.end(fetched);
            }
            Job::Forget { address } => reply.result = self.forget(address),
            Job::Reconfigure { params, force_idr } => reply.result = self.reconfigure(&params, force_idr),
            Job::Refresh { frames } => self.refresh(frames),
            Job::Invalidate { pictures } => reply.result = self.invalidate(&pictures),
            Job::ParameterSets => match self.parameter_sets() {
                Ok(parameter_sets) => reply.parameter_sets = parameter_sets,
                Err(error) => reply.result = Err(error),
            },
        }
        reply.result = reply.result.map_err(|error| self.explain(error));
        reply
    }
}
