//! A curve drawn with characters.

mod canvas;

use canvas::Canvas;
pub(crate) use canvas::Ink;

/// Size of the drawing in characters, without the axes.
const WIDTH: usize = 60;
const HEIGHT: usize = 10;
/// From this ratio of largest to smallest value on, a curve of positive values is drawn on a logarithmic scale.
const LOG_FROM_RATIO: f64 = 100.0;

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    min: f64,
    max: f64,
    log: bool,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let min = values.clone().fold(f64::INFINITY, f64::min);
        let max = values.fold(f64::NEG_INFINITY, f64::max);
        let log = min > 0.0 && max / min >= LOG_FROM_RATIO;
        Self { min, max, log }
    }

    /// 0 at the smallest value, 1 at the largest.
    fn height(&self, value: f64) -> f64 {
        let (low, high) = (self.on_axis(self.min), self.on_axis(self.max));
        match high > low {
            // Halves first: the difference of two huge numbers may be no number.
            true => (self.on_axis(value) / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0),
            false => 0.5,
        }
    }

    fn on_axis(&self, value: f64) -> f64 {
        match self.log {
            true => value.ln(),
            false => value,
        }
    }

    fn middle(&self) -> f64 {
        match self.log {
            true => self.min.sqrt() * self.max.sqrt(),
            false => self.min / 2.0 + self.max / 2.0,
        }
    }
}

/// Draws steps and values, which are sorted by step. Values that are no numbers are left out, and it is said.
pub(crate) fn curve(points: &[(i64, f64)], ink: Ink) -> Vec<String> {
    let drawn: Vec<(i64, f64)> = points
        .iter()
        .copied()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let left_out = points.len() - drawn.len();
    let mut lines = match drawn[..] {
        [] => Vec::new(),
        [(first, _), ..] => {
            let last = drawn[drawn.len() - 1].0;
            let scale = Scale::of(drawn.iter().map(|(_, value)| *value));
            let rows = draw(&drawn, first, last, &scale, ink);
            with_axes(&rows, first, last, &scale, ink)
        }
    };
    if left_out > 0 {
        lines.push(format!(
            "{left_out} of {} values are no finite numbers",
            points.len()
        ));
    }
    lines
}

fn draw(points: &[(i64, f64)], first: i64, last: i64, scale: &Scale, ink: Ink) -> Vec<String> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, ink);
    let steps = (last as f64 - first as f64).max(1.0);
    let place = |(step, value): (i64, f64)| ((step as f64 - first as f64) / steps, scale.height(value));
    let mut before = None;
    for point in points {
        let here = place(*point);
        canvas.line(before.unwrap_or(here), here);
        before = Some(here);
    }
    canvas.rows()
}

fn with_axes(rows: &[String], first: i64, last: i64, scale: &Scale, ink: Ink) -> Vec<String> {
    let (tick, wall, corner, floor) = match ink {
        Ink::Braille => ('┤', '│', '└', "─"),
        Ink::Ascii => ('+', '|', '+', "-"),
    };
    let mut labels = vec![String::new(); rows.len()];
    labels[0] = short(scale.max);
    if scale.max > scale.min {
        labels[rows.len() / 2] = short(scale.middle());
        labels[rows.len() - 1] = short(scale.min);
    }
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let mut lines: Vec<String> = labels
        .iter()
        .zip(rows)
        .map(|(label, row)| {
            let axis = if label.is_empty() { wall } else { tick };
            format!("{label:>width$} {axis}{row}").trim_end().to_string()
        })
        .collect();
    lines.push(format!("{:width$} {corner}{}", "", floor.repeat(WIDTH)));
    let (left, right) = (format!("step {first}"), last.to_string());
    let gap = WIDTH.saturating_sub(left.len());
    let steps = match last > first {
        true => format!("{left}{right:>gap$}"),
        false => left,
    };
    lines.push(format!("{:width$}  {steps}", ""));
    if scale.log {
        lines.push(format!("{:width$}  logarithmic scale", ""));
    }
    lines
}

/// A number for an axis: five digits say where on it one is.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 1000.0 { 1 } else { 4 };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn falling(steps: i64) -> Vec<(i64, f64)> {
        (0..=steps).map(|step| (step, 1.0 / (step + 1) as f64)).collect()
    }

    #[test]
    fn a_curve_has_axes_and_falls() {
        insta::assert_snapshot!(curve(&falling(20), Ink::Braille).join("\n"), @r"
             1 ┤⢣
               │⠘⡄
               │ ⢱
               │ ⠈⡆
               │  ⢸⡀
        0.5238 ┤   ⠑⢄
               │    ⠈⠢⡀
               │      ⠈⠑⠤⣀⡀
               │          ⠈⠉⠒⠒⠤⠤⢄⣀⣀⣀
        0.0476 ┤                    ⠉⠉⠉⠉⠉⠒⠒⠒⠒⠒⠒⠒⠢⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
               └────────────────────────────────────────────────────────────
                step 0                                                    20
        ");
    }

    #[test]
    fn plain_ascii_will_do() {
        let text = curve(&falling(20), Ink::Ascii).join("\n");
        assert!(text.is_ascii(), "{text}");
        insta::assert_snapshot!(text, @r"
             1 +*
               | *
               | *
               |  *
               |  *
        0.5238 +   **
               |     **
               |       *****
               |            ***************
        0.0476 +                           *********************************
               +------------------------------------------------------------
                step 0                                                    20
        ");
    }

    #[test]
    fn a_wide_range_gets_a_logarithmic_scale() {
        let points: Vec<_> = (0..8).map(|step| (step, 10f64.powi(-(step as i32)))).collect();
        let lines = curve(&points, Ink::Ascii);
        assert_eq!(lines.last().unwrap().trim(), "logarithmic scale");
        assert!(lines[0].trim_start().starts_with("1 +*"), "{}", lines[0]);
        assert!(lines[9].trim_start().starts_with("1.00e-7 +"), "{}", lines[9]);
        let scale = Scale::of([-1.0, 1000.0].into_iter());
        assert!(!scale.log, "there is no logarithm of -1");
    }

    #[test]
    fn odd_curves_are_drawn_or_said() {
        assert!(curve(&[], Ink::Ascii).is_empty());
        assert_eq!(
            curve(&[(0, f64::NAN)], Ink::Ascii),
            ["1 of 1 values are no finite numbers"]
        );
        let alone = curve(&[(7, 0.5)], Ink::Ascii);
        assert!(alone.iter().any(|line| line.contains('*')), "{alone:?}");
        assert!(alone.last().unwrap().ends_with("step 7"), "{alone:?}");
        let extreme = curve(&[(i64::MIN, f64::MIN), (i64::MAX, f64::MAX)], Ink::Ascii);
        assert!(extreme[0].ends_with('*'), "{extreme:?}");
    }

    #[test]
    fn labels_are_short() {
        let labels: Vec<String> = [0.0, 1.0986123, -0.5, 12345.678, 2.5e-9, 4e12]
            .into_iter()
            .map(short)
            .collect();
        assert_eq!(labels, ["0", "1.0986", "-0.5", "12345.7", "2.50e-9", "4.00e12"]);
    }
}
