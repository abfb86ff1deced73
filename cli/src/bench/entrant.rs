//! Parses the values of `bench --backend`: a backend and its settings.

use std::num::NonZeroU8;

use direct264::config::{CallForm, NvencConfig, NvencPreset, Profile};
use direct264::{Backend, EncoderConfig};

use crate::values;

/// A backend with settings: `openh264`, `openh264:threads=1,slices=1`, `nvenc:preset=p4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entrant {
    /// The option's value as typed.
    pub(crate) name: String,
    pub(crate) backend: Backend,
    settings: Vec<Setting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Profile(Profile),
    Slices(NonZeroU8),
    Threads(NonZeroU8),
    Preset(NvencPreset),
    Form(CallForm),
}

impl Entrant {
    /// Creates an entrant with the default settings of a backend.
    pub(crate) fn plain(backend: Backend) -> Self {
        Self { name: backend.as_str().to_owned(), backend, settings: Vec::new() }
    }

    /// Parses `NAME` or `NAME:SETTING=VALUE,...`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (backend, settings) = match text.split_once(':') {
            Some((backend, settings)) => (backend, settings.split(',').collect()),
            None => (text, Vec::new()),
        };
        let backend = values::backend(backend)?;
        let settings =
            settings.into_iter().map(|text| Setting::parse(backend, text)).collect::<Result<_, _>>()?;
        Ok(Self { name: text.to_owned(), backend, settings })
    }

    /// Returns the encoder settings of the entrant.
    pub(crate) fn config(&self, mut config: EncoderConfig) -> EncoderConfig {
        let mut nvenc = NvencConfig::new();
        for setting in &self.settings {
            match *setting {
                Setting::Profile(profile) => config = config.profile(profile),
                Setting::Slices(slices) => config = config.slices(Some(slices)),
                Setting::Threads(threads) => config = config.threads(Some(threads)),
                Setting::Preset(preset) => nvenc = nvenc.preset(preset),
                Setting::Form(form) => nvenc = nvenc.form(form),
            }
        }
        config.nvenc(nvenc)
    }
}

impl Setting {
    fn parse(backend: Backend, text: &str) -> Result<Self, String> {
        let known = match backend {
            Backend::Nvenc => "profile, slices, preset and form",
            _ => "profile, slices and threads",
        };
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let one_of = |words: &str| format!("\"{value}\" is no {key}: say {words}");
        Ok(match (key, backend) {
            ("profile", _) => Self::Profile(match value {
                "baseline" => Profile::ConstrainedBaseline,
                "main" => Profile::Main,
                "high" => Profile::High,
                _ => return Err(one_of("baseline, main or high")),
            }),
            ("slices", _) => Self::Slices(values::count(value)?),
            ("threads", Backend::OpenH264) => Self::Threads(values::count(value)?),
            ("preset", Backend::Nvenc) => {
                let preset = NvencPreset::NAMED.into_iter().find(|(name, _)| *name == value);
                Self::Preset(preset.ok_or_else(|| one_of("p1 to p7"))?.1)
            }
            ("form", Backend::Nvenc) => Self::Form(match value {
                "bounded" => CallForm::default(),
                "direct" => CallForm::Direct,
                _ => return Err(one_of("bounded or direct")),
            }),
            _ => return Err(format!("\"{key}\" is no setting of {backend}: it has {known}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_the_backend() {
        let base = EncoderConfig::new(
            direct264::FrameSize::new(64, 64).unwrap(),
            direct264::FrameRate::hz(30).unwrap(),
            direct264::Bitrate::MIN,
        );
        let one = NonZeroU8::new(1);
        for (text, config) in [
            ("openh264", base.clone()),
            ("openh264:threads=1,slices=1", base.clone().threads(one).slices(one)),
            ("openh264:profile=high", base.clone().profile(Profile::High)),
            (
                "nvenc:preset=p4,form=direct",
                base.clone().nvenc(NvencConfig::new().preset(NvencPreset::P4).form(CallForm::Direct)),
            ),
        ] {
            let entrant = Entrant::parse(text).unwrap();
            assert_eq!(entrant.config(base.clone()), config, "{text}");
            assert_eq!(entrant.name, text);
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_what_there_is() {
        for (text, said) in [
            ("x265", "\"x265\" is no backend"),
            ("openh264:", "\"\" is no setting of openh264: it has profile, slices and threads"),
            ("openh264:preset=p1", "\"preset\" is no setting of openh264"),
            ("openh264:threads=0", "\"0\" is no number from 1 to 255"),
            ("nvenc:threads=2", "it has profile, slices, preset and form"),
            ("nvenc:preset=p8", "\"p8\" is no preset: say p1 to p7"),
            ("nvenc:form=fast", "\"fast\" is no form: say bounded or direct"),
            ("openh264:profile", "\"\" is no profile: say baseline, main or high"),
        ] {
            let refused = Entrant::parse(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
