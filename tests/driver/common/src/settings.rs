//! The settings of the double. Every key is `D264_DOUBLE_<KEY>` in the environment, or a line `KEY=VALUE` of the
//! control file, which is read again whenever it changes and overrides the environment.

use crate::fault::{self, Rule};
use crate::misbehaviour::{self, Misbehaviour};

/// The prefix of every variable.
pub const PREFIX: &str = "D264_DOUBLE_";

/// One GPU that the double pretends to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its marketing name.
    pub name: String,
    /// Whether an encode session can be opened on it.
    pub has_encoder: bool,
}

/// Where the H.264 comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeWith {
    /// Each picture is encoded.
    OpenH264,
    /// Each picture is answered with an access unit that was encoded once: an encode that costs nothing.
    Canned,
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `API`: the newest encode API that is spoken, as (major, minor).
    pub api: (u32, u32),
    /// `CUDA`: what `cuDriverGetVersion` answers.
    pub cuda_version: u32,
    /// `GPUS`: a list of `nvenc` and `none`, each with `:NAME` if it matters.
    pub gpus: Vec<Gpu>,
    /// `SESSIONS`: how many sessions may be open in this process; none means no limit.
    pub sessions: Option<u32>,
    /// `GPU_SESSIONS`: how many of them may be open on each GPU; none means no limit.
    pub gpu_sessions: Option<u32>,
    /// `SESSION_STATUS`: the answer past the limit, 10 or 21 with real drivers.
    pub session_status: u32,
    /// `LATENCY_US`: how long a picture takes after it is submitted.
    pub latency_us: u64,
    /// `ENCODE`: `openh264` or `canned`.
    pub encode_with: EncodeWith,
    /// `CHECKS`: `all`, or `light` for benches: no hashing of buffers, no scan of reserved fields.
    pub thorough: bool,
    /// `COPIES`: `all`, or `none` for benches: copies are checked and ordered, and move no byte.
    pub copies: bool,
    /// `CLOCK`: `on` to count the time that is spent in the double.
    pub clock: bool,
    /// `CONTEXT`: `own`, or `any` for clients that call a session without its context, as GStreamer does.
    pub any_context: bool,
    /// `CODECS`: which codecs a GPU with an encoder offers, of `h264` and `hevc`.
    pub codecs: Vec<String>,
    /// `CAPS`: capabilities by name or number, `WIDTH_MIN=33,SUPPORT_INTRA_REFRESH=0`.
    pub caps: Vec<(String, i32)>,
    /// `WITHOUT`: functions that the encode library does not have.
    pub without: Vec<String>,
    /// `FAULT`: see [`fault`].
    pub faults: Vec<Rule>,
    /// `MISBEHAVE`: see [`misbehaviour`].
    pub misbehaviours: Vec<Misbehaviour>,
    /// `TRACE`: how many calls are kept in order for the report.
    pub trace: usize,
    /// `REPORT`: where the report goes at exit.
    pub report: Option<String>,
    /// `CONTROL`: the file to read again when it changes.
    pub control: Option<String>,
    /// The text that could not be read. It goes into the report as a violation of the double's own rules.
    pub complaints: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api: (12, 1),
            cuda_version: 12020,
            gpus: vec![Gpu { name: "NVIDIA Double".to_owned(), has_encoder: true }],
            sessions: None,
            gpu_sessions: None,
            session_status: 10,
            latency_us: 0,
            encode_with: EncodeWith::OpenH264,
            thorough: true,
            copies: true,
            clock: false,
            any_context: false,
            codecs: vec!["h264".to_owned()],
            caps: Vec::new(),
            without: Vec::new(),
            faults: Vec::new(),
            misbehaviours: Vec::new(),
            trace: 0,
            report: None,
            control: None,
            complaints: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads lines of `KEY=VALUE`; a later line wins. Empty lines and those that start with `#` mean nothing.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let told = match line.split_once('=') {
                Some((key, value)) => settings.set(key.trim(), value.trim()),
                None => Err("has no `=`".to_owned()),
            };
            if let Err(why) = told {
                settings.complaints.push(format!("setting `{line}`: {why}"));
            }
        }
        settings
    }

    /// Whether the encoder misbehaves so.
    #[must_use]
    pub fn does(&self, misbehaviour: Misbehaviour) -> bool {
        self.misbehaviours.contains(&misbehaviour)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "API" => self.api = parse_version(value)?,
            "CUDA" => self.cuda_version = number(value)?,
            "GPUS" => self.gpus = parse_gpus(value)?,
            "SESSIONS" => self.sessions = if value.is_empty() { None } else { Some(number(value)?) },
            "GPU_SESSIONS" => {
                self.gpu_sessions = if value.is_empty() { None } else { Some(number(value)?) };
            }
            "SESSION_STATUS" => self.session_status = number(value)?,
            "LATENCY_US" => self.latency_us = number(value)?,
            "ENCODE" => self.encode_with = parse_encode(value)?,
            "CHECKS" => self.thorough = value != "light",
            "COPIES" => self.copies = value != "none",
            "CLOCK" => self.clock = value == "on",
            "CONTEXT" => self.any_context = value == "any",
            "CODECS" => self.codecs = list(value).map(str::to_owned).collect(),
            "CAPS" => self.caps = parse_caps(value)?,
            "WITHOUT" => self.without = list(value).map(str::to_owned).collect(),
            "FAULT" => self.faults = fault::parse(value)?,
            "MISBEHAVE" => self.misbehaviours = misbehaviour::parse(value)?,
            "TRACE" => self.trace = number(value)?,
            "REPORT" => self.report = Some(value.to_owned()).filter(|path| !path.is_empty()),
            "CONTROL" => self.control = Some(value.to_owned()).filter(|path| !path.is_empty()),
            // Of the tests: where the libraries are, and which of its cases a test in a process of its own is to try.
            "DIR" | "WHICH" => {}
            _ => return Err("no such setting".to_owned()),
        }
        Ok(())
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "not a number in range".to_owned())
}

fn parse_version(text: &str) -> Result<(u32, u32), String> {
    let (major, minor) = text.split_once('.').ok_or("not MAJOR.MINOR")?;
    Ok((number(major)?, number(minor)?))
}

fn parse_encode(text: &str) -> Result<EncodeWith, String> {
    match text {
        "openh264" => Ok(EncodeWith::OpenH264),
        "canned" => Ok(EncodeWith::Canned),
        _ => Err("neither openh264 nor canned".to_owned()),
    }
}

fn parse_gpus(text: &str) -> Result<Vec<Gpu>, String> {
    list(text)
        .map(|gpu| {
            let (kind, name) = gpu.split_once(':').unwrap_or((gpu, "NVIDIA Double"));
            match kind {
                "nvenc" => Ok(Gpu { name: name.to_owned(), has_encoder: true }),
                "none" => Ok(Gpu { name: name.to_owned(), has_encoder: false }),
                _ => Err(format!("`{kind}` is neither nvenc nor none")),
            }
        })
        .collect()
}

fn parse_caps(text: &str) -> Result<Vec<(String, i32)>, String> {
    list(text)
        .map(|cap| {
            let (name, value) = cap.split_once('=').ok_or_else(|| format!("`{cap}` has no value"))?;
            Ok((name.trim().trim_start_matches("NV_ENC_CAPS_").to_owned(), number(value.trim())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{EncodeWith, Settings};

    #[test]
    fn a_later_line_wins_and_nonsense_is_kept_as_a_complaint() {
        let settings =
            Settings::from_text("API=11.0\n# remark\nAPI=12.0\nENCODE=canned\nGPUS=none:H200,nvenc\nWAT=1\n");
        assert_eq!(settings.api, (12, 0));
        assert_eq!(settings.encode_with, EncodeWith::Canned);
        assert_eq!(settings.gpus.len(), 2);
        assert!(!settings.gpus[0].has_encoder && settings.gpus[0].name == "H200");
        assert_eq!(settings.complaints.len(), 1);
    }

    #[test]
    fn no_gpu_at_all_can_be_said() {
        assert!(Settings::from_text("GPUS=").gpus.is_empty());
    }
}
