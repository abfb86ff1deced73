//! Names of the backends.

use std::fmt;
use std::str::FromStr;

/// An encoder of H.264 that this crate can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The encoder of an NVIDIA GPU.
    Nvenc,
    /// The openh264 library, on the CPU.
    OpenH264,
    /// One of three encoders that do as a test says.
    #[cfg(test)]
    Scripted(u8),
}

impl Backend {
    /// Every backend, best first.
    pub const ALL: [Self; 2] = [Self::Nvenc, Self::OpenH264];

    /// The number of backends, scripted ones of tests included.
    pub(crate) const COUNT: usize = if cfg!(test) { 5 } else { 2 };

    /// The place of the backend in a list of [`Backend::COUNT`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Nvenc => 0,
            Self::OpenH264 => 1,
            #[cfg(test)]
            Self::Scripted(number) => 2 + number as usize,
        }
    }

    /// The word for it: `nvenc` or `openh264`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nvenc => "nvenc",
            Self::OpenH264 => "openh264",
            #[cfg(test)]
            Self::Scripted(_) => "scripted",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(word: &str) -> Result<Self, UnknownBackend> {
        let named = Self::ALL.into_iter().find(|backend| backend.as_str() == word);
        named.ok_or_else(|| UnknownBackend { word: word.to_owned() })
    }
}

/// A word that names no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{word}\" is no backend: say {}", Backend::ALL.map(|backend| backend.as_str()).join(" or "))]
#[non_exhaustive]
pub struct UnknownBackend {
    /// The word, as given.
    pub word: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_read_from_its_own_word_and_from_no_other() {
        for backend in Backend::ALL {
            assert_eq!(backend.as_str().parse(), Ok(backend));
        }
        let error = "NVENC".parse::<Backend>().unwrap_err();
        assert_eq!(error.to_string(), "\"NVENC\" is no backend: say nvenc or openh264");
    }
}
