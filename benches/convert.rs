//! Measures the stage `convert` of one 1080p frame, for each pixel format.
//!
//! The time comes from the access unit, on a picture that is cheap to encode. I420 of even size needs no conversion,
//! and so has no such stage.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture,
    PixelFormat, Timestamp, open,
};

fn convert(c: &mut Criterion) {
    let size = FrameSize::new(1920, 1080).expect("1080p is a size");
    let config = EncoderConfig::new(
        size,
        FrameRate::hz(30).expect("30 is a rate"),
        Bitrate::from_mbps(4).expect("4M is a bitrate"),
    );
    let order = BackendOrder::only(Backend::OpenH264);
    let mut encoder = open(&config, &order).expect("openh264 opens").encoder;

    let mut group = c.benchmark_group("convert_1080p");
    for (name, format) in PixelFormat::NAMED {
        if format == PixelFormat::I420 {
            continue;
        }
        let bytes = vec![90; format.frame_bytes(size)];
        let frame = Frame::contiguous(size, format, &bytes, Timestamp(0)).expect("the length fits");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let once = |_| encoder.encode(&frame, Picture::Auto).expect("encodes").times.convert;
                (0..times).map(once).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Most of the wall time is the encoder's, which this bench does not measure.
    config = Criterion::default().sample_size(20);
    targets = convert
}
criterion_main!(benches);
