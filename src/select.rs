//! Which backend encodes, and why the better ones do not.

use crate::config::EncoderConfig;
use crate::encoder::{Backend, Encoder};
use crate::error::{ConfigError, Error, Unavailable};
#[cfg(not(openh264))]
use crate::reason::Reason;

/// The backends to try, best first.
///
/// [`Order::default`] is `auto`: NVENC, then openh264. A list of one is strict: that backend or a typed error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(Vec<Backend>);

impl Order {
    /// The environment variable that overrules `auto` in the command: `auto`, `nvenc` or `openh264`.
    pub const ENVIRONMENT: &'static str = "DIRECT264_BACKEND";

    /// NVENC, then openh264.
    #[must_use]
    pub fn auto() -> Self {
        Self(vec![Backend::Nvenc, Backend::OpenH264])
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

impl Default for Order {
    fn default() -> Self {
        Self::auto()
    }
}

impl std::str::FromStr for Order {
    type Err = ConfigError;

    /// `auto`, or one backend's word.
    fn from_str(word: &str) -> Result<Self, ConfigError> {
        if word == "auto" { Ok(Self::auto()) } else { word.parse().map(Self::only) }
    }
}

/// An encoder, and what was passed over on the way to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Every better backend, in the order tried, with the reason why it is not the one.
    pub passed_over: Vec<Unavailable>,
}

/// Opens the first backend of `order` that this machine has.
///
/// What is absent is told through `tracing` at info level and in [`Opened::passed_over`].
///
/// # Errors
/// [`Error::Config`] when the settings cannot work, whatever the backend. [`Error::Unavailable`] or
/// [`Error::Driver`] of the last backend when none opens.
pub fn open(config: &EncoderConfig, order: &Order) -> Result<Opened, Error> {
    config.validate()?;
    let mut passed_over = Vec::new();
    let mut last = None;
    for &backend in order.backends() {
        match open_backend(backend, config) {
            Ok(encoder) => {
                tracing::info!(backend = backend.word(), size = %config.size, "encoder selected");
                return Ok(Opened { encoder, passed_over });
            }
            Err(Error::Unavailable(why)) => {
                tracing::info!(
                    backend = backend.word(),
                    reason = why.reason.word(),
                    detail = why.detail,
                    "encoder passed over"
                );
                passed_over.push(why.clone());
                last = Some(Error::Unavailable(why));
            }
            Err(Error::Driver(why)) => {
                tracing::warn!(backend = backend.word(), error = %why, "encoder failed to open");
                passed_over.push(Unavailable::new(backend, why.reason, why.to_string()));
                last = Some(Error::Driver(why));
            }
            Err(other) => return Err(other),
        }
    }
    Err(last.unwrap_or(Error::Config(ConfigError::NoBackend)))
}

fn open_backend(backend: Backend, config: &EncoderConfig) -> Result<Box<dyn Encoder>, Error> {
    match backend {
        #[cfg(nvenc)]
        Backend::Nvenc => Ok(Box::new(crate::nvenc::NvencEncoder::new(config)?)),
        #[cfg(not(nvenc))]
        Backend::Nvenc => {
            let _ = config;
            Err(crate::nvenc::not_built().into())
        }
        #[cfg(openh264)]
        Backend::OpenH264 => Ok(Box::new(crate::openh264::OpenH264Encoder::new(config)?)),
        #[cfg(not(openh264))]
        Backend::OpenH264 => {
            let _ = config;
            Err(Unavailable::new(backend, Reason::NotBuilt, "feature openh264").into())
        }
    }
}
