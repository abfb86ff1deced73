//! The jobs of a session and their answers.

use super::params::Params;
use super::pixels::{Staging, SurfaceFormat};
use super::session::{Next, Output, Session};
use crate::cuda::PinnedMemory;
use crate::error::Error;
use crate::frame::CudaImage;
use crate::units::FrameSize;

/// A job for a session. The memory for the work travels with the job and comes back with the [`Reply`], so that two
/// threads share no written memory during a call.
#[derive(Debug)]
pub(super) enum Job {
    /// Prepares a slot for pictures of a format and the size in force: see [`Session::prepare`].
    Prepare {
        slot: usize,
        format: SurfaceFormat,
        old: Option<Staging>,
    },
    /// Submits a picture, if there is one, and reads the oldest one if more than `keep` are in flight.
    Advance {
        next: Option<Next>,
        keep: usize,
        /// Whether a picture in flight lies in device memory, where the GPU may still have to write it.
        is_behind_others: bool,
        out: Box<Output>,
    },
    /// Copies a picture in device memory to page-locked memory.
    Fetch {
        image: CudaImage,
        size: FrameSize,
        memory: Option<PinnedMemory>,
    },
    /// Releases the caller's memory at an address, or all of it without one.
    Forget {
        address: Option<u64>,
    },
    Reconfigure {
        params: Box<Params>,
        force_idr: bool,
    },
    /// Excludes these pictures as references for later ones.
    Invalidate {
        pictures: Vec<u64>,
    },
    ParameterSets,
}

impl Job {
    /// Whether the job may wait for other work on the GPU: it reads the caller's device memory, or allocates, registers,
    /// reconfigures or frees.
    pub(super) const fn waits_for_others(&self) -> bool {
        match self {
            Self::Advance { is_behind_others, .. } => *is_behind_others,
            rare => rare.rare_job_waits(),
        }
    }

    #[cold]
    const fn rare_job_waits(&self) -> bool {
        match self {
            Self::Prepare { .. } | Self::Fetch { .. } | Self::Forget { .. } | Self::Reconfigure { .. } => {
                true
            }
            Self::Advance { .. } | Self::Invalidate { .. } | Self::ParameterSets => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    /// The outcome. [`Error::Frame`] leaves the session usable; the caller judges any other error.
    pub(super) result: Result<(), Error>,
    pub(super) carried: Carried,
}

/// The memory and the values that come back with a reply.
#[derive(Debug)]
pub(super) enum Carried {
    Nothing,
    /// The result of [`Job::Prepare`], if it succeeded.
    Staging(Staging),
    /// The result of [`Job::Advance`].
    Output(Box<Output>),
    /// The memory of [`Job::Fetch`], always present if it succeeded.
    Fetched(Option<PinnedMemory>),
    /// The result of [`Job::ParameterSets`], if it succeeded.
    ParameterSets(Vec<u8>),
}

impl Session {
    pub(super) fn run(&mut self, job: Job) -> Reply {
        let (result, carried) = match job {
            Job::Prepare { slot, format, old } => match self.prepare(slot, format, old) {
                Ok(staging) => (Ok(()), Carried::Staging(staging)),
                Err(error) => (Err(error), Carried::Nothing),
            },
            Job::Advance { next, keep, is_behind_others: _, mut out } => {
                let advanced = self.advance(next.as_ref(), keep, &mut out);
                (advanced, Carried::Output(out))
            }
            Job::Fetch { image, size, mut memory } => {
                let fetched = self.fetch(&image, size, &mut memory);
                (fetched, Carried::Fetched(memory))
            }
            Job::Forget { address } => (self.forget(address), Carried::Nothing),
            Job::Reconfigure { params, force_idr } => {
                (self.reconfigure(&params, force_idr), Carried::Nothing)
            }
            Job::Invalidate { pictures } => (self.invalidate(&pictures), Carried::Nothing),
            Job::ParameterSets => match self.parameter_sets() {
                Ok(bytes) => (Ok(()), Carried::ParameterSets(bytes)),
                Err(error) => (Err(error), Carried::Nothing),
            },
        };
        Reply { result: result.map_err(|error| self.explain(error)), carried }
    }
}
