//! Draws a scene: anti-aliased shapes over a textured, drifting background with noise.

use super::scene::{Object, Scene};

/// Samples a side within a pixel on an outline.
const SUBPIXELS: u32 = 4;
/// Background drifts at most this many pixels in all.
const DRIFT: u32 = 24;
/// Cell size of the background's coarse grid, in pixels.
const CELL: u32 = 20;

/// Draws the frames of one scene, one after the other.
pub(super) struct Renderer<'a> {
    scene: &'a Scene,
    /// Texture, larger than a frame by `DRIFT` on both sides.
    texture: Vec<[u8; 3]>,
    texture_width: usize,
    /// Where the drift ends, in pixels.
    drift: [u32; 2],
    noise: Noise,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(scene: &'a Scene) -> Self {
        let mut noise = Noise(scene.texture | 1);
        let [width, height] = scene.size.map(|side| side + DRIFT);
        let texture = draw_texture(width, height, &mut noise);
        let drift = [noise.below(DRIFT + 1), noise.below(DRIFT + 1)];
        Self {
            scene,
            texture,
            texture_width: width as usize,
            drift,
            noise,
        }
    }

    /// Draws `frame` as `[height, width, 3]`. Call in order: the noise goes on from frame to frame.
    pub(super) fn frame(&mut self, frame: u64, rgb: &mut Vec<u8>) {
        self.draw_background(frame, rgb);
        let scene = self.scene;
        for object in scene.objects.iter().filter(|object| object.in_view(frame)) {
            draw_object(object, frame, scene.size, rgb);
        }
        self.add_noise(rgb);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the drift is between 0 and DRIFT"
    )]
    fn draw_background(&self, frame: u64, rgb: &mut Vec<u8>) {
        let done = self.scene.time(frame);
        let [left, top] = self.drift.map(|end| (f64::from(end) * done) as usize);
        let [width, height] = self.scene.size.map(|side| side as usize);
        rgb.clear();
        for row in 0..height {
            let start = (row + top) * self.texture_width + left;
            rgb.extend(self.texture[start..start + width].as_flattened());
        }
    }

    fn add_noise(&mut self, rgb: &mut [u8]) {
        for chunk in rgb.chunks_mut(8) {
            let mut bits = self.noise.next();
            for value in chunk {
                // -7..=8.
                *value = value.saturating_add((bits & 15) as u8).saturating_sub(7);
                bits >>= 8;
            }
        }
    }
}

/// A coarse grid of dull colours, blended, with fine stripes over it.
fn draw_texture(width: u32, height: u32, noise: &mut Noise) -> Vec<[u8; 3]> {
    let columns = width / CELL + 2;
    let rows = height / CELL + 2;
    // Nearly grey, so that every colour stands out.
    let grey = 70 + noise.below(80).cast_signed();
    let base = [0; 3].map(|_: u8| grey + noise.below(32).cast_signed() - 16);
    let grid: Vec<[i32; 3]> = (0..columns * rows)
        .map(|_| {
            let light = noise.below(60).cast_signed() - 30;
            base.map(|channel| channel + light + noise.below(24).cast_signed() - 12)
        })
        .collect();
    let stripe = 3 + noise.below(9);
    let slope = noise.below(3);
    let cell = i64::from(CELL);
    let mut texture = Vec::with_capacity((width * height) as usize);
    for y in 0..height {
        let (row, down) = (y / CELL, i64::from(y % CELL));
        for x in 0..width {
            let (column, across) = (x / CELL, i64::from(x % CELL));
            let at = |r: u32, c: u32| grid[(r * columns + c) as usize];
            let [a, b, c, d] = [
                at(row, column),
                at(row, column + 1),
                at(row + 1, column),
                at(row + 1, column + 1),
            ];
            let light = if ((x + slope * y) / stripe).is_multiple_of(2) {
                5
            } else {
                -5
            };
            texture.push([0, 1, 2].map(|k| {
                let upper = i64::from(a[k]) * (cell - across) + i64::from(b[k]) * across;
                let lower = i64::from(c[k]) * (cell - across) + i64::from(d[k]) * across;
                let blend = (upper * (cell - down) + lower * down) / (cell * cell);
                u8::try_from((blend + light).clamp(20, 225)).unwrap_or(u8::MAX)
            }));
        }
    }
    texture
}

/// Blends the object's colour by the share of each pixel that it covers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel positions are clamped to the picture, colours stay below 256"
)]
fn draw_object(object: &Object, frame: u64, size: [u32; 2], rgb: &mut [u8]) {
    let (centre, half) = object.pose(frame);
    let [width, height] = size.map(f64::from);
    let (cx, cy, hx, hy) = (
        centre[0] * width,
        centre[1] * height,
        half[0] * width,
        half[1] * height,
    );
    let pixels = |low: f64, high: f64, end: f64| {
        (low.floor().clamp(0.0, end) as u32)..(high.ceil().clamp(0.0, end) as u32)
    };
    let step = 1.0 / f64::from(SUBPIXELS);
    for y in pixels(cy - hy, cy + hy, height) {
        for x in pixels(cx - hx, cx + hx, width) {
            let covered = (0..SUBPIXELS * SUBPIXELS).filter(|sample| {
                let u = f64::from(x) + (f64::from(sample % SUBPIXELS) + 0.5) * step;
                let v = f64::from(y) + (f64::from(sample / SUBPIXELS) + 0.5) * step;
                object.shape.contains((u - cx) / hx, (v - cy) / hy)
            });
            let covered = covered.count() as u32;
            if covered == 0 {
                continue;
            }
            let whole = SUBPIXELS * SUBPIXELS;
            let start = ((y * size[0] + x) * 3) as usize;
            for (value, color) in rgb[start..start + 3].iter_mut().zip(object.color.rgb) {
                *value = ((u32::from(*value) * (whole - covered) + u32::from(color) * covered)
                    / whole) as u8;
            }
        }
    }
}

/// Fast numbers for texture and noise (xorshift64*); pixels need no better ones.
struct Noise(u64);

impl Noise {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    const fn below(&mut self, count: u32) -> u32 {
        (((self.next() >> 32) * count as u64) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::{MediaKind, SynthOptions};
    use super::*;

    /// The truth is what is on the picture: pixels that the object changed reach the box's sides, and none lies outside.
    #[test]
    fn boxes_are_tight_around_the_drawn_pixels() {
        let options = SynthOptions::default();
        for stream in 0..60 {
            let mut scene = Scene::draw(MediaKind::Video, &options, 2, &mut Dice::new(5, stream));
            let object = scene.asked()[0].clone();
            let frame = object.first;
            scene.objects.clear();
            let mut empty = Vec::new();
            Renderer::new(&scene).frame(frame, &mut empty);
            scene.objects.push(object.clone());
            let mut full = Vec::new();
            Renderer::new(&scene).frame(frame, &mut full);

            let [width, height] = scene.size;
            let changed = (0..width * height).filter(|pixel| {
                let at = (pixel * 3) as usize;
                (0..3).any(|k| full[at + k].abs_diff(empty[at + k]) > 20)
            });
            let (mut x1, mut y1, mut x2, mut y2) = (width, height, 0, 0);
            for pixel in changed {
                let (x, y) = (pixel % width, pixel / width);
                (x1, y1, x2, y2) = (x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1));
            }
            let truth = object.bbox(frame);
            let sides = [x1, y1, x2, y2].map(f64::from);
            let scale = [width, height, width, height].map(f64::from);
            for side in 0..4 {
                let off = (sides[side] - truth[side] * scale[side]).abs();
                assert!(
                    off <= 1.6,
                    "{}: side {side} is {off} pixels off",
                    object.name()
                );
            }
        }
    }
}
