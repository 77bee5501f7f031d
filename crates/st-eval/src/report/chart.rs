//! Small charts as inline SVG; colours come from the page's style sheet.

use std::fmt::Write as _;

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Class in the style sheet: `s0` to `s5`.
    pub class: &'static str,
    /// Points, by rising x.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 14.0;

/// A line chart with axes, grid and legend; empty without points.
#[must_use]
pub fn lines(series: &[Series], x_label: &str, y_label: &str) -> String {
    let points = || {
        series
            .iter()
            .flat_map(|one| one.points.iter().copied())
            .filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let Some(x_range) = range(points().map(|point| point.0)) else {
        return String::new();
    };
    let Some((_, y_high)) = range(points().map(|point| point.1)) else {
        return String::new();
    };
    let y_range = (0.0, nice_ceiling(y_high));
    let place = |(x, y): (f64, f64)| {
        (
            LEFT + (x - x_range.0) / (x_range.1 - x_range.0).max(f64::MIN_POSITIVE)
                * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_range.0) / (y_range.1 - y_range.0) * (HEIGHT - BOTTOM - TOP),
        )
    };
    let mut svg = frame(x_label, y_label);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let (x, y) = (
            x_range.0 + share * (x_range.1 - x_range.0),
            share * y_range.1,
        );
        let (_, py) = place((x_range.0, y));
        let (px, _) = place((x, 0.0));
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{py:.1}" y2="{py:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text><text x="{px:.1}" y="{}" text-anchor="middle">{}</text>"#,
            WIDTH - RIGHT,
            LEFT - 6.0,
            py + 4.0,
            short(y),
            HEIGHT - BOTTOM + 16.0,
            short(x)
        );
    }
    for (index, one) in series.iter().enumerate() {
        let mut path = String::new();
        for point in one
            .points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
        {
            let (x, y) = place(*point);
            let _ = write!(
                path,
                "{}{x:.1},{y:.1}",
                if path.is_empty() { "M" } else { "L" }
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of series")]
        let x = WIDTH - RIGHT - 150.0 * (series.len() - index) as f64;
        let _ = write!(
            svg,
            r#"<path class="line {class}" d="{path}"/><line class="line {class}" x1="{x}" x2="{}" y1="{y}" y2="{y}"/><text x="{}" y="{}">{}</text>"#,
            x + 22.0,
            x + 28.0,
            TOP + 10.0,
            escape(&one.name),
            class = one.class,
            y = TOP + 6.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Shares of values in ten equal parts of `[0, 1]`, for several runs side by side; the last part holds 1.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ten parts and a handful of runs"
)]
pub fn histogram(runs: &[(String, &'static str, Vec<f64>)], x_label: &str) -> String {
    const PARTS: usize = 10;
    let shares: Vec<Vec<f64>> = runs
        .iter()
        .map(|(_, _, values)| {
            let mut counts = [0.0; PARTS];
            for value in values {
                counts[((value * PARTS as f64) as usize).min(PARTS - 1)] += 1.0;
            }
            counts
                .iter()
                .map(|count| count / values.len().max(1) as f64)
                .collect()
        })
        .collect();
    let highest = nice_ceiling(shares.iter().flatten().copied().fold(0.01, f64::max));
    let mut svg = frame(x_label, "share of records");
    let step = (WIDTH - LEFT - RIGHT) / PARTS as f64;
    let scale = (HEIGHT - BOTTOM - TOP) / highest;
    for tick in 0..=4 {
        let value = highest * f64::from(tick) / 4.0;
        let y = HEIGHT - BOTTOM - value * scale;
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{:.0} %</text>"#,
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            value * 100.0
        );
    }
    for part in 0..=PARTS {
        let x = LEFT + step * part as f64;
        let _ = write!(
            svg,
            r#"<text x="{x:.1}" y="{}" text-anchor="middle">{:.1}</text>"#,
            HEIGHT - BOTTOM + 16.0,
            part as f64 / PARTS as f64
        );
    }
    let bar = (step - 8.0) / runs.len().max(1) as f64;
    for (run, (name, class, _)) in runs.iter().enumerate() {
        for (part, share) in shares[run].iter().enumerate() {
            let (x, height) = (
                LEFT + step * part as f64 + 4.0 + bar * run as f64,
                share * scale,
            );
            let _ = write!(
                svg,
                r#"<rect class="bar {class}" x="{x:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{}: {:.1} %</title></rect>"#,
                HEIGHT - BOTTOM - height,
                (bar - 1.5).max(1.0),
                escape(name),
                share * 100.0
            );
        }
        let x = WIDTH - RIGHT - 130.0 * (runs.len() - run) as f64;
        let _ = write!(
            svg,
            r#"<rect class="bar {class}" x="{x}" y="{TOP}" width="12" height="12"/><text x="{}" y="{}">{}</text>"#,
            x + 18.0,
            TOP + 10.0,
            escape(name)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn frame(x_label: &str, y_label: &str) -> String {
    format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><text x="{}" y="{}" text-anchor="middle">{}</text><text transform="rotate(-90)" x="{}" y="12" text-anchor="middle">{}</text>"#,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 3.0,
        escape(x_label),
        -(HEIGHT - BOTTOM + TOP) / 2.0,
        escape(y_label)
    )
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The next of 1, 2, 4, 5, 8 times a power of ten.
fn nice_ceiling(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];
    power
        * steps
            .into_iter()
            .find(|step| step * power >= value)
            .unwrap_or(10.0)
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Text for HTML and SVG.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_closed_and_escapes_names() {
        let series = [Series {
            name: "a<b".into(),
            class: "s0",
            points: vec![(0.0, 1.0), (10.0, 0.25), (20.0, f64::NAN)],
        }];
        let svg = lines(&series, "step", "loss");
        assert!(
            svg.starts_with("<svg")
                && svg.ends_with("</svg>")
                && svg.contains("a&lt;b")
                && !svg.contains("NaN")
        );
        assert_eq!(lines(&[], "step", "loss"), "");
    }

    #[test]
    fn a_histogram_keeps_the_ends() {
        let svg = histogram(&[("run".into(), "s0", vec![0.0, 1.0, 1.0, 0.5])], "IoU");
        assert!(svg.contains("run: 25.0 %") && svg.contains("run: 50.0 %"));
    }
}
