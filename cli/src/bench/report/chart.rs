//! Draws line charts as inline SVG. `style.css` holds the colours.

use std::fmt::Write;

/// The number of colours in the style sheet, which further series reuse.
pub(super) const COLOURS: usize = 6;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// Returns the key of the colours.
pub(super) fn key<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut key = String::from("<div class=\"key\">");
    for (series, name) in names.enumerate() {
        let _ = write!(key, "<span><i class=\"s{}\"></i>{name}</span>", series % COLOURS);
    }
    key + "</div>"
}

/// A chart under construction; `x` and `y` are in the units of the data.
pub(super) struct Chart {
    svg: String,
    x: (f64, f64),
    y: (f64, f64),
}

/// The kind of values on an axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Whole numbers.
    Count(&'static str),
    /// Real numbers with a unit.
    Measure(&'static str),
}

impl Chart {
    /// Creates a chart with axes and grid. Screen readers read `label`.
    pub(super) fn new(label: &str, x: (f64, f64), y: (f64, f64), x_axis: Axis, y_name: &str) -> Self {
        let mut chart = Self { svg: String::new(), x, y };
        let _ = write!(chart.svg, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#);
        chart.axes(x_axis, y_name);
        chart
    }

    fn axes(&mut self, x_axis: Axis, y_name: &str) {
        let (left, right, floor) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        for value in ticks(self.y, 5, 0.0) {
            let at = self.place_y(value);
            let text = number(value);
            let _ = write!(
                self.svg,
                r#"<path class="grid" d="M{left} {at:.1}H{right}"/><text x="{:.1}" y="{:.1}" class="end">{text}</text>"#,
                left - 8.0,
                at + 4.0
            );
        }
        let (x_name, least) = match x_axis {
            Axis::Count(name) => (name, 1.0),
            Axis::Measure(name) => (name, 0.0),
        };
        for value in ticks(self.x, 10, least) {
            let at = self.place_x(value);
            let text = number(value);
            let _ =
                write!(self.svg, r#"<text x="{at:.1}" y="{:.1}" class="mid">{text}</text>"#, floor + 16.0);
        }
        let _ = write!(self.svg, r#"<path class="axis" d="M{left} {floor}H{right}"/>"#);
        let middle = (left + right) / 2.0;
        let _ =
            write!(self.svg, r#"<text x="{middle}" y="{}" class="mid name">{x_name}</text>"#, HEIGHT - 6.0);
        let _ = write!(
            self.svg,
            r#"<text transform="translate(12 {}) rotate(-90)" class="mid name">{y_name}</text>"#,
            TOP + (floor - TOP) / 2.0
        );
    }

    /// Draws a line through points in the colour of `series`.
    pub(super) fn line(&mut self, series: usize, points: impl Iterator<Item = (f64, f64)>) {
        let series = series % COLOURS;
        let path = self.path(points);
        let _ = write!(self.svg, r#"<path class="line s{series}" d="{path}"/>"#);
    }

    /// Draws a [`line`](Self::line) and fills the area below it.
    pub(super) fn area(&mut self, series: usize, points: impl Iterator<Item = (f64, f64)> + Clone) {
        let series = series % COLOURS;
        let ends = points.clone().next().zip(points.clone().last());
        let path = self.path(points);
        if let Some((first, last)) = ends {
            let (first, last, floor) = (self.place_x(first.0), self.place_x(last.0), self.place_y(self.y.0));
            let _ = write!(
                self.svg,
                r#"<path class="fill s{series}" d="{path}L{last:.1} {floor:.1}L{first:.1} {floor:.1}Z"/><path class="line s{series}" d="{path}"/>"#
            );
        }
    }

    /// Draws a named dashed level across the chart.
    pub(super) fn level(&mut self, value: f64, name: &str) {
        let at = self.place_y(value);
        let right = WIDTH - RIGHT;
        let _ = write!(
            self.svg,
            r#"<path class="level" d="M{LEFT} {at:.1}H{right}"/><text x="{right}" y="{:.1}" class="end name">{name}</text>"#,
            at - 5.0
        );
    }

    /// Draws a dashed mark at `value` of the x axis, with its name on text line `line`.
    pub(super) fn mark(&mut self, series: usize, value: f64, line: usize, name: &str) {
        if value > self.x.1 {
            return;
        }
        let series = series % COLOURS;
        let (at, floor) = (self.place_x(value), self.place_y(self.y.0));
        let y = TOP + 10.0 + 15.0 * line as f64;
        // A name that would leave the chart stands on the other side of its mark.
        let (side, x) = if at > WIDTH - 120.0 { ("end", at - 4.0) } else { ("start", at + 4.0) };
        let _ = write!(
            self.svg,
            r#"<path class="mark s{series}" d="M{at:.1} {TOP}V{floor:.1}"/><text x="{x:.1}" y="{y:.1}" class="of s{series} {side}">{name}</text>"#
        );
    }

    /// Draws a triangle at the upper edge for a point beyond it.
    pub(super) fn beyond(&mut self, series: usize, x: f64) {
        let series = series % COLOURS;
        let (at, y) = (self.place_x(x), TOP);
        let _ = write!(self.svg, r#"<path class="dot s{series}" d="M{at:.1} {y}l4 7h-8z"/>"#);
    }

    /// Draws a point with a tooltip.
    pub(super) fn dot(&mut self, series: usize, x: f64, y: f64, text: &str) {
        let series = series % COLOURS;
        let (x, y) = (self.place_x(x), self.place_y(y));
        let _ = write!(
            self.svg,
            r#"<circle class="dot s{series}" cx="{x:.1}" cy="{y:.1}" r="4"><title>{text}</title></circle>"#
        );
    }

    /// Adds a tooltip over the strip from `from` to `to` of the x axis.
    pub(super) fn hover(&mut self, from: f64, to: f64, text: &str) {
        let (left, right) = (self.place_x(from), self.place_x(to));
        let _ = write!(
            self.svg,
            r#"<rect class="hover" x="{left:.1}" y="{TOP}" width="{:.1}" height="{}"><title>{text}</title></rect>"#,
            right - left,
            HEIGHT - BOTTOM - TOP
        );
    }

    /// Returns the finished element.
    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (x, y) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.place_x(x), self.place_y(y));
        }
        path
    }

    fn place_x(&self, value: f64) -> f64 {
        LEFT + share(value, self.x) * (WIDTH - LEFT - RIGHT)
    }

    fn place_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - share(value, self.y) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Returns the position of `value` in a range, clamped to 0 to 1.
fn share(value: f64, (from, to): (f64, f64)) -> f64 {
    if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 }
}

/// Returns about `wanted` round values in a range, at least `least` apart.
fn ticks((from, to): (f64, f64), wanted: usize, least: f64) -> Vec<f64> {
    let rough = ((to - from) / wanted as f64).max(least);
    if !rough.is_finite() || rough <= 0.0 {
        return vec![from];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// Formats a value with up to three decimals, without trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_lie_inside() {
        let written: Vec<_> = ticks((0.0, 23.4), 5, 0.0).into_iter().map(number).collect();
        assert_eq!(written, ["0", "5", "10", "15", "20"]);
        let written: Vec<_> = ticks((0.9, 2.1), 5, 0.0).into_iter().map(number).collect();
        assert_eq!(written, ["1", "1.25", "1.5", "1.75", "2"]);
        assert_eq!(ticks((0.0, 4.0), 10, 1.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks((3.0, 3.0), 5, 0.0), [3.0]);
    }

    #[test]
    fn what_lies_beyond_the_range_is_drawn_at_its_end() {
        let chart = Chart::new("test", (0.0, 10.0), (0.0, 1.0), Axis::Measure("x"), "y");
        assert!((chart.place_x(99.0) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert!((chart.place_y(-5.0) - (HEIGHT - BOTTOM)).abs() < 1e-9);
    }
}
