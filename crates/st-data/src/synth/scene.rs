//! What is in a clip: objects with exact boxes at every frame.

use super::dice::Dice;
use super::shape::{COLORS, Color, Shape};
use super::{MediaKind, SynthOptions};

/// One clip before it is drawn.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) kind: MediaKind,
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// Frames; 1 for an image.
    pub(super) frames: u64,
    /// Frames that answers give boxes for.
    pub(super) planned: Vec<u64>,
    /// Back to front.
    pub(super) objects: Vec<Object>,
    /// Seeds texture and noise.
    pub(super) texture: u64,
}

/// A coloured shape that is in view from `first` to `last`, both inclusive.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    pub(super) shape: Shape,
    pub(super) color: Color,
    pub(super) first: u64,
    pub(super) last: u64,
    /// In view all along and never asked for.
    pub(super) distractor: bool,
    motion: Motion,
    /// Centre at the first and the last frame, as fractions of width and height.
    path: [[f64; 2]; 2],
    /// Half width and half height as fractions of width and height, at full size.
    half: [f64; 2],
}

/// What an object does while it is in view.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Motion {
    Stay,
    Move(Side),
    /// Moves for the first half of its time.
    Stop(Side),
    /// Comes in over the edge it starts at.
    Enter(Side),
    /// Goes out over the edge it ends at.
    Leave(Side),
    Grow,
}

/// A direction, or the edge of the picture that lies there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Top,
    Bottom,
}

impl Side {
    const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Top, Self::Bottom];

    const fn direction(self) -> [f64; 2] {
        match self {
            Self::Left => [-1.0, 0.0],
            Self::Right => [1.0, 0.0],
            Self::Top => [0.0, -1.0],
            Self::Bottom => [0.0, 1.0],
        }
    }

    const fn adverb(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Top => "up",
            Self::Bottom => "down",
        }
    }

    const fn edge(self) -> &'static str {
        match self {
            Self::Left => "the left",
            Self::Right => "the right",
            Self::Top => "the top",
            Self::Bottom => "the bottom",
        }
    }
}

impl Motion {
    fn draw(dice: &mut Dice) -> Self {
        let side = Side::ALL[dice.below(4)];
        match dice.below(6) {
            0 => Self::Stay,
            1 => Self::Move(side),
            2 => Self::Stop(side),
            3 => Self::Enter(side),
            4 => Self::Leave(side),
            _ => Self::Grow,
        }
    }

    /// Centre at the first and last frame, for a centre drawn in the middle.
    fn path(self, middle: [f64; 2], half: [f64; 2], dice: &mut Dice) -> [[f64; 2]; 2] {
        let reach = dice.between(0.15, 0.3);
        let inside = |point: [f64; 2]| -> [f64; 2] {
            [0, 1].map(|axis| point[axis].clamp(half[axis], 1.0 - half[axis]))
        };
        let shifted = |side: Side, by: f64| {
            let step = side.direction();
            inside([middle[0] + by * step[0], middle[1] + by * step[1]])
        };
        // The centre on the edge: half the object is out of the picture.
        let on_edge = |side: Side| match side {
            Side::Left => [0.0, middle[1]],
            Side::Right => [1.0, middle[1]],
            Side::Top => [middle[0], 0.0],
            Side::Bottom => [middle[0], 1.0],
        };
        match self {
            Self::Stay | Self::Grow => [middle, middle],
            Self::Move(side) | Self::Stop(side) => [shifted(side, -reach), shifted(side, reach)],
            Self::Enter(side) => [on_edge(side), middle],
            Self::Leave(side) => [middle, on_edge(side)],
        }
    }

    fn text(self) -> String {
        match self {
            Self::Stay => "stays".to_owned(),
            Self::Grow => "grows".to_owned(),
            Self::Move(side) => format!("moves {}", side.adverb()),
            Self::Stop(side) => format!("moves {} and stops", side.adverb()),
            Self::Enter(side) => format!("enters from {}", side.edge()),
            Self::Leave(side) => format!("leaves to {}", side.edge()),
        }
    }
}

impl Object {
    /// "red circle".
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.color.name, self.shape.name())
    }

    /// "a red circle", "an orange star".
    pub(super) fn a_name(&self) -> String {
        let vowel = self.color.name.starts_with(['a', 'e', 'i', 'o', 'u']);
        format!("{} {}", if vowel { "an" } else { "a" }, self.name())
    }

    /// What it does: "moves left".
    pub(super) fn event(&self) -> String {
        self.motion.text()
    }

    /// Centre and half size at `frame`, as fractions; the object may reach over the picture's edge.
    #[expect(
        clippy::cast_precision_loss,
        reason = "frame numbers are far below 2^53"
    )]
    pub(super) fn pose(&self, frame: u64) -> ([f64; 2], [f64; 2]) {
        let length = (self.last - self.first).max(1) as f64;
        let done = frame.saturating_sub(self.first) as f64 / length;
        let moved = match self.motion {
            Motion::Stop(_) => (2.0 * done).min(1.0),
            _ => done,
        };
        let grown = match self.motion {
            Motion::Grow => 0.6 + 0.4 * done,
            _ => 1.0,
        };
        let [from, to] = self.path;
        let centre = [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * moved);
        (centre, self.half.map(|half| half * grown))
    }

    pub(super) const fn in_view(&self, frame: u64) -> bool {
        self.first <= frame && frame <= self.last
    }

    /// The box of the part inside the picture, x1, y1, x2, y2 as fractions. Exact: nothing is rounded, and what other
    /// objects hide counts as seen.
    pub(super) fn bbox(&self, frame: u64) -> [f64; 4] {
        let (centre, half) = self.pose(frame);
        let whole = [
            centre[0] - half[0],
            centre[1] - half[1],
            centre[0] + half[0],
            centre[1] + half[1],
        ];
        if whole.iter().all(|edge| (0.0..=1.0).contains(edge)) {
            return whole;
        }
        let window = [0, 1, 2, 3].map(|side| {
            let edge = if side < 2 { 0.0 } else { 1.0 };
            (edge - centre[side % 2]) / half[side % 2]
        });
        let extent = self.shape.extent_in(window);
        [0, 1, 2, 3].map(|side| (centre[side % 2] + extent[side] * half[side % 2]).clamp(0.0, 1.0))
    }
}

impl Scene {
    /// Draws the scene of one clip. `at_least` overrules a smaller number of objects.
    pub(super) fn draw(
        kind: MediaKind,
        options: &SynthOptions,
        at_least: usize,
        dice: &mut Dice,
    ) -> Self {
        let frames = match kind {
            MediaKind::Image => 1,
            MediaKind::Video => options.frames,
        };
        let planned = match kind {
            MediaKind::Image => vec![0],
            MediaKind::Video => options.frame_plan().indices(0, frames - 1),
        };
        let [low, high] = options.objects;
        let count = dice.inside(low.max(at_least), high.max(at_least));
        let distractor = kind == MediaKind::Video && dice.chance(options.distractors);
        let colors = dice.sample(options.colors, count + usize::from(distractor));
        let mut scene = Self {
            kind,
            size: options.size,
            frames,
            planned,
            objects: Vec::with_capacity(colors.len()),
            texture: dice.seed(),
        };
        for (place, color) in colors.into_iter().enumerate() {
            let all_along = distractor && place == 0;
            let object = scene.place(COLORS[color], all_along, options, dice);
            scene.objects.push(object);
        }
        scene
    }

    /// The objects that questions are about.
    pub(super) fn asked(&self) -> Vec<&Object> {
        self.objects
            .iter()
            .filter(|object| !object.distractor)
            .collect()
    }

    /// Frame as a fraction of the clip.
    #[expect(
        clippy::cast_precision_loss,
        reason = "frame numbers are far below 2^53"
    )]
    pub(super) fn time(&self, frame: u64) -> f64 {
        frame as f64 / (self.frames - 1).max(1) as f64
    }

    /// When the object is in view, as fractions of the clip.
    pub(super) fn span(&self, object: &Object) -> [f64; 2] {
        [self.time(object.first), self.time(object.last)]
    }

    /// The planned frames at which the object is in view.
    pub(super) fn planned_in_view(&self, object: &Object) -> Vec<u64> {
        let mut frames: Vec<u64> = self.planned.clone();
        frames.retain(|frame| object.in_view(*frame));
        frames.dedup();
        frames
    }

    /// An object that hides little of the others; the best of a number of tries.
    fn place(
        &self,
        color: Color,
        all_along: bool,
        options: &SynthOptions,
        dice: &mut Dice,
    ) -> Object {
        const TRIES: usize = 24;
        const TOLERATED: f64 = 0.2;
        let shape = Shape::ALL[dice.below(options.shapes)];
        let (first, last) = self.draw_span(all_along, options, dice);
        let motion = match self.kind {
            MediaKind::Image => Motion::Stay,
            MediaKind::Video => Motion::draw(dice),
        };
        let half = self.draw_half(dice);
        let mut best: Option<(f64, Object)> = None;
        for _ in 0..TRIES {
            let middle = half.map(|half| dice.between(half, 1.0 - half));
            let path = motion.path(middle, half, dice);
            let distractor = all_along;
            let object = Object {
                shape,
                color,
                first,
                last,
                distractor,
                motion,
                path,
                half,
            };
            let hidden = self.overlap(&object);
            if best.as_ref().is_none_or(|(least, _)| hidden < *least) {
                best = Some((hidden, object.clone()));
            }
            if hidden <= TOLERATED {
                return object;
            }
        }
        best.map_or_else(|| unreachable!("TRIES is above 0"), |(_, object)| object)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a span has far fewer than 2^53 steps"
    )]
    fn draw_span(&self, all_along: bool, options: &SynthOptions, dice: &mut Dice) -> (u64, u64) {
        if self.kind == MediaKind::Image || all_along {
            return (0, self.frames - 1);
        }
        let [short, long] = options.span;
        // Short ones more often, in proportion to 1 / length: no single span then answers many questions.
        let weights: Vec<f64> = (short..=long).map(|steps| 1.0 / steps as f64).collect();
        let steps = short + dice.weighted(&weights, 1).first().copied().unwrap_or(0);
        let start = dice.inside(0, self.planned.len() - 1 - steps);
        (self.planned[start], self.planned[start + steps])
    }

    /// Half sizes of 10 to 22 % of the side, for a square picture; the shape keeps its form in pixels.
    fn draw_half(&self, dice: &mut Dice) -> [f64; 2] {
        let [width, height] = self.size.map(f64::from);
        let radius = dice.between(0.10, 0.22) * (width * height).sqrt();
        let stretch = dice.between(0.85, 1.15);
        [
            (radius * stretch / width).min(0.35),
            (radius / stretch / height).min(0.35),
        ]
    }

    /// The largest share of a box, new or old, that the new object and another have in common at a planned frame.
    fn overlap(&self, new: &Object) -> f64 {
        let mut worst = 0.0_f64;
        for old in &self.objects {
            for &frame in &self.planned {
                if !(new.in_view(frame) && old.in_view(frame)) {
                    continue;
                }
                let (a, b) = (new.bbox(frame), old.bbox(frame));
                let side =
                    |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
                let area = |c: [f64; 4]| (c[2] - c[0]) * (c[3] - c[1]);
                worst = worst.max(side(0) * side(1) / area(a).min(area(b)));
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenes(kind: MediaKind, count: u64) -> Vec<Scene> {
        let options = SynthOptions::default();
        (0..count)
            .map(|stream| Scene::draw(kind, &options, 2, &mut Dice::new(3, stream)))
            .collect()
    }

    #[test]
    fn boxes_are_inside_and_never_empty() {
        for scene in scenes(MediaKind::Video, 300) {
            for object in &scene.objects {
                for frame in object.first..=object.last {
                    let [x1, y1, x2, y2] = object.bbox(frame);
                    assert!(0.0 <= x1 && x1 + 0.02 < x2 && x2 <= 1.0);
                    assert!(0.0 <= y1 && y1 + 0.02 < y2 && y2 <= 1.0);
                }
            }
        }
    }

    #[test]
    fn colours_of_a_clip_differ_and_spans_lie_on_the_plan() {
        for scene in scenes(MediaKind::Video, 200) {
            let mut names: Vec<_> = scene.objects.iter().map(|o| o.color.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), scene.objects.len());
            for object in scene.asked() {
                let frames = scene.planned_in_view(object);
                assert_eq!(frames.first(), Some(&object.first));
                assert_eq!(frames.last(), Some(&object.last));
                assert!((2..=7).contains(&frames.len()));
            }
        }
    }

    #[test]
    fn objects_seldom_hide_each_other() {
        let scenes = scenes(MediaKind::Image, 500);
        let hidden = scenes.iter().filter(|scene| {
            let (last, rest) = scene.objects.split_last().unwrap();
            let before = Scene {
                objects: rest.to_vec(),
                ..(*scene).clone()
            };
            before.overlap(last) > 0.2
        });
        let hidden = hidden.count();
        assert!(hidden < 15, "{hidden} of 500");
    }
}
