//! One viewer's stream: a picture at a time, from its source through the encoder. No network in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use direct264::config::{BackOff, FailoverConfig};
use direct264::rtc::{KeyframeGate, MAX_QUEUE_AGE, ProfileLevelId, RateGlue, RtpClock, may_encode};
use direct264::{
    BackendOrder, Bitrate, Encoder, EncoderConfig, Error, FailoverEncoder, FrameRate, FrameSize, Timestamp,
};

use crate::args::Sabotage;
use crate::figures::{Figures, Lock};
use crate::picture::{Marks, Source};

/// What a viewer may ask for.
#[derive(Debug)]
pub(crate) struct Limits;

impl Limits {
    /// The cells of a smaller picture could not be read.
    const SMALLEST: (u32, u32) = (160, 90);
    const LARGEST: (u32, u32) = (1920, 1080);
    const BPS: std::ops::RangeInclusive<u64> = 100_000..=20_000_000;
    /// What the encoder gets however bad the network is.
    const FLOOR_BPS: u64 = 100_000;
    /// The first step down of an estimate already, which for a while is above what is left of the network.
    const DEEP_CUT_PERCENT: u32 = 45;
    /// After a pause, for which nothing was sent, the network is estimated too low.
    const NO_CUT_AFTER_PAUSE: Duration = Duration::from_secs(1);

    pub(crate) fn size(width: u32, height: u32) -> Result<FrameSize, String> {
        let ((least_width, least_height), (most_width, most_height)) = (Self::SMALLEST, Self::LARGEST);
        if !(least_width..=most_width).contains(&width) || !(least_height..=most_height).contains(&height) {
            return Err(format!(
                "{width}x{height} is outside {least_width}x{least_height} to {most_width}x{most_height}"
            ));
        }
        FrameSize::new(width, height).map_err(|error| error.to_string())
    }

    pub(crate) fn bitrate(bps: u64) -> Result<Bitrate, String> {
        if !Self::BPS.contains(&bps) {
            return Err(format!("{bps} bit/s is outside {} to {}", Self::BPS.start(), Self::BPS.end()));
        }
        Bitrate::from_bps(bps).map_err(|error| error.to_string())
    }
}

/// What every stream of a server starts with.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) size: FrameSize,
    pub(crate) frame_rate: FrameRate,
    pub(crate) bitrate: Bitrate,
    pub(crate) order: BackendOrder,
    pub(crate) sabotage: Option<Sabotage>,
}

/// An access unit on its way out.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) captured: Instant,
    pub(crate) is_idr: bool,
    pub(crate) timestamp: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Stream {
    encoder: FailoverEncoder,
    source: Source,
    size: FrameSize,
    wish: Bitrate,
    clock: RtpClock,
    keyframes: KeyframeGate,
    rate: RateGlue,
    /// Nothing is encoded before, so that what waits in a link that was cut drains, and the IDR after it is not lost too.
    paused_until: Option<Instant>,
    /// Frames captured, those that were skipped included.
    number: u32,
    sabotage: Option<Sabotage>,
    figures: Arc<Lock<Figures>>,
}

impl Stream {
    /// `estimate_bps` is what congestion control assumes before it has measured anything.
    pub(crate) fn open(
        plan: &Plan,
        source: Source,
        estimate_bps: u64,
        figures: Arc<Lock<Figures>>,
    ) -> Result<Self, Error> {
        let floor = Bitrate::from_bps(Limits::FLOOR_BPS)?;
        let (width, height) = Limits::LARGEST;
        // Small increases wait in the rate glue already. Hardware is tried again soon, since a person is watching for it.
        let failover = FailoverConfig::new()
            .warm_software(true)
            .bitrate_threshold_percent(0)
            .retry(Some(BackOff::new(Duration::from_secs(1), Duration::from_secs(4))?));
        let config = EncoderConfig::new(plan.size, plan.frame_rate, plan.bitrate)
            .max_size(FrameSize::new(width, height)?)
            .failover(failover);
        let order = match (plan.sabotage, plan.order.backends().first()) {
            (Some(Sabotage::Failover), Some(&first)) => BackendOrder::only(first),
            _ => plan.order.clone(),
        };
        let opened = direct264::open(&config, &order)?;
        let mut rate =
            RateGlue::new(plan.bitrate, floor, plan.bitrate).deep_cut_percent(Limits::DEEP_CUT_PERCENT);
        // Nothing changes by it: it is there for when the limits do.
        rate.estimate(estimate_bps);
        figures.with(|figures| {
            figures.opened(opened.encoder.backend(), &opened.passed_over);
            figures.wish = plan.bitrate;
            figures.target = plan.bitrate;
            figures.estimate_bps = estimate_bps;
        });
        Ok(Self {
            encoder: opened.encoder,
            source,
            size: plan.size,
            wish: plan.bitrate,
            clock: RtpClock::new(Instant::now()),
            keyframes: KeyframeGate::default(),
            rate,
            paused_until: None,
            number: 0,
            sabotage: plan.sabotage,
            figures,
        })
    }

    /// A PLI or FIR came in, or the page asked.
    pub(crate) fn request_keyframe(&mut self, now: Instant) {
        self.figures.with(|figures| figures.keyframe_requests += 1);
        if self.sabotage != Some(Sabotage::Keyframes) {
            self.keyframes.request(now);
        }
    }

    /// Whether a viewer waits for an IDR that need not wait for the next frame's turn.
    pub(crate) fn is_keyframe_due(&self, now: Instant) -> bool {
        !self.is_paused(now) && self.keyframes.due_in(now) == Some(Duration::ZERO)
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    pub(crate) const fn set_round_trip(&mut self, round_trip: Duration) {
        self.keyframes.set_round_trip(round_trip);
    }

    /// Congestion control has measured the network. Whether it was cut so deeply that an IDR follows after a pause.
    pub(crate) fn estimate(&mut self, bps: u64, now: Instant) -> Result<bool, Error> {
        self.figures.with(|figures| figures.estimate_bps = bps);
        let Some(change) = self.rate.estimate(bps) else { return Ok(false) };
        let has_paused = self.paused_until.is_some_and(|until| now < until + Limits::NO_CUT_AFTER_PAUSE);
        let is_deep_cut = change.is_deep_cut && !has_paused;
        if is_deep_cut {
            let then = now + RateGlue::IDR_AFTER_CUT;
            self.keyframes.require(then);
            self.paused_until = Some(then);
        }
        self.set_target(change.bitrate)?;
        Ok(is_deep_cut)
    }

    /// The viewer wants no more than this.
    pub(crate) fn set_wish(&mut self, wish: Bitrate) -> Result<(), Error> {
        if self.sabotage == Some(Sabotage::Bitrate) {
            return Ok(());
        }
        self.wish = wish;
        self.figures.with(|figures| figures.wish = wish);
        let floor = Bitrate::from_bps(Limits::FLOOR_BPS)?;
        // A cut by wish has lost nothing, so no IDR for it.
        match self.rate.set_limits(floor, wish) {
            Some(change) => self.set_target(change.bitrate),
            None => Ok(()),
        }
    }

    fn set_target(&mut self, target: Bitrate) -> Result<(), Error> {
        self.figures.with(|figures| figures.target = target);
        self.encoder.set_bitrate(target)
    }

    pub(crate) const fn wish(&self) -> Bitrate {
        self.wish
    }

    /// The next frame has this size, and is an IDR.
    pub(crate) fn set_size(&mut self, size: FrameSize) {
        if self.sabotage != Some(Sabotage::Size) {
            self.size = size;
        }
    }

    /// Captures a picture and encodes it, unless packets that came before it still wait.
    pub(crate) fn frame(&mut self, queue_age: Option<Duration>) -> Result<Option<Coded>, Error> {
        let captured = Instant::now();
        self.number = self.number.wrapping_add(1);
        if self.is_paused(captured) || !may_encode(queue_age, MAX_QUEUE_AGE) {
            self.figures.with(|figures| figures.skipped += 1);
            return Ok(None);
        }
        let timestamp = self.clock.stamp(captured);
        let marks = Marks::now(self.number);
        let picture = self.source.picture(self.size, timestamp, marks);
        let drawn = captured.elapsed();
        let kind = self.keyframes.picture(captured);
        let frame = picture.frame(timestamp)?;
        let unit = match self.encoder.encode(&frame, kind) {
            Ok(unit) => unit,
            Err(error) => {
                self.keyframes.failed();
                return Err(error);
            }
        };
        self.keyframes.coded(unit.is_idr, Instant::now());
        let coded =
            Coded { bytes: unit.bytes.into(), captured, is_idr: unit.is_idr, timestamp: unit.timestamp };
        let profile = unit.is_idr.then(|| ProfileLevelId::from_stream(unit.bytes)).flatten();
        self.figures.with(|figures| {
            figures.coded(&unit, self.number, drawn, self.size);
            figures.profile = profile.or(figures.profile);
        });
        let (events, counters) = (self.encoder.take_events(), self.encoder.counters());
        self.figures.with(|figures| figures.happened(events, counters));
        Ok(Some(coded))
    }
}
