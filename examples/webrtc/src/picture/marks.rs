//! Clock and frame number, for people as digits and for programs as cells: what is read back from the screen says which
//! picture is shown, and when it was made.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Picture;

/// What is burnt into one picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    number: u32,
    unix_ms: u64,
}

/// Two rows of cells along the lower edge: 16 bits of the frame's number, 32 bits of the clock in milliseconds, 8 bits
/// that check them. The page reads them by the same arithmetic.
const CELLS_A_ROW: usize = 28;
const ROWS: usize = 2;
/// Well apart, and not at the ends of the range.
const CELL_LEVELS: [u8; 2] = [32, 218];

/// Digits of five by seven, a row a byte, from the left.
const GLYPHS: [(u8, [u8; 7]); 13] = [
    (b'0', [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110]),
    (b'1', [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    (b'2', [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111]),
    (b'3', [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110]),
    (b'4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    (b'5', [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110]),
    (b'6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    (b'7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    (b'8', [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110]),
    (b'9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
    (b':', [0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000]),
    (b'.', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100]),
    (b'#', [0b01010, 0b01010, 0b11111, 0b01010, 0b11111, 0b01010, 0b01010]),
];
const GLYPH_WIDTH: usize = 5;

impl Marks {
    /// Those of the picture that is captured now.
    pub(crate) fn now(number: u32) -> Self {
        Self { number, unix_ms: unix_ms() }
    }

    /// The bits of the cells, from the left and from above, highest first.
    fn bits(self) -> u64 {
        let payload = (u64::from(self.number) & 0xffff) << 32 | self.unix_ms & 0xffff_ffff;
        payload << 8 | u64::from(check(payload))
    }

    /// Time of day in UTC.
    fn clock(self) -> String {
        let [seconds, minutes, hours] =
            [self.unix_ms / 1_000, self.unix_ms / 60_000, self.unix_ms / 3_600_000];
        format!("{:02}:{:02}:{:02}.{:03}", hours % 24, minutes % 60, seconds % 60, self.unix_ms % 1_000)
    }

    pub(super) fn burn_into(self, picture: &mut Picture) {
        let scale = (picture.height() / 80).max(1);
        let margin = 3 * scale;
        write(picture, (margin, margin), scale, &self.clock());
        let number = format!("#{:06}", self.number % 1_000_000);
        write(picture, (margin, margin + 10 * scale), scale, &number);
        self.burn_cells(picture);
    }

    fn burn_cells(self, picture: &mut Picture) {
        let (width, height) = (picture.width(), picture.height());
        let top = cells_top(height);
        let bits = self.bits();
        for row in 0..ROWS {
            let lines = top + (height - top) * row / ROWS..top + (height - top) * (row + 1) / ROWS;
            for cell in 0..CELLS_A_ROW {
                let place = ROWS * CELLS_A_ROW - 1 - (row * CELLS_A_ROW + cell);
                let level = CELL_LEVELS[usize::from(bits >> place & 1 == 1)];
                let columns = width * cell / CELLS_A_ROW..width * (cell + 1) / CELLS_A_ROW;
                for line in lines.clone() {
                    picture.y[line * width + columns.start..line * width + columns.end].fill(level);
                }
            }
        }
        let from = top / 2 * picture.chroma_width();
        picture.u[from..].fill(128);
        picture.v[from..].fill(128);
    }
}

/// The first line of the cells: those of 1080 lines are 96 high, of 180 lines 16.
fn cells_top(height: usize) -> usize {
    height - height * 4 / 45
}

/// A sum in which each byte has a weight of its own, so that neither swapped nor shifted bytes pass.
fn check(payload: u64) -> u8 {
    let bytes = payload.to_be_bytes();
    let sum: u32 = bytes[2..].iter().zip(1..).map(|(&byte, place)| u32::from(byte) * (2 * place + 1)).sum();
    (sum % 251) as u8 ^ 0xa5
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// White with a dark edge below and to the right, readable on anything.
fn write(picture: &mut Picture, (left, top): (usize, usize), scale: usize, text: &str) {
    let shadow = scale.div_ceil(2);
    for (offset, level) in [(shadow, 16), (0, 235)] {
        for (index, byte) in text.bytes().enumerate() {
            let Some((_, glyph)) = GLYPHS.iter().find(|(name, _)| *name == byte) else { continue };
            let left = left + index * (GLYPH_WIDTH + 1) * scale + offset;
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..GLYPH_WIDTH).filter(|column| bits >> (GLYPH_WIDTH - 1 - column) & 1 == 1) {
                    square(picture, (left + column * scale, top + row * scale + offset), scale, level);
                }
            }
        }
    }
}

/// A grey square, as far as it lies within the picture.
fn square(picture: &mut Picture, (left, top): (usize, usize), side: usize, level: u8) {
    let (width, height) = (picture.width(), picture.height());
    let (right, bottom) = ((left + side).min(width), (top + side).min(height));
    if left >= right {
        return;
    }
    for line in top..bottom {
        picture.y[line * width + left..line * width + right].fill(level);
    }
    let stride = picture.chroma_width();
    for line in top / 2..bottom.div_ceil(2) {
        let span = line * stride + left / 2..line * stride + right.div_ceil(2);
        picture.u[span.clone()].fill(128);
        picture.v[span].fill(128);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use direct264::FrameSize;

    /// As the page does it.
    fn read(picture: &Picture) -> Option<(u64, u64)> {
        let (width, height) = (picture.width(), picture.height());
        let top = cells_top(height);
        let mut bits = 0_u64;
        for index in 0..ROWS * CELLS_A_ROW {
            let (row, cell) = (index / CELLS_A_ROW, index % CELLS_A_ROW);
            let x = (2 * cell + 1) * width / (2 * CELLS_A_ROW);
            let y = top + (2 * row + 1) * (height - top) / (2 * ROWS);
            bits = bits << 1 | u64::from(picture.y[y * width + x] > 125);
        }
        let payload = bits >> 8;
        (u64::from(check(payload)) == bits & 0xff).then_some((payload >> 32, payload & 0xffff_ffff))
    }

    #[test]
    fn cells_are_read_back_at_every_size_and_a_wrong_one_is_noticed() {
        for (width, height) in [(160, 90), (320, 180), (642, 362), (641, 361), (1920, 1080)] {
            let mut picture = Picture::new(FrameSize::new(width, height).unwrap());
            let marks = Marks { number: 70_000, unix_ms: 0x1_2345_6789 };
            marks.burn_into(&mut picture);
            assert_eq!(read(&picture), Some((70_000 & 0xffff, 0x2345_6789)), "{width}x{height}");
            let last = picture.y.len() - 1;
            let flipped = 250 - picture.y[last];
            let width = picture.width();
            let corner = picture.width() / CELLS_A_ROW / 2;
            let y = cells_top(picture.height()) + 1;
            for line in y..picture.height() {
                picture.y[line * width + width - 1 - corner..(line + 1) * width].fill(flipped);
            }
            assert_eq!(read(&picture), None, "{width}x{height}");
        }
    }

    #[test]
    fn the_clock_is_the_time_of_day() {
        let marks = Marks { number: 0, unix_ms: 86_400_000 * 20_000 + 3_723_004 };
        assert_eq!(marks.clock(), "01:02:03.004");
    }
}
