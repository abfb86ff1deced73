//! Settings of any numbers.

use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::numbers::Numbers;
use direct264::config::{BackOff, FailoverConfig, IntraRefresh, Level, NvencConfig, Profile};
use direct264::openh264::OpenH264Encoder;
use direct264::units::SampleAspect;
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameRate, FrameSize, Picture, PixelFormat, QpRange,
    Timestamp,
};

/// The most pixels of an encoded picture, since larger ones take long.
const MOST_PIXELS: u32 = 1 << 14;

/// Makes settings of numbers that the bytes choose. Each accepted value lies within its limits. The settings fit
/// together or are refused with a config error, and an encoder that opens encodes.
pub(crate) fn config(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let Some(config) = make(&mut numbers) else { return };
    let size = config.size();
    assert!(EncoderConfig::memory_bytes(size) > u64::from(size.width()) * u64::from(size.height()) * 3 / 2);
    for profile in [Profile::ConstrainedBaseline, Profile::Main, Profile::High] {
        let _ = Level::for_stream(profile, size, config.frame_rate(), config.bitrate());
    }
    if size.width() * size.height() > MOST_PIXELS {
        return;
    }
    let mut encoder = match OpenH264Encoder::new(&config) {
        Ok(encoder) => encoder,
        Err(Error::Config(_)) => return,
        Err(other) => panic!("{config:?}: {other:?}"),
    };
    let pixels = vec![99; PixelFormat::I420.frame_bytes(size)];
    for number in 0..2 {
        let frame = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number)).unwrap();
        let unit = encoder.encode(&frame, Picture::Auto).unwrap();
        assert!(!unit.bytes.is_empty() && (number > 0 || unit.is_idr), "{config:?}");
    }
}

/// Returns `None` at the first refused value.
fn make(numbers: &mut Numbers<'_>) -> Option<EncoderConfig> {
    let size = FrameSize::new(numbers.number32(), numbers.number32()).ok()?;
    assert!(
        (1..=FrameSize::MAX_SIDE).contains(&size.width())
            && (1..=FrameSize::MAX_SIDE).contains(&size.height())
    );
    let frame_rate = FrameRate::new(numbers.number32(), numbers.number32()).ok()?;
    assert!(frame_rate.as_f64() >= 0.1 && frame_rate.as_f64() <= f64::from(FrameRate::MAX_HZ));
    let bitrate = Bitrate::from_kbps(numbers.number() as u64).ok()?;
    assert!((Bitrate::MIN..=Bitrate::MAX).contains(&bitrate));
    let range = QpRange::new(numbers.byte(), numbers.byte()).unwrap_or(QpRange::DEFAULT);
    assert!(range.min() <= range.max() && range.max() <= QpRange::MAX_QP);
    let aspect = SampleAspect::new(numbers.number32() as u16, numbers.number32() as u16).ok();
    let refresh = IntraRefresh::new(numbers.number32(), numbers.number32()).ok();
    let vbv_percent = NonZeroU32::new(numbers.number32()).unwrap_or(NonZeroU32::MIN);
    let [first, longest] = [(); 2].map(|()| Duration::from_millis(numbers.number() as u64));
    let back_off = BackOff::new(first, longest).ok();
    let config = EncoderConfig::new(size, frame_rate, bitrate)
        .qp_range(range)
        .sample_aspect(aspect)
        .profile(numbers.pick(&[Profile::ConstrainedBaseline, Profile::Main, Profile::High]))
        .slices(NonZeroU8::new(numbers.byte()))
        .threads(NonZeroU8::new(numbers.byte()))
        .idr_period_frames(NonZeroU32::new(numbers.number32()))
        .max_memory_bytes(NonZeroU64::new(numbers.number() as u64))
        .max_size(FrameSize::new(numbers.number32(), numbers.number32()).unwrap_or(size))
        .nvenc(NvencConfig::new().intra_refresh(refresh).vbv_percent(vbv_percent))
        .failover(FailoverConfig::new().retry(back_off));
    Some(config)
}
