//! Profiles of H.264.

/// The H.264 profile, and with it the entropy coder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Constrained baseline with CAVLC: what every browser and every hardware decoder takes.
    #[default]
    ConstrainedBaseline,
    /// Main with CABAC: fewer bits for the same picture, some more time.
    Main,
    /// High with CABAC.
    High,
}
