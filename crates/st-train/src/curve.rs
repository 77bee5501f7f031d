//! The loss curve as an SVG.

use std::fmt::Write;

use crate::metrics::Line;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 36.0;
const RIGHT: f64 = 16.0;

/// Draws training and validation loss over the steps; an empty run gives an empty frame.
#[must_use]
pub fn draw(title: &str, lines: &[Line]) -> String {
    let mut train = Vec::new();
    let mut held_out = Vec::new();
    let mut phases: Vec<(f64, &str)> = Vec::new();
    for line in lines {
        match line {
            Line::Train(line) => {
                train.push((real(line.step), line.loss));
                if phases.last().is_none_or(|(_, name)| *name != line.phase) {
                    phases.push((real(line.step), &line.phase));
                }
            }
            Line::Validation(line) => held_out.push((real(line.step), line.loss)),
        }
    }
    let all = || train.iter().chain(&held_out).filter(|p| p.1.is_finite());
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let high = nice(all().map(|p| p.1).fold(0.1, f64::max));
    let x = |step: f64| LEFT + step / last * (WIDTH - LEFT - RIGHT);
    let y = |loss: f64| HEIGHT - BOTTOM - loss / high * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n",
        escape(title)
    );
    for i in 0..=4 {
        let loss = high * f64::from(i) / 4.0;
        let step = (last * f64::from(i) / 4.0).round();
        let (at, right) = (y(loss), WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.2}</text>",
            LEFT - 6.0,
            at + 4.0
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{step}</text>",
            x(step),
            HEIGHT - BOTTOM + 18.0
        );
    }
    for (step, name) in &phases {
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.1} {TOP}V{1}\" stroke=\"#bbb\" stroke-dasharray=\"4 4\"/><text x=\"{2:.1}\" y=\"{3}\" fill=\"#666\">{4}</text>",
            x(*step),
            HEIGHT - BOTTOM,
            x(*step) + 4.0,
            TOP + 10.0,
            escape(name)
        );
    }
    for (points, color) in [
        (&train, "#9db8d9"),
        (&smooth(&train), "#1f5fa8"),
        (&held_out, "#c0392b"),
    ] {
        let path: Vec<String> = points
            .iter()
            .filter(|p| p.1.is_finite())
            .map(|(step, loss)| format!("{:.1},{:.1}", x(*step), y(*loss)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>",
            path.join(" ")
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"20\" text-anchor=\"end\"><tspan fill=\"#1f5fa8\">training</tspan> · <tspan fill=\"#c0392b\">held-out</tspan> loss over steps</text>\n</svg>",
        WIDTH - RIGHT
    );
    svg
}

/// An exponential mean with a memory of about ten points.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut mean = None;
    let finite = points.iter().filter(|p| p.1.is_finite());
    finite
        .map(|&(step, loss)| {
            let value = mean.map_or(loss, |m: f64| 0.9 * m + 0.1 * loss);
            mean = Some(value);
            (step, value)
        })
        .collect()
}

/// The next of 1, 2, 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|v| *v >= value)
        .unwrap_or(value)
}

#[expect(clippy::cast_precision_loss, reason = "steps are far below 2^52")]
fn real(step: u64) -> f64 {
    step as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
