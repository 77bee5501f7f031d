//! Clips that show the same, by perceptual hashes of their frames.
//!
//! Eight frames of a clip are shrunk to 32 x 32 grey values. Their lowest frequencies, above or below the median, make a
//! hash of 63 bits each (the DCT hash of Zauner 2010), which survives another codec, size or quality with few bits
//! changed; clips that share 16 bits of a frame in place are candidates. Candidates are then compared by the correlation
//! of all their grey values, once as they are and once without each clip's mean picture, so that two moments before one
//! fixed camera are not taken for the same.

use std::collections::BTreeSet;
use std::f32::consts::PI;

/// Frames of a clip that are looked at.
pub(super) const FRAMES: usize = 8;
/// Width and height of the shrunk frames.
const SIDE: usize = 32;
/// Grey values of a shrunk frame.
const PIXELS: usize = SIDE * SIDE;
/// Frames of less contrast (standard deviation, of 255) say nothing.
const FLAT: f32 = 2.5;
/// Mean bits of 63 by which frames of candidates may differ.
const BITS: u32 = 14;
/// Correlation of grey values from which clips are one.
const ALIKE: f64 = 0.93;
/// The same where nothing moves, so that nothing else tells them apart.
const ALIKE_STILL: f64 = 0.975;
/// Correlation of what moves.
const ALIKE_MOTION: f64 = 0.8;
/// Standard deviation, in grey values, from which something moves.
const MOTION: f64 = 2.0;
/// Clips in one bucket of which all pairs are compared.
const BUCKET: usize = 200;

/// The shrunk frames of a clip, [`FRAMES`] for a video and one for an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thumbs(pub(super) Vec<[f32; PIXELS]>);

/// Which frames of `count` are looked at.
pub(super) fn places(count: usize) -> Vec<usize> {
    if count <= 1 {
        return (0..count).collect();
    }
    (0..FRAMES)
        .map(|at| (at * (count - 1) + (FRAMES - 1) / 2) / (FRAMES - 1))
        .collect()
}

/// Shrinks an RGB frame to grey values by averaging.
#[expect(
    clippy::cast_precision_loss,
    reason = "a cell has far fewer than 2^24 pixels"
)]
pub(super) fn shrink(rgb: &[u8], width: usize, height: usize) -> [f32; PIXELS] {
    let mut thumb = [0.0; PIXELS];
    if width == 0 || height == 0 || rgb.len() < 3 * width * height {
        return thumb;
    }
    for (row, cells) in thumb.chunks_exact_mut(SIDE).enumerate() {
        let top = row * height / SIDE;
        let bottom = ((row + 1) * height / SIDE).max(top + 1);
        for (column, cell) in cells.iter_mut().enumerate() {
            let left = column * width / SIDE;
            let right = ((column + 1) * width / SIDE).max(left + 1);
            let mut sum = 0_u32;
            for y in top..bottom {
                let line = &rgb[3 * (y * width + left)..3 * (y * width + right)];
                for pixel in line.chunks_exact(3) {
                    // BT.601 luma in 256ths.
                    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
                    sum += 77 * r + 150 * g + 29 * b;
                }
            }
            let pixels = (bottom - top) * (right - left);
            *cell = sum as f32 / (256 * pixels) as f32;
        }
    }
    thumb
}

/// Hashes of a clip's frames; `None` for a frame without contrast.
pub(super) fn hashes(thumbs: &Thumbs) -> [Option<u64>; FRAMES] {
    let mut hashes = [None; FRAMES];
    for (hash, thumb) in hashes.iter_mut().zip(&thumbs.0) {
        *hash = hash_frame(thumb);
    }
    hashes
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are below 1024")]
fn hash_frame(thumb: &[f32; PIXELS]) -> Option<u64> {
    let mean = thumb.iter().sum::<f32>() / PIXELS as f32;
    let variance = thumb
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f32>()
        / PIXELS as f32;
    if variance.sqrt() < FLAT {
        return None;
    }
    // Rows first, then columns; only the eight lowest frequencies of each.
    let mut waves = [[0.0_f32; SIDE]; 8];
    for (frequency, wave) in waves.iter_mut().enumerate() {
        for (at, value) in wave.iter_mut().enumerate() {
            *value = (PI * frequency as f32 * (2 * at + 1) as f32 / (2 * SIDE) as f32).cos();
        }
    }
    let mut rows = [[0.0_f32; 8]; SIDE];
    for (row, line) in rows.iter_mut().zip(thumb.chunks_exact(SIDE)) {
        for (frequency, sum) in row.iter_mut().enumerate() {
            let terms = line.iter().enumerate();
            *sum = terms.map(|(at, value)| value * waves[frequency][at]).sum();
        }
    }
    let mut low = [0.0_f32; 64];
    for (place, value) in low.iter_mut().enumerate() {
        let (down, across) = (place / 8, place % 8);
        let terms = rows.iter().enumerate();
        *value = terms.map(|(at, row)| row[across] * waves[down][at]).sum();
    }
    // The first is the mean, which brightness changes.
    let mut sorted: Vec<f32> = low[1..].to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    let bits = low[1..].iter().enumerate();
    Some(bits.fold(0, |hash, (place, value)| {
        hash | u64::from(*value > median) << place
    }))
}

/// Pairs of clips that may show the same: numbers into `clips`, lower first, rising.
pub(super) fn candidates(clips: &[[Option<u64>; FRAMES]]) -> Vec<(u32, u32)> {
    let mut pairs = BTreeSet::new();
    let mut bucketed: Vec<(u16, u64, u32)> = Vec::with_capacity(clips.len());
    for frame in 0..FRAMES {
        for band in 0..4 {
            bucketed.clear();
            for (number, hashes) in (0..).zip(clips) {
                if let Some(hash) = hashes[frame] {
                    #[expect(clippy::cast_possible_truncation, reason = "16 bits are wanted")]
                    let bits = (hash >> (16 * band)) as u16;
                    bucketed.push((bits, hash, number));
                }
            }
            bucketed.sort_unstable();
            for bucket in bucketed.chunk_by(|a, b| a.0 == b.0) {
                for (at, (_, _, one)) in bucket.iter().enumerate() {
                    let until = bucket.len().min(at + BUCKET);
                    for (_, _, other) in &bucket[at + 1..until] {
                        let pair = (*one.min(other), *one.max(other));
                        if near(&clips[pair.0 as usize], &clips[pair.1 as usize]) {
                            pairs.insert(pair);
                        }
                    }
                }
            }
        }
    }
    pairs.into_iter().collect()
}

/// Whether most frames of two clips differ in few bits. Clips mostly without contrast are never near.
fn near(a: &[Option<u64>; FRAMES], b: &[Option<u64>; FRAMES]) -> bool {
    let (mut compared, mut bits) = (0, 0);
    let mut seen = 0;
    for (a, b) in a.iter().zip(b) {
        seen += u32::from(a.is_some() || b.is_some());
        if let (Some(a), Some(b)) = (a, b) {
            compared += 1;
            bits += (a ^ b).count_ones();
        }
    }
    compared > 0 && 2 * compared >= seen && bits <= BITS * compared
}

/// How well two clips correlate, if they show the same.
pub(super) fn correlation(a: &Thumbs, b: &Thumbs) -> Option<f64> {
    if a.0.len() != b.0.len() || a.0.is_empty() {
        return None;
    }
    let whole = pearson(&deviations(a, false), &deviations(b, false));
    if a.0.len() == 1 {
        return (whole >= ALIKE_STILL).then_some(whole);
    }
    let (moving_a, moving_b) = (deviations(a, true), deviations(b, true));
    let strength = |values: &[f32]| {
        let sum: f64 = values.iter().map(|value| f64::from(value * value)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand values")]
        let count = values.len() as f64;
        (sum / count).sqrt()
    };
    let (strong, weak) = {
        let (a, b) = (strength(&moving_a), strength(&moving_b));
        (a.max(b), a.min(b))
    };
    if strong < MOTION {
        return (whole >= ALIKE_STILL).then_some(whole);
    }
    let alike = weak >= strong / 2.0 && pearson(&moving_a, &moving_b) >= ALIKE_MOTION;
    (alike && whole >= ALIKE).then_some(whole)
}

/// Grey values of all frames less their mean, or less the mean picture.
#[expect(clippy::cast_precision_loss, reason = "a few thousand values")]
fn deviations(thumbs: &Thumbs, of_picture: bool) -> Vec<f32> {
    let count = thumbs.0.len() as f32;
    let mut mean = [0.0_f32; PIXELS];
    for frame in &thumbs.0 {
        for (sum, value) in mean.iter_mut().zip(frame) {
            *sum += value / count;
        }
    }
    if !of_picture {
        mean = [mean.iter().sum::<f32>() / PIXELS as f32; PIXELS];
    }
    let frames = thumbs.0.iter();
    frames
        .flat_map(|frame| frame.iter().zip(&mean).map(|(value, mean)| value - mean))
        .collect()
}

/// The correlation of two lists of deviations; 0 when one has none.
fn pearson(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(a * b));
        products.sum()
    };
    let size = (dot(a, a) * dot(b, b)).sqrt();
    if size > 0.0 { dot(a, b) / size } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moving blob on a slanted ground.
    fn clip(seed: usize, side: usize, noise: i32) -> Thumbs {
        let frames = (0..FRAMES).map(|frame| {
            let mut rgb = Vec::with_capacity(3 * side * side);
            for y in 0..side {
                for x in 0..side {
                    let (u, v) = (x * 96 / side, y * 96 / side);
                    let (cx, cy) = ((seed * 29 + frame * 7) % 96, (seed * 53 + frame * 3) % 96);
                    let near = u.abs_diff(cx).pow(2) + v.abs_diff(cy).pow(2) < 300;
                    let ground = 60 + (u * (seed % 5) + v * (seed % 7)) / 12;
                    let value = if near { 220 } else { ground };
                    let shake = (i32::try_from((x * 31 + y * 17 + frame) % 7).unwrap() - 3) * noise;
                    let value = (i32::try_from(value).unwrap() + shake).clamp(0, 255);
                    rgb.extend([u8::try_from(value).unwrap(); 3]);
                }
            }
            shrink(&rgb, side, side)
        });
        Thumbs(frames.collect())
    }

    #[test]
    fn the_same_clip_in_another_size_and_quality_is_found_and_no_other() {
        let clips: Vec<Thumbs> = (0..40)
            .map(|seed| clip(seed, 384, 0))
            .chain((0..40).map(|seed| clip(seed, 200, 3)))
            .collect();
        let hashes: Vec<_> = clips.iter().map(hashes).collect();
        let found: Vec<(u32, u32)> = candidates(&hashes)
            .into_iter()
            .filter(|(a, b)| correlation(&clips[*a as usize], &clips[*b as usize]).is_some())
            .collect();
        let expected: Vec<(u32, u32)> = (0..40).map(|seed| (seed, seed + 40)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_flat_clip_is_like_no_other() {
        let flat = Thumbs(vec![[128.0; PIXELS]; FRAMES]);
        assert_eq!(hashes(&flat), [None; FRAMES]);
        assert!(candidates(&[hashes(&flat), hashes(&flat)]).is_empty());
        assert_eq!(correlation(&flat, &flat), None);
    }

    #[test]
    fn places_are_spread_over_the_plan() {
        assert_eq!(places(1), [0]);
        assert_eq!(places(100), [0, 14, 28, 42, 57, 71, 85, 99]);
        assert_eq!(places(8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(places(2).last(), Some(&1));
    }
}
