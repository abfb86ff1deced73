//! The choice of backends from `--backend` and the environment.

use std::env;

use direct264::{Backend, BackendOrder};

use crate::failure::Failure;

/// The values of `--backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackendName {
    /// NVENC where there is one, else openh264
    Auto,
    /// NVENC or an error
    Nvenc,
    /// openh264, whatever the machine has
    Openh264,
}

impl BackendName {
    fn order(self) -> BackendOrder {
        match self {
            Self::Auto => BackendOrder::auto(),
            Self::Nvenc => BackendOrder::only(Backend::Nvenc),
            Self::Openh264 => BackendOrder::only(Backend::OpenH264),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nvenc => "nvenc",
            Self::Openh264 => "openh264",
        }
    }
}

/// The backends to try, and the option or variable that chose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The backends, best first.
    pub(crate) order: BackendOrder,
    /// The source as text: `--backend openh264` or `DIRECT264_BACKEND=openh264`. Empty for the default.
    pub(crate) said: String,
}

impl Choice {
    /// Returns the choice of the option, else that of the environment, else `auto`.
    ///
    /// # Errors
    /// When the environment names an unknown backend.
    pub(crate) fn of(option: Option<BackendName>) -> Result<Self, Failure> {
        match option {
            Some(name) => Ok(Self { order: name.order(), said: format!("--backend {}", name.as_str()) }),
            None => {
                Ok(Self::of_environment()?
                    .unwrap_or(Self { order: BackendOrder::auto(), said: String::new() }))
            }
        }
    }

    /// Returns the choice of the environment; `None` when the variable is unset or empty.
    ///
    /// # Errors
    /// When the environment names an unknown backend.
    pub(crate) fn of_environment() -> Result<Option<Self>, Failure> {
        let name = BackendOrder::ENVIRONMENT;
        let Some(word) = env::var_os(name).filter(|word| !word.is_empty()) else { return Ok(None) };
        let word = word.to_string_lossy();
        let order = word.parse().map_err(|error| Failure::before(format!("{name}={word}: {error}")))?;
        Ok(Some(Self { order, said: format!("{name}={word}") }))
    }

    /// Returns the backends of `auto` that are better than `taken` and that the choice excludes.
    pub(crate) fn not_wanted(&self, taken: Backend) -> Vec<Backend> {
        let auto = BackendOrder::auto();
        let better = auto.backends().iter().take_while(|&&backend| backend != taken);
        better.filter(|backend| !self.order.backends().contains(backend)).copied().collect()
    }
}
