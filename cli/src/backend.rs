//! Which backends may encode: the option, the environment, and who said so.

use std::env;

use direct264::{Backend, Order};

use crate::failure::Failure;

/// What `--backend` takes.
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
    fn order(self) -> Order {
        match self {
            Self::Auto => Order::auto(),
            Self::Nvenc => Order::only(Backend::Nvenc),
            Self::Openh264 => Order::only(Backend::OpenH264),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nvenc => "nvenc",
            Self::Openh264 => "openh264",
        }
    }
}

/// The backends to try, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The backends, best first.
    pub(crate) order: Order,
    /// As it could be typed: `--backend openh264` or `DIRECT264_BACKEND=openh264`. Empty where nobody said
    /// anything.
    pub(crate) said: String,
}

impl Choice {
    /// The option where it is given, else the environment, else `auto`.
    ///
    /// # Errors
    /// When the environment names no backend.
    pub(crate) fn of(option: Option<BackendName>) -> Result<Self, Failure> {
        match option {
            Some(name) => Ok(Self { order: name.order(), said: format!("--backend {}", name.word()) }),
            None => Ok(Self::of_environment()?.unwrap_or(Self { order: Order::auto(), said: String::new() })),
        }
    }

    /// What the environment says; `None` where it says nothing.
    ///
    /// # Errors
    /// When it names no backend.
    pub(crate) fn of_environment() -> Result<Option<Self>, Failure> {
        let name = Order::ENVIRONMENT;
        let Some(word) = env::var_os(name).filter(|word| !word.is_empty()) else { return Ok(None) };
        let word = word.to_string_lossy();
        let order = word.parse().map_err(|error| Failure::before(format!("{name}={word}: {error}")))?;
        Ok(Some(Self { order, said: format!("{name}={word}") }))
    }

    /// The backends of `auto` that are better than `taken` and were not to be tried.
    pub(crate) fn not_wanted(&self, taken: Backend) -> Vec<Backend> {
        let auto = Order::auto();
        let better = auto.backends().iter().take_while(|&&backend| backend != taken);
        better.filter(|backend| !self.order.backends().contains(backend)).copied().collect()
    }
}
