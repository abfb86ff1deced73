//! Measures one frame of the built-in pictures on each backend, by size, at a steady state with the clip played forth
//! and back. NVENC is the driver double with an encoder that costs nothing.

#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use d264_double::Double;
use direct264::{
    Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture,
    PixelFormat, Timestamp, open,
};
// The pictures of `direct264 bench`, so that the figures can be compared.
use direct264_cli::bench::source::BuiltIn;

const PICTURES: u32 = 40;
/// Name, width, height, kbit/s.
const SIZES: [(&str, u32, u32, u64); 3] =
    [("360p", 640, 360, 800), ("720p", 1280, 720, 2_000), ("1080p", 1920, 1080, 4_000)];

fn openh264(c: &mut Criterion) {
    encode(c, "encode_openh264", Backend::OpenH264);
}

/// NVENC on the driver double, whose encoder costs nothing here: the time is the library's and the double's copies.
fn nvenc(c: &mut Criterion) {
    let stage = Double::get().load();
    stage.set("ENCODE=canned\nCHECKS=light");
    encode(c, "encode_nvenc_on_the_double", Backend::Nvenc);
}

fn encode(c: &mut Criterion, name: &str, backend: Backend) {
    let mut group = c.benchmark_group(name);
    for (name, width, height, kbps) in SIZES {
        let size = FrameSize::new(width, height).expect("the size is one");
        let config = EncoderConfig::new(
            size,
            FrameRate::hz(30).expect("30 is a rate"),
            Bitrate::from_kbps(kbps).expect("the bitrate is one"),
        );
        let mut encoder = open(&config, &BackendOrder::only(backend)).expect("the backend opens").encoder;
        let source = BuiltIn::new(size, 2 * PICTURES, 1);
        // Only the first half of the clip: a cut in every round would be more cuts than any stream has.
        let pictures: Vec<_> = (0..PICTURES).map(|index| source.picture(index)).collect();
        let forth_and_back = (0..pictures.len()).chain((1..pictures.len() - 1).rev());
        let mut next = forth_and_back.cycle();

        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let picture = next.next().map_or(&pictures[0], |index| &pictures[index]);
                let frame = Frame::contiguous(size, PixelFormat::I420, picture, Timestamp(0))
                    .expect("the length fits");
                encoder.encode(&frame, Picture::Auto).expect("encodes").bytes.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, openh264, nvenc);
criterion_main!(benches);
