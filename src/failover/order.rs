//! The order in which backends are tried.

use std::str::FromStr;

use crate::backend::Backend;
use crate::error::ConfigError;

/// An order of backends, best first.
///
/// [`BackendOrder::default`] is `auto`: NVENC, then openh264. An order of one backend is strict: that backend or a
/// typed error, at opening and in mid-stream.
///
/// ```
/// use direct264::{Backend, BackendOrder};
///
/// let order = BackendOrder::of([Backend::OpenH264, Backend::Nvenc])?;
/// assert_eq!(order.backends(), [Backend::OpenH264, Backend::Nvenc]);
/// // A word means an order of one backend, or the default order.
/// assert_eq!("nvenc".parse::<BackendOrder>()?, BackendOrder::only(Backend::Nvenc));
/// assert_eq!("auto".parse::<BackendOrder>()?, BackendOrder::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendOrder(Vec<Backend>);

impl BackendOrder {
    /// The environment variable that overrides `auto` in the command: `auto`, `nvenc` or `openh264`.
    pub const ENVIRONMENT: &'static str = "DIRECT264_BACKEND";

    /// NVENC, then openh264.
    #[must_use]
    pub fn auto() -> Self {
        Self(Backend::ALL.to_vec())
    }

    /// These backends, in this order.
    ///
    /// # Errors
    /// [`ConfigError::NoBackend`] for an empty list.
    pub fn of(backends: impl Into<Vec<Backend>>) -> Result<Self, ConfigError> {
        let backends = backends.into();
        if backends.is_empty() {
            return Err(ConfigError::NoBackend);
        }
        Ok(Self(backends))
    }

    /// Only this backend.
    #[must_use]
    pub fn only(backend: Backend) -> Self {
        Self(vec![backend])
    }

    /// The backends, best first.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.0
    }
}

impl Default for BackendOrder {
    fn default() -> Self {
        Self::auto()
    }
}

impl FromStr for BackendOrder {
    type Err = ConfigError;

    /// Parses `auto` or the word of one backend.
    fn from_str(word: &str) -> Result<Self, ConfigError> {
        Ok(if word == "auto" { Self::auto() } else { Self::only(word.parse()?) })
    }
}
