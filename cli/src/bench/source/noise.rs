//! Makes smooth noise by hashing, with integers and basic IEEE operations alone, so that every machine gets the same
//! pictures.

/// Hashes three numbers into one.
pub(super) fn hash(seed: u32, x: u32, y: u32) -> u32 {
    let mut h = seed ^ x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77).rotate_left(13);
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Returns a number from -1 to 1 for a lattice point.
pub(super) fn value(seed: u32, x: u32, y: u32) -> f32 {
    // An f32 holds 24 bits exactly.
    (hash(seed, x, y) >> 8) as f32 / 8_388_607.5 - 1.0
}

/// Returns the point `t` of a smooth path through random values of -1 to 1, one at every whole `t`.
pub(super) fn path(seed: u32, t: f32) -> f32 {
    let step = t.floor();
    let (from, to) = (value(seed, step as u32, 0), value(seed, step as u32 + 1, 0));
    from + (to - from) * ease(t - step)
}

/// Adds one octave to a square field of side `side` that repeats at its edges: random values every `cell` pixels,
/// smooth in between. Both are powers of two.
pub(super) fn add_octave(field: &mut [f32], side: usize, cell: usize, amplitude: f32, seed: u32) {
    let cells = side / cell;
    let weights: Vec<f32> = (0..cell).map(|at| ease(at as f32 / cell as f32)).collect();
    let lattice: Vec<f32> = (0..cells * cells)
        .map(|at| amplitude * value(seed, (at % cells) as u32, (at / cells) as u32))
        .collect();
    let mut knots = vec![0.0; cells + 1];
    for (y, row) in field.chunks_exact_mut(side).enumerate() {
        let (above, below) = (y / cell * cells, (y / cell + 1) % cells * cells);
        for (x, knot) in knots.iter_mut().enumerate() {
            let (above, below) = (lattice[above + x % cells], lattice[below + x % cells]);
            *knot = above + (below - above) * weights[y % cell];
        }
        for (pixels, ends) in row.chunks_exact_mut(cell).zip(knots.windows(2)) {
            for (pixel, weight) in pixels.iter_mut().zip(&weights) {
                *pixel += ends[0] + (ends[1] - ends[0]) * weight;
            }
        }
    }
}

/// Rises smoothly from 0 to 1.
fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
