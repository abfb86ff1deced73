//! The choice of backends from `--backend` and the environment.

use std::env;
use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use direct264::{Backend, BackendOrder};

use crate::failure::Failure;

/// Parses `--backend`: `auto`, or the name of a backend that the library knows.
#[derive(Debug, Clone)]
pub(crate) struct OrderParser;

/// The option's value and the order that it stands for.
pub(crate) type NamedOrder = (&'static str, BackendOrder);

impl OrderParser {
    fn names() -> impl Iterator<Item = PossibleValue> {
        let auto = PossibleValue::new("auto").help("The best backend that works");
        let alone = |backend: Backend| {
            PossibleValue::new(backend.as_str()).help(format!("{backend} alone, or an error"))
        };
        std::iter::once(auto).chain(Backend::ALL.into_iter().map(alone))
    }
}

impl TypedValueParser for OrderParser {
    type Value = NamedOrder;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<NamedOrder, clap::Error> {
        let word = PossibleValuesParser::new(Self::names()).parse_ref(command, argument, value)?;
        let backend = Backend::ALL.into_iter().find(|backend| backend.as_str() == word);
        Ok(backend.map_or_else(
            || ("auto", BackendOrder::auto()),
            |backend| (backend.as_str(), BackendOrder::only(backend)),
        ))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Self::names()))
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
    pub(crate) fn of(option: Option<NamedOrder>) -> Result<Self, Failure> {
        match option {
            Some((name, order)) => Ok(Self { order, said: format!("--backend {name}") }),
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
