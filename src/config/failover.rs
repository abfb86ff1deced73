//! The settings of the failover encoder.

use std::time::Duration;

use crate::error::ConfigError;

/// The waits between retries of a backend that failed. Each failure doubles the wait, until the backend has worked for
/// as long as the longest wait.
///
/// ```
/// use std::time::Duration;
///
/// use direct264::config::{BackOff, FailoverConfig};
///
/// // The first retry after a second, then after 2, 4, 8 and so on up to 30 s.
/// let back_off = BackOff::new(Duration::from_secs(1), Duration::from_secs(30))?;
/// let failover = FailoverConfig::new().retry(Some(back_off));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Settings of failover and of bitrate changes; part of an [`EncoderConfig`](crate::EncoderConfig).
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
    /// The defaults: a retry after [`BackOff::DEFAULT`], no warm software encoder, and bitrate increases in steps of
    /// 10 % or more.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry: Some(BackOff::DEFAULT), warm_software: false, bitrate_threshold_percent: 10 }
    }

    /// Sets the retries of a backend that failed or had no session or memory left; `None` for no retries.
    /// [`BackOff::DEFAULT`] unless set.
    #[must_use]
    pub const fn retry(mut self, retry: Option<BackOff>) -> Self {
        self.retry = retry;
        self
    }

    /// Opens the stand-in encoder at once and keeps it, so that a failover costs one software encode and nothing more;
    /// off unless set. The warm encoder keeps about 13 MB at 720p and 33 MB at 1080p for the life of the stream, and
    /// costs one software encode at opening.
    #[must_use]
    pub const fn warm_software(mut self, is_warm: bool) -> Self {
        self.warm_software = is_warm;
        self
    }

    /// Sets the threshold for bitrate increases, in percent of the rate in force; 10 unless set. A smaller increase
    /// waits until the sum reaches the threshold, or for the next IDR or change of backend. With 0 every increase
    /// passes at once, as every decrease does.
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
