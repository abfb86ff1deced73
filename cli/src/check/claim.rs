//! A claim about a backend.

use direct264::Backend;

use super::outcome::Proof;
use super::subject::Subject;

/// A claim of the documentation about a backend, and its proof.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// The stable word of the claim, such as `idr`.
    pub(super) word: &'static str,
    /// The claim as one sentence for people.
    pub(super) sentence: &'static str,
    pub(super) of: Of,
    pub(super) place: Place,
    pub(super) prove: fn(&Subject) -> Proof,
}

/// The backends that make a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Every,
    Nvenc,
}

/// The process of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Here,
    /// A child process, since a failed proof can cost the process its CUDA context, its sessions or its life.
    Child,
}

impl Claim {
    /// Creates a claim of every backend with a proof in this process.
    pub(super) const fn new(
        word: &'static str,
        sentence: &'static str,
        prove: fn(&Subject) -> Proof,
    ) -> Self {
        Self { word, sentence, of: Of::Every, place: Place::Here, prove }
    }

    /// The same claim of NVENC alone.
    pub(super) const fn nvenc(self) -> Self {
        Self { of: Of::Nvenc, ..self }
    }

    /// The same claim with a proof in a child process.
    pub(super) const fn in_child(self) -> Self {
        Self { place: Place::Child, ..self }
    }

    /// Whether `backend` makes the claim.
    pub(super) fn is_of(&self, backend: Backend) -> bool {
        self.of == Of::Every || backend == Backend::Nvenc
    }
}
