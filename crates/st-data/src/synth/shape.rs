//! What can be drawn: shapes that fill their box exactly, and colours that a small model can tell apart.

/// A flat shape. Its outline touches all four sides of its box, so the box is the exact truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
    Cross,
    Ring,
    Diamond,
}

/// Corners of a five-pointed star, inner radius 0.382 of the outer, stretched to fill `-1..=1` on both axes; v grows down.
const STAR: [[f64; 2]; 10] = [
    [0.0, -1.0],
    [0.236_1, -0.236_1],
    [1.0, -0.236_1],
    [0.382, 0.236_1],
    [0.618, 1.0],
    [0.0, 0.527_9],
    [-0.618, 1.0],
    [-0.382, 0.236_1],
    [-1.0, -0.236_1],
    [-0.236_1, -0.236_1],
];

const SQUARE: [[f64; 2]; 4] = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
const TRIANGLE: [[f64; 2]; 3] = [[0.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
const DIAMOND: [[f64; 2]; 4] = [[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
/// Half the width of a cross's arms.
const ARM: f64 = 0.34;
const CROSS: [[f64; 2]; 12] = [
    [-ARM, -1.0],
    [ARM, -1.0],
    [ARM, -ARM],
    [1.0, -ARM],
    [1.0, ARM],
    [ARM, ARM],
    [ARM, 1.0],
    [-ARM, 1.0],
    [-ARM, ARM],
    [-1.0, ARM],
    [-1.0, -ARM],
    [-ARM, -ARM],
];

impl Shape {
    pub(super) const ALL: [Self; 7] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Star,
        Self::Cross,
        Self::Ring,
        Self::Diamond,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Star => "star",
            Self::Cross => "cross",
            Self::Ring => "ring",
            Self::Diamond => "diamond",
        }
    }

    /// The corners, or nothing for round shapes.
    const fn corners(self) -> &'static [[f64; 2]] {
        match self {
            Self::Circle | Self::Ring => &[],
            Self::Square => &SQUARE,
            Self::Triangle => &TRIANGLE,
            Self::Star => &STAR,
            Self::Cross => &CROSS,
            Self::Diamond => &DIAMOND,
        }
    }

    /// The box around what a window shows of the shape, left, top, right, bottom. The shape's centre must lie in the
    /// window (its edges included), so something always shows.
    pub(super) fn extent_in(self, window: [f64; 4]) -> [f64; 4] {
        let [left, top, right, bottom] = window;
        let corners = self.corners();
        if corners.is_empty() {
            // A disc whose centre is in the window reaches as far as the window lets it; so does the ring.
            return [
                left.max(-1.0),
                top.max(-1.0),
                right.min(1.0),
                bottom.min(1.0),
            ];
        }
        let start = [
            f64::INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
        ];
        clip_polygon(corners, window)
            .into_iter()
            .fold(start, |extent, [u, v]| {
                [
                    extent[0].min(u),
                    extent[1].min(v),
                    extent[2].max(u),
                    extent[3].max(v),
                ]
            })
    }

    /// Whether the point is inside; the box is `-1..=1` on both axes and v grows down.
    pub(super) fn contains(self, u: f64, v: f64) -> bool {
        let inside_box = u.abs() <= 1.0 && v.abs() <= 1.0;
        inside_box
            && match self {
                Self::Circle => u * u + v * v <= 1.0,
                Self::Square => true,
                Self::Triangle => 2.0 * u.abs() <= v + 1.0,
                Self::Star => inside_polygon(&STAR, u, v),
                Self::Cross => u.abs() <= ARM || v.abs() <= ARM,
                Self::Ring => (0.3..=1.0).contains(&(u * u + v * v)),
                Self::Diamond => u.abs() + v.abs() <= 1.0,
            }
    }
}

/// What is left of a polygon inside a window (Sutherland and Hodgman's clipping). Parts that fall apart stay joined along
/// the window's edge, which does not change the extent.
fn clip_polygon(corners: &[[f64; 2]], window: [f64; 4]) -> Vec<[f64; 2]> {
    let mut left = corners.to_vec();
    for (side, limit) in window.into_iter().enumerate() {
        let axis = side % 2;
        let sign = if side < 2 { 1.0 } else { -1.0 };
        let depth = |point: [f64; 2]| sign * (point[axis] - limit);
        let mut kept = Vec::with_capacity(left.len() + 2);
        for (place, &corner) in left.iter().enumerate() {
            let before = left[(place + left.len() - 1) % left.len()];
            let (a, b) = (depth(before), depth(corner));
            if (a < 0.0) != (b < 0.0) {
                let share = a / (a - b);
                kept.push([0, 1].map(|k| before[k] + share * (corner[k] - before[k])));
            }
            if b >= 0.0 {
                kept.push(corner);
            }
        }
        left = kept;
    }
    left
}

/// Even-odd rule.
fn inside_polygon(corners: &[[f64; 2]], u: f64, v: f64) -> bool {
    let mut inside = false;
    let mut before = corners[corners.len() - 1];
    for &corner in corners {
        if (corner[1] > v) != (before[1] > v) {
            let crossing =
                corner[0] + (v - corner[1]) / (before[1] - corner[1]) * (before[0] - corner[0]);
            if u < crossing {
                inside = !inside;
            }
        }
        before = corner;
    }
    inside
}

/// A colour with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Color {
    pub(super) name: &'static str,
    pub(super) rgb: [u8; 3],
}

/// Every colour; `--colors N` takes the first N.
pub(super) const COLORS: [Color; 8] = [
    color("red", [225, 35, 40]),
    color("green", [30, 165, 60]),
    color("blue", [40, 75, 225]),
    color("yellow", [240, 220, 40]),
    color("purple", [155, 45, 190]),
    color("cyan", [45, 210, 215]),
    color("orange", [245, 135, 25]),
    color("white", [245, 245, 245]),
];

const fn color(name: &'static str, rgb: [u8; 3]) -> Color {
    Color { name, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_window_shows_is_boxed_exactly() {
        let windows = [
            [0.0, -3.0, 3.0, 3.0],
            [-3.0, -3.0, 0.0, 3.0],
            [-3.0, 0.0, 3.0, 3.0],
            [-3.0, -3.0, 3.0, 0.0],
            [-0.5, -3.0, 3.0, 0.25],
        ];
        for shape in Shape::ALL {
            for window in windows {
                let extent = shape.extent_in(window);
                let mut seen = [
                    f64::INFINITY,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    f64::NEG_INFINITY,
                ];
                for place in 0..401 * 401 {
                    let [u, v] = [place % 401, place / 401].map(|k| f64::from(k) / 200.0 - 1.0);
                    let shown =
                        window[0] <= u && u <= window[2] && window[1] <= v && v <= window[3];
                    if shown && shape.contains(u, v) {
                        seen = [
                            seen[0].min(u),
                            seen[1].min(v),
                            seen[2].max(u),
                            seen[3].max(v),
                        ];
                    }
                }
                let off = (0..4)
                    .map(|k| (extent[k] - seen[k]).abs())
                    .fold(0.0, f64::max);
                assert!(
                    off < 0.02,
                    "{} in {window:?}: {extent:?}, seen {seen:?}",
                    shape.name()
                );
            }
        }
    }

    /// The box is the truth only if the outline reaches every side and nothing lies outside.
    #[test]
    fn every_shape_fills_its_box() {
        let steps = 400;
        for shape in Shape::ALL {
            let [mut low_u, mut high_u, mut low_v, mut high_v] = [1.0_f64, -1.0, 1.0, -1.0];
            for row in 0..=steps {
                for column in 0..=steps {
                    let u = f64::from(column) / f64::from(steps) * 2.4 - 1.2;
                    let v = f64::from(row) / f64::from(steps) * 2.4 - 1.2;
                    if shape.contains(u, v) {
                        (low_u, high_u) = (low_u.min(u), high_u.max(u));
                        (low_v, high_v) = (low_v.min(v), high_v.max(v));
                    }
                }
            }
            for reach in [-low_u, high_u, -low_v, high_v] {
                assert!(
                    (0.97..=1.0).contains(&reach),
                    "{} reaches {reach}",
                    shape.name()
                );
            }
        }
    }
}
