//! The table from errors to reasons and advice.

use super::Error;
use super::config::ConfigError;
use super::ended::StillInUse;
use super::frame::{FrameError, Unreadable};
use super::internal::Internal;
use super::no_thread::NoThread;
use super::unavailable::Unavailable;
use crate::backend::Backend;
use crate::reason::Reason;
use crate::units::OutOfRange;

/// The advice for a frame of another size than the encoder's.
const OTHER_SIZE: &str = "give frames of the encoder's size, or change that first";
/// The advice for any other invalid frame.
const WRONG_FRAME: &str = "give another frame: the message has the value and the limit";

impl Error {
    /// The reason of the error, by which events and the command name failures.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.row().0
    }

    /// An action for a person. Empty when none is needed.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.row().1
    }

    /// The reason and the advice of each error.
    fn row(&self) -> (Reason, &'static str) {
        let plain = |reason: Reason| (reason, reason.advice());
        match self {
            Self::Config(why) => plain(match why {
                ConfigError::OutOfRange(OutOfRange::Size { .. })
                | ConfigError::Area { .. }
                | ConfigError::Memory { .. }
                | ConfigError::MaxSize { .. } => Reason::UnsupportedSize,
                _ => Reason::UnsupportedSetting,
            }),
            Self::Frame(why) => match why {
                FrameError::Size { .. } => (Reason::UnsupportedSize, OTHER_SIZE),
                FrameError::TimedOut { .. } => plain(Reason::TimedOut),
                FrameError::NotInHostMemory => plain(Reason::NotBuilt),
                FrameError::Unreadable(why) => match why {
                    Unreadable::Driver(why) => (why.reason, why.advice()),
                    Unreadable::Unavailable(why) => (why.reason, why.advice()),
                    Unreadable::NoThread(_) => (Reason::DriverError, NoThread::ADVICE),
                    Unreadable::Internal(_) => (Reason::DriverError, Internal::ADVICE),
                },
                _ => (Reason::UnsupportedSetting, WRONG_FRAME),
            },
            Self::Unavailable(why) => (why.reason, why.advice()),
            Self::Driver(why) => (why.reason, why.advice()),
            Self::Ended(why) => (why.reason, why.advice()),
            Self::NoThread(_) => (Reason::DriverError, NoThread::ADVICE),
            Self::StillInUse(_) => (Reason::TimedOut, StillInUse::ADVICE),
            Self::Internal(_) => (Reason::DriverError, Internal::ADVICE),
        }
    }

    /// The finding for which `backend` is passed over or left.
    pub(crate) fn passes_over(&self, backend: Backend) -> Unavailable {
        if let Self::Unavailable(why) = self {
            return why.clone();
        }
        let (reason, advice) = self.row();
        let closer_advice = (advice != reason.advice()).then_some(advice);
        Unavailable {
            is_context_lost: self.is_context_lost(),
            hangs_on_size: reason == Reason::UnsupportedSize
                || matches!(self, Self::Config(ConfigError::Slices { .. })),
            ..Unavailable::new(backend, reason, self.cause()).advising(closer_advice)
        }
    }

    /// The error below the variant in words, with its sources.
    fn cause(&self) -> String {
        let mut said = String::new();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if !said.is_empty() {
                said += ": ";
            }
            said += &error.to_string();
            cause = error.source();
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{DriverError, Ended};
    use crate::format::PixelFormat;
    use crate::units::FrameSize;

    fn size() -> FrameSize {
        FrameSize::new(64, 64).unwrap()
    }

    fn no_thread() -> NoThread {
        NoThread::new("direct264-test", &std::io::Error::from_raw_os_error(11))
    }

    #[test]
    fn wrong_sizes_are_sizes_and_every_other_wrong_setting_is_a_setting() {
        let size = size();
        let sizes: [ConfigError; 4] = [
            OutOfRange::Size { width: 8, height: 8, min_side: 16, max_side: 4096 }.into(),
            ConfigError::Area { size, macroblocks: 16, max_macroblocks: 4 },
            ConfigError::Memory { size, bytes: 2, max_bytes: 1 },
            ConfigError::MaxSize { size, max_size: size },
        ];
        for error in sizes {
            assert_eq!(Error::Config(error).reason(), Reason::UnsupportedSize);
        }
        let second = Duration::from_secs(1);
        let settings: [ConfigError; 14] = [
            OutOfRange::Bitrate { bps: 1, min: 2, max: 3 }.into(),
            OutOfRange::FrameRate { numerator: 0, denominator: 1, max_hz: 1 }.into(),
            OutOfRange::Qp { min: 2, max: 1, limit: 51 }.into(),
            OutOfRange::SampleAspect { width: 0, height: 1 }.into(),
            ConfigError::Slices { slices: 36, max: 4 },
            ConfigError::Threads { threads: 8, max: 4 },
            ConfigError::Vbv { percent: 2, max: 1 },
            ConfigError::ReferenceFrames { frames: 17, max: 16 },
            ConfigError::IntraRefresh { period_frames: 1, length_frames: 2 },
            ConfigError::BackOff { first: second, longest: Duration::ZERO },
            ConfigError::UnknownGpu { text: "x".to_owned() },
            ConfigError::UnknownBackend { word: "x".to_owned() },
            ConfigError::ProfileLevelId { text: "x".to_owned() },
            ConfigError::NoBackend,
        ];
        for error in settings {
            let error = Error::Config(error);
            assert_eq!(error.reason(), Reason::UnsupportedSetting);
            assert_eq!(error.advice(), Reason::UnsupportedSetting.advice());
            assert!(error.leaves_encoder_usable());
        }
    }

    #[test]
    fn wrong_frames_are_sizes_or_frames_and_unreadable_ones_say_why() {
        let of_call =
            DriverError::refused(Backend::Nvenc, "cuStreamQuery", 700, "").because(Reason::OutOfMemory);
        let forked = Unavailable::new_empty(Backend::Nvenc, Reason::Forked);
        let limit = Duration::from_millis(5);
        let rows = [
            (FrameError::Size { frame: size(), encoder: size() }, Reason::UnsupportedSize, OTHER_SIZE),
            (FrameError::Length { bytes: 1, needed: 2 }, Reason::UnsupportedSetting, WRONG_FRAME),
            (FrameError::NotLent { format: PixelFormat::I420 }, Reason::UnsupportedSetting, WRONG_FRAME),
            (FrameError::TimedOut { call: "cuInit", limit }, Reason::TimedOut, Reason::TimedOut.advice()),
            (FrameError::NotInHostMemory, Reason::NotBuilt, Reason::NotBuilt.advice()),
            (Unreadable::Driver(of_call).into(), Reason::OutOfMemory, Reason::OutOfMemory.advice()),
            (Unreadable::Unavailable(forked).into(), Reason::Forked, Reason::Forked.advice()),
            (Unreadable::NoThread(no_thread()).into(), Reason::DriverError, NoThread::ADVICE),
            (Unreadable::Internal(Internal::new("")).into(), Reason::DriverError, Internal::ADVICE),
        ];
        for (error, reason, advice) in rows {
            let error = Error::Frame(error);
            assert_eq!((error.reason(), error.advice()), (reason, advice), "{error:?}");
            assert!(error.leaves_encoder_usable());
        }
    }

    #[test]
    fn what_a_backend_says_of_itself_is_handed_on() {
        let absent = Unavailable::new_empty(Backend::Nvenc, Reason::NoGpu).advising(Some("plug one in"));
        let refused =
            DriverError::refused(Backend::Nvenc, "nvEncEncodePicture", 20, "").because(Reason::OutOfMemory);
        let rows: [(Error, Reason, &str); 6] = [
            (absent.into(), Reason::NoGpu, "plug one in"),
            (refused.into(), Reason::OutOfMemory, Reason::OutOfMemory.advice()),
            (Ended::forked(Backend::Nvenc).into(), Reason::Forked, Reason::Forked.advice()),
            (no_thread().into(), Reason::DriverError, NoThread::ADVICE),
            (StillInUse::new(Backend::Nvenc).into(), Reason::TimedOut, StillInUse::ADVICE),
            (Internal::new("x").into(), Reason::DriverError, Internal::ADVICE),
        ];
        for (error, reason, advice) in rows {
            assert_eq!((error.reason(), error.advice()), (reason, advice), "{error:?}");
            let is_usable = matches!(error, Error::StillInUse(_));
            assert_eq!(error.leaves_encoder_usable(), is_usable, "{error:?}");
        }
    }

    #[test]
    fn a_backend_is_passed_over_with_the_whole_of_the_error() {
        let lost = DriverError::refused(Backend::Nvenc, "cuStreamQuery", 700, "gone");
        let why = Error::from(lost).passes_over(Backend::Nvenc);
        assert_eq!((why.reason, why.is_context_lost), (Reason::DriverError, true));
        assert_eq!(why.detail, "nvenc: cuStreamQuery returned 700 (gone)");
        let why = Error::from(no_thread()).passes_over(Backend::OpenH264);
        assert_eq!((why.backend, why.advice()), (Backend::OpenH264, NoThread::ADVICE));
        assert!(why.detail.starts_with("the thread direct264-test was not started: "), "{why}");
        let unreadable: FrameError = Unreadable::Internal(Internal::new("x")).into();
        let why = Error::from(unreadable).passes_over(Backend::Nvenc);
        let said = "the frame in device memory cannot be read: a mistake in direct264, please report it: x";
        assert_eq!(why.detail, said);
    }

    #[test]
    fn a_setting_that_goes_with_other_sizes_is_waited_for_as_a_size_is() {
        let until = |error: ConfigError| Error::Config(error).passes_over(Backend::Nvenc).until();
        assert_eq!(until(ConfigError::Slices { slices: 36, max: 4 }), Reason::UnsupportedSize);
        assert_eq!(until(ConfigError::MaxSize { size: size(), max_size: size() }), Reason::UnsupportedSize);
        assert_eq!(until(ConfigError::Threads { threads: 8, max: 4 }), Reason::UnsupportedSetting);
    }
}
