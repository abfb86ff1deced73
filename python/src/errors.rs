//! Errors of the library as Python exceptions.

use std::error::Error as _;

use direct264::Error;
use pyo3::prelude::*;

mod classes {
    pyo3::import_exception!(direct264._errors, ClosedError);
    pyo3::import_exception!(direct264._errors, ConfigError);
    pyo3::import_exception!(direct264._errors, EncodeError);
    pyo3::import_exception!(direct264._errors, FrameError);
    pyo3::import_exception!(direct264._errors, FrameTypeError);
    pyo3::import_exception!(direct264._errors, SettingTypeError);
    pyo3::import_exception!(direct264._errors, StillInUseError);
    pyo3::import_exception!(direct264._errors, UnavailableError);
}

/// A frame whose values the binding refuses.
pub(crate) fn frame(text: impl Into<String>) -> PyErr {
    classes::FrameError::new_err(text.into())
}

/// An object that is no frame.
pub(crate) fn frame_type(text: impl Into<String>) -> PyErr {
    classes::FrameTypeError::new_err(text.into())
}

/// A setting whose value cannot work.
pub(crate) fn config(text: impl Into<String>) -> PyErr {
    classes::ConfigError::new_err(text.into())
}

/// A setting of a type that is not taken.
pub(crate) fn config_type(text: impl Into<String>) -> PyErr {
    classes::SettingTypeError::new_err(text.into())
}

pub(crate) fn closed() -> PyErr {
    classes::ClosedError::new_err("the encoder is closed")
}

/// The error and its causes in one line, with the reason and the advice as attributes.
pub(crate) fn from_library(py: Python<'_>, error: &Error) -> PyErr {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    let made = match error {
        Error::Config(_) => classes::ConfigError::new_err(text),
        Error::Frame(_) => classes::FrameError::new_err(text),
        Error::Unavailable(_) => classes::UnavailableError::new_err(text),
        Error::Ended(_) => classes::ClosedError::new_err(text),
        Error::StillInUse(_) => classes::StillInUseError::new_err(text),
        _ => classes::EncodeError::new_err(text),
    };
    let value = made.value(py);
    // The classes are our own and take attributes.
    let told = value
        .setattr("reason", error.reason().as_str())
        .and_then(|()| value.setattr("advice", error.advice()));
    told.map_or_else(|failed| failed, |()| made)
}
