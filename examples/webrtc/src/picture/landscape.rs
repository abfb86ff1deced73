//! A landscape at dusk that rolls by: movement to judge by eye, and enough grain for an encoder to have work.

use std::f32::consts::TAU;

use direct264::{FrameSize, Timestamp};

use super::Picture;

/// Luma, Cb and Cr.
type Colour = [u8; 3];

const SKY_ABOVE: [f32; 3] = [0.10, 0.13, 0.33];
const SKY_BELOW: [f32; 3] = [0.96, 0.62, 0.42];
const SUN: [f32; 3] = [1.0, 0.88, 0.62];
const BALL: [f32; 3] = [0.93, 0.27, 0.24];

/// Ranges of hills from far to near.
const HILLS: [Hills; 3] = [
    Hills { colour: [0.55, 0.36, 0.47], level: 0.58, height: 0.10, speed: 0.02, waves: 1.7 },
    Hills { colour: [0.32, 0.22, 0.36], level: 0.68, height: 0.08, speed: 0.06, waves: 2.3 },
    Hills { colour: [0.12, 0.11, 0.20], level: 0.82, height: 0.06, speed: 0.15, waves: 3.1 },
];

/// Heights as shares of the picture's, speed in pictures' widths a second.
struct Hills {
    colour: [f32; 3],
    level: f32,
    height: f32,
    speed: f32,
    waves: f32,
}

impl Hills {
    /// Where they begin, from above, at a place from 0 to 1.
    fn top(&self, place: f32, seconds: f32) -> f32 {
        let x = (place + self.speed * seconds) * self.waves * TAU;
        let shape = 0.5 * (x * 0.5).sin() + 0.3 * (x * 1.31 + 1.0).sin() + 0.2 * (x * 2.73 + 2.0).sin();
        self.level - self.height * shape
    }
}

/// Grain of a film, of which each line of a picture takes a piece.
const GRAIN_BYTES: usize = 1 << 14;
const GRAIN_LEVELS: u32 = 7;

#[derive(Debug)]
pub(crate) struct Landscape {
    picture: Picture,
    /// One colour a line of the luma plane.
    sky: Vec<Colour>,
    grain: Vec<u8>,
    dice: u32,
    /// For each range of hills, the first line of each column.
    tops: [Vec<u16>; 3],
}

impl Default for Landscape {
    fn default() -> Self {
        let mut dice = 0x9e37_79b9;
        let grain = (0..GRAIN_BYTES).map(|_| (roll(&mut dice) % GRAIN_LEVELS) as u8).collect();
        let empty = Picture { size: smallest(), y: Vec::new(), u: Vec::new(), v: Vec::new() };
        Self { picture: empty, sky: Vec::new(), grain, dice, tops: Default::default() }
    }
}

impl Landscape {
    pub(super) fn draw(&mut self, size: FrameSize, time: Timestamp) -> &mut Picture {
        if self.picture.size != size || self.sky.is_empty() {
            self.resize(size);
        }
        let seconds = time.0 as f32 / 90_000.0;
        let (width, height) = (self.picture.width(), self.picture.height());
        for (tops, hills) in self.tops.iter_mut().zip(&HILLS) {
            for (x, top) in tops.iter_mut().enumerate() {
                *top = (hills.top(x as f32 / width as f32, seconds) * height as f32) as u16;
            }
        }
        self.luma(seconds);
        self.chroma(seconds);
        &mut self.picture
    }

    fn resize(&mut self, size: FrameSize) {
        self.picture = Picture::new(size);
        let height = self.picture.height();
        self.sky = (0..height)
            .map(|y| {
                let share = (y as f32 / (0.7 * height as f32)).min(1.0);
                yuv(std::array::from_fn(|i| SKY_ABOVE[i] + (SKY_BELOW[i] - SKY_ABOVE[i]) * share * share))
            })
            .collect();
        self.tops = std::array::from_fn(|_| vec![0; self.picture.width()]);
    }

    fn luma(&mut self, seconds: f32) {
        let (width, height) = (self.picture.width(), self.picture.height());
        let colours = HILLS.map(|hills| yuv(hills.colour)[0]);
        let (sun, ball) = discs(seconds, width, height);
        let [far, middle, near] = self.tops.each_ref().map(|tops| tops.as_slice());
        for (y, line) in self.picture.y.chunks_exact_mut(width).enumerate() {
            line.fill(self.sky[y][0]);
            sun.fill(line, y, yuv(SUN)[0]);
            let y16 = y as u16;
            for (pixel, ((&far, &middle), &near)) in line.iter_mut().zip(far.iter().zip(middle).zip(near)) {
                *pixel = over(*pixel, y16, [far, middle, near], colours);
            }
            ball.fill(line, y, yuv(BALL)[0]);
            let start = roll(&mut self.dice) as usize % (GRAIN_BYTES - width);
            for (pixel, grain) in line.iter_mut().zip(&self.grain[start..start + width]) {
                *pixel = pixel.saturating_add(*grain);
            }
        }
    }

    fn chroma(&mut self, seconds: f32) {
        let (width, height, columns) =
            (self.picture.width(), self.picture.height(), self.picture.chroma_width());
        let (sun, ball) = discs(seconds, width, height);
        let (sun, ball) = (sun.halved(), ball.halved());
        let [far, middle, near] = self.tops.each_ref().map(|tops| tops.as_slice());
        for (part, plane) in [(1, &mut self.picture.u), (2, &mut self.picture.v)] {
            let colours = HILLS.map(|hills| yuv(hills.colour)[part]);
            for (row, line) in plane.chunks_exact_mut(columns).enumerate() {
                let y = 2 * row;
                line.fill(self.sky[y][part]);
                sun.fill(line, row, yuv(SUN)[part]);
                let tops = far.iter().step_by(2).zip(middle.iter().step_by(2)).zip(near.iter().step_by(2));
                for (pixel, ((&far, &middle), &near)) in line.iter_mut().zip(tops) {
                    *pixel = over(*pixel, y as u16, [far, middle, near], colours);
                }
                ball.fill(line, row, yuv(BALL)[part]);
            }
        }
    }
}

/// The nearest hills that reach up to a line, or what is behind them.
fn over(behind: u8, y: u16, [far, middle, near]: [u16; 3], colours: [u8; 3]) -> u8 {
    let pixel = if y >= far { colours[0] } else { behind };
    let pixel = if y >= middle { colours[1] } else { pixel };
    if y >= near { colours[2] } else { pixel }
}

/// The sun, which crosses the sky in a minute, and a ball that bounces.
fn discs(seconds: f32, width: usize, height: usize) -> (Disc, Disc) {
    let (w, h) = (width as f32, height as f32);
    let day = (seconds / 60.0 + 0.35).fract();
    let sun =
        Disc { x: (0.1 + 0.8 * day) * w, y: (0.5 - 0.28 * (day * TAU / 2.0).sin()) * h, radius: h * 0.09 };
    let bounce = (seconds * 2.4).sin().abs();
    let there_and_back = 1.0 - (2.0 * (seconds / 9.0).fract() - 1.0).abs();
    let ball =
        Disc { x: (0.08 + 0.84 * there_and_back) * w, y: (0.80 - 0.30 * bounce) * h, radius: h * 0.045 };
    (sun, ball)
}

struct Disc {
    x: f32,
    y: f32,
    radius: f32,
}

impl Disc {
    /// The same in a plane of half the width and height.
    fn halved(&self) -> Self {
        Self { x: self.x / 2.0, y: self.y / 2.0, radius: self.radius / 2.0 }
    }

    /// What of it lies on one line.
    fn fill(&self, line: &mut [u8], y: usize, level: u8) {
        let away = y as f32 - self.y;
        if away.abs() < self.radius {
            let half = (self.radius * self.radius - away * away).sqrt();
            let from = ((self.x - half).max(0.0) as usize).min(line.len());
            let to = ((self.x + half).max(0.0) as usize).clamp(from, line.len());
            line[from..to].fill(level);
        }
    }
}

/// BT.709, limited range, a little darker to leave room for the grain.
fn yuv([r, g, b]: [f32; 3]) -> Colour {
    let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let (cb, cr) = ((b - luma) / 1.8556, (r - luma) / 1.5748);
    [16.0 + 212.0 * luma, 128.5 + 224.0 * cb, 128.5 + 224.0 * cr].map(|value| value as u8)
}

fn roll(dice: &mut u32) -> u32 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 17;
    *dice ^= *dice << 5;
    *dice
}

fn smallest() -> FrameSize {
    // One pixel is a size.
    FrameSize::new(1, 1).unwrap_or_else(|_| unreachable!("within the limits"))
}
