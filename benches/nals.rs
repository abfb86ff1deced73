//! Measures the split of a byte stream into NAL units, as a receiver or a packetiser does it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use direct264::annexb::nals;

/// One second at 4 Mbit/s: 30 access units of two slices each. The bytes look random, and an escape byte keeps three
/// zeros apart.
fn stream() -> Vec<u8> {
    let mut stream = Vec::new();
    let mut state = 1_u32;
    for unit in 0..60 {
        stream.extend_from_slice(&[0, 0, 0, 1, if unit < 2 { 0x65 } else { 0x41 }]);
        for _ in 0..8_333 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (state >> 24) as u8;
            if byte <= 3 && stream.ends_with(&[0, 0]) {
                stream.push(3);
            }
            stream.push(byte);
        }
        stream.push(0x80);
    }
    stream
}

fn split(c: &mut Criterion) {
    let stream = stream();
    let mut group = c.benchmark_group("nals");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("one_second_at_4_mbps", |b| b.iter(|| nals(black_box(&stream)).count()));
    group.finish();
}

criterion_group!(benches, split);
criterion_main!(benches);
