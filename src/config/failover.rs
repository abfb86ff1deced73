//! Settings of the encoder that changes its backend.

use std::time::Duration;

use crate::error::ConfigError;

/// How long to wait before a backend that failed is tried again. Each failure doubles the wait, until the backend has
/// worked for as long as the longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl BackOff {
    /// 1 s after the first failure, doubling to 60 s.
    pub const DEFAULT: Self = Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

    /// A wait of `first` after the first failure, doubling to `longest`.
    ///
    /// # Errors
    /// [`ConfigError::BackOff`] unless 1 ms <= `first` <= `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Result<Self, ConfigError> {
        if first.as_millis() == 0 || first.as_nanos() > longest.as_nanos() {
            return Err(ConfigError::BackOff { first, longest });
        }
        Ok(Self { first, longest })
    }
}

/// What happens when the better backend fails in mid-stream, and how a bitrate follows its target; part of an
/// [`EncoderConfig`](crate::EncoderConfig).
///
/// ```
/// use std::time::Duration;
/// use direct264::config::{BackOff, FailoverConfig};
/// # fn main() -> Result<(), direct264::error::ConfigError> {
/// let failover = FailoverConfig::new()
///     .warm_software(true)
///     .retry(Some(BackOff::new(Duration::from_secs(5), Duration::from_secs(300))?));
/// # let _ = failover; Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverConfig {
    pub(crate) retry: Option<BackOff>,
    pub(crate) warm_software: bool,
    pub(crate) bitrate_threshold_percent: u32,
}

impl FailoverConfig {
    /// Hardware is tried again after [`BackOff::DEFAULT`], the software encoder is opened when it is needed, and a
    /// bitrate rises in steps of 10 % or more.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry: Some(BackOff::DEFAULT), warm_software: false, bitrate_threshold_percent: 10 }
    }

    /// When a backend that failed is tried again, and one that had no session or no memory left; `None` for never.
    /// [`BackOff::DEFAULT`] unless set.
    #[must_use]
    pub const fn retry(mut self, retry: Option<BackOff>) -> Self {
        self.retry = retry;
        self
    }

    /// Whether the encoder that would stand in is opened at once and kept, so that a switch costs one software encode
    /// and nothing more; off unless set. It costs memory for as long as the stream lives, about 13 MB at 720p and 33 MB at
    /// 1080p, and one software encode when the stream is opened.
    #[must_use]
    pub const fn warm_software(mut self, is_warm: bool) -> Self {
        self.warm_software = is_warm;
        self
    }

    /// An increase of the bitrate by less than this share of the rate in force waits: until the sum is as much, and at
    /// the latest until the next IDR or change of backend. 10 unless set; 0 lets every increase pass at once, as every
    /// decrease does.
    #[must_use]
    pub const fn bitrate_threshold_percent(mut self, percent: u32) -> Self {
        self.bitrate_threshold_percent = percent;
        self
    }
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_does_not_start_at_nothing_and_does_not_shrink() {
        let ms = Duration::from_millis;
        assert!(BackOff::new(ms(1), ms(1)).is_ok());
        for (first, longest) in [(ms(0), ms(5)), (Duration::from_micros(999), ms(5)), (ms(6), ms(5))] {
            assert_eq!(BackOff::new(first, longest), Err(ConfigError::BackOff { first, longest }));
        }
    }
}
