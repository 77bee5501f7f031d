//! Records that say the same, and answers that contradict each other.
//!
//! Within a clip (whatever its names, [`super::sameness`]) records are compared by hashes of their words, then by sketches
//! of their shingles. Shingles that many records of a task have are the task's wording and weigh little: else every
//! question of a template would repeat every other. Long texts are compared across clips too, by locality-sensitive
//! hashing of their rare shingles.

use st_schema::Task;

use super::audit::Map;
use super::examine::View;
use super::fingerprint::{AnswerKind, Pair, Print};
use super::report::Likeness;
use super::sameness::Sameness;
use super::text::{Common, SKETCH, compare};

/// Similarity of the words from which two records about one clip say nearly the same, together and of questions or answers
/// alone; and the same where both give the same boxes, which says half of it. Equal times say little: two things can be in
/// view for the same while.
const NEAR: [f64; 2] = [0.88, 0.3];
const NEAR_BOXES: [f64; 2] = [0.5, 0.3];
/// Similarity of answers from which a question's wording no longer matters, and the weight that such an answer must have,
/// about six rare shingles: the same long description of the same clip.
const NEAR_ANSWER: f64 = 0.7;
const ANSWER_WEIGHT: f64 = 8.0;
/// Where both texts are known whole: the least overlap of both together, of questions or answers alone, and the least
/// similarity. A word more, or another word of the task's wording, leaves one text all but within the other; another thing
/// asked for gives each text something rare that the other lacks.
const WITHIN: [f64; 2] = [0.9, 0.6];
const WITHIN_SIMILAR: f64 = 0.35;
/// A shingle that three in ten records of a task have is its wording and weighs the least, that of a few records the most.
/// Without a least weight two questions of one template would differ wholly by a word added to one.
const WORDING: f64 = 1.2;
const WEIGHT: [f64; 2] = [0.25, 1.3];
/// Similarity from which the rare shingles of two long texts are a copy.
const COPIED: f64 = 0.75;
/// Words of question and answer from which a text is long.
const LONG_WORDS: u32 = 30;
/// Weight of rare shingles that a text must have to be compared across clips: about ten of them.
const LONG: f64 = 40.0;
/// Numbers of near records differ by at most so many steps of 0.004.
const NEAR_STEPS: u8 = 7;
/// Numbers of contradicting answers differ by at least so many steps of 0.004.
const FAR_STEPS: u8 = 15;
/// Records of one clip that are all compared with each other; beyond, only with so many leaders.
const LEADERS: usize = 64;

/// Records that say the same, by number of their prints, in file order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Repeat {
    pub(super) likeness: Likeness,
    pub(super) similarity: f64,
    pub(super) records: Vec<u32>,
}

/// Pairs that answer one question and cannot all be right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conflict {
    pub(super) pairs: Vec<Pair>,
}

/// How much the shingles of two records weigh.
struct Weights<'a, 'v> {
    view: &'v View<'a>,
}

impl Weights<'_, '_> {
    /// In what share of the records of both files' task a shingle occurs, as its negative logarithm; small samples are
    /// held to be a part of twenty records more. The more frequent use counts.
    fn rarity(&self, a: &Print, b: &Print, side: usize, shingle: u32) -> f64 {
        let of = |print: &Print| {
            self.view
                .audit
                .frequencies
                .get(&(print.file, print.task))
                .map_or(0.0, |frequencies| {
                    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
                    let share = (frequencies.records as f64 + 20.0)
                        / frequencies.of(side, shingle).max(1) as f64;
                    share.ln()
                })
        };
        if (a.file, a.task) == (b.file, b.task) {
            of(a)
        } else {
            of(a).min(of(b))
        }
    }

    /// What one side of two records has in common.
    fn side(
        &self,
        a: &Print,
        b: &Print,
        side: usize,
        weight: impl Fn(f64) -> f64,
    ) -> Option<Common> {
        let sketch = |print| self.view.audit.sketch(print, side);
        compare(sketch(a), sketch(b), |shingle| {
            weight(self.rarity(a, b, side, shingle))
        })
    }

    /// How alike two records' texts are, if nearly the same.
    fn near(&self, a: &Print, b: &Print) -> Option<f64> {
        let same_numbers = a.task == b.task && a.shape == b.shape && close(a, b);
        if !same_numbers {
            return None;
        }
        let least = if a.boxes { NEAR_BOXES } else { NEAR };
        let [low, high] = WEIGHT;
        let weight = |rarity: f64| (rarity - WORDING).clamp(low, high);
        let found = self.alike(a, b, weight, least);
        let same_answer = || {
            let common = self.side(a, b, 1, weight)?;
            let same = common.either() >= ANSWER_WEIGHT && common.similarity() >= NEAR_ANSWER;
            same.then_some(common)
        };
        let found = found
            .or_else(same_answer)
            .or_else(|| self.within(a, b, weight))?;
        Some(found.similarity())
    }

    /// Whether one record's texts are all but within the other's.
    fn within(&self, a: &Print, b: &Print, weight: impl Fn(f64) -> f64 + Copy) -> Option<Common> {
        let whole = |print: &Print| {
            let mut lengths = print.sketch_lengths.iter();
            lengths.all(|length| usize::from(*length) < SKETCH)
        };
        if !whole(a) || !whole(b) {
            return None;
        }
        let mut all = Common::default();
        for side in [0, 1] {
            if let Some(common) = self.side(a, b, side, weight) {
                let silent = a.sketch_lengths[side] == 0 || b.sketch_lengths[side] == 0;
                if common.overlap() < WITHIN[1] && !silent {
                    return None;
                }
                all += common;
            }
        }
        (all.overlap() >= WITHIN[0] && all.similarity() >= WITHIN_SIMILAR).then_some(all)
    }

    /// How alike the rare words of two records are, if they are long and nearly the same.
    fn copied(&self, a: &Print, b: &Print) -> Option<f64> {
        if a.shape != b.shape || !close(a, b) {
            return None;
        }
        let common = self.alike(a, b, rare, [COPIED, 0.0])?;
        (common.either() >= LONG).then(|| common.similarity())
    }

    fn alike(
        &self,
        a: &Print,
        b: &Print,
        weight: impl Fn(f64) -> f64 + Copy,
        [least, least_side]: [f64; 2],
    ) -> Option<Common> {
        let mut all = Common::default();
        for side in [0, 1] {
            if let Some(common) = self.side(a, b, side, weight) {
                // Where one has no words at all, there is nothing to differ from.
                let silent = a.sketch_lengths[side] == 0 || b.sketch_lengths[side] == 0;
                if common.similarity() < least_side && !silent {
                    return None;
                }
                all += common;
            }
        }
        (all.similarity() >= least).then_some(all)
    }
}

/// What a shingle weighs across clips: nothing where a tenth of the records have it.
fn rare(rarity: f64) -> f64 {
    (rarity - std::f64::consts::LN_10).clamp(0.0, 4.0)
}

fn close(a: &Print, b: &Print) -> bool {
    let mut pairs = a.numbers.iter().zip(&b.numbers);
    pairs.all(|(a, b)| a.abs_diff(*b) <= NEAR_STEPS)
}

/// Everything that repeats within clips. Records of a later kind are counted once: what repeats exactly is not compared on.
pub(super) fn within_clips(view: &View<'_>, sameness: &Sameness) -> Vec<Repeat> {
    let weights = Weights { view };
    let mut by_clip: Vec<(u32, u32)> = view
        .order
        .iter()
        .zip(0..)
        .map(|(number, place)| (sameness.clips[view.clips[*number as usize] as usize], place))
        .collect();
    by_clip.sort_unstable();
    let mut repeats = Vec::new();
    for clip in by_clip.chunk_by(|a, b| a.0 == b.0) {
        if clip.len() < 2 {
            continue;
        }
        let records: Vec<u32> = clip
            .iter()
            .map(|(_, place)| view.order[*place as usize])
            .collect();
        let firsts = group(&records, Likeness::Exact, &mut repeats, |number| {
            let print = view.print(number);
            (print.exact, 0)
        });
        let firsts = group(&firsts, Likeness::SameText, &mut repeats, |number| {
            let print = view.print(number);
            (print.question, print.answer)
        });
        near(view, &weights, &firsts, &mut repeats);
    }
    repeats
}

/// Puts records of one key together and gives back the first of each.
fn group(
    records: &[u32],
    likeness: Likeness,
    repeats: &mut Vec<Repeat>,
    key: impl Fn(u32) -> (u64, u64),
) -> Vec<u32> {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    let mut places: Map<(u64, u64), usize> = Map::default();
    for number in records {
        let place = *places.entry(key(*number)).or_insert(sets.len());
        if place == sets.len() {
            sets.push(Vec::new());
        }
        sets[place].push(*number);
    }
    let firsts = sets.iter().map(|set| set[0]).collect();
    repeats.extend(
        sets.into_iter()
            .filter(|set| set.len() > 1)
            .map(|records| Repeat {
                likeness,
                similarity: 1.0,
                records,
            }),
    );
    firsts
}

/// Puts each record to the first leader that it nearly repeats, or makes it one.
fn near(view: &View<'_>, weights: &Weights<'_, '_>, records: &[u32], repeats: &mut Vec<Repeat>) {
    let mut sets: Vec<Repeat> = Vec::new();
    // Leaders of a task; of many, those that share a small hash of the question.
    let mut leaders: Map<(Option<Task>, u32), Vec<usize>> = Map::default();
    let crowded = records.len() > LEADERS;
    for number in records {
        let print = view.print(*number);
        let keys: Vec<(Option<Task>, u32)> = if crowded {
            let sketch = view.audit.sketch(print, 0).iter().take(4);
            sketch.map(|shingle| (print.task, *shingle)).collect()
        } else {
            vec![(print.task, 0)]
        };
        let mut candidates: Vec<usize> = keys
            .iter()
            .filter_map(|key| leaders.get(key))
            .flat_map(|places| places.iter().take(LEADERS).copied())
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let found = candidates.into_iter().find_map(|place| {
            let similarity = weights.near(view.print(sets[place].records[0]), print)?;
            Some((place, similarity))
        });
        if let Some((place, similarity)) = found {
            sets[place].records.push(*number);
            sets[place].similarity = sets[place].similarity.min(similarity);
            continue;
        }
        for key in keys {
            leaders.entry(key).or_default().push(sets.len());
        }
        sets.push(Repeat {
            likeness: Likeness::Near,
            similarity: 1.0,
            records: vec![*number],
        });
    }
    repeats.extend(sets.into_iter().filter(|set| set.records.len() > 1));
}

/// Rounds of minimum hashing; two texts of similarity 0.8 meet in one of the pairs of rounds with a chance of 0.998.
const ROUNDS: usize = 12;

/// Records with long texts that nearly repeat those about other clips, and benchmark items that a training record repeats:
/// first the copies within training, then pairs of training record and benchmark item with their similarity.
pub(super) fn across_clips(
    view: &View<'_>,
    sameness: &Sameness,
) -> (Vec<Repeat>, Vec<(u32, u32, f64)>) {
    let weights = Weights { view };
    let mut sets: Vec<Repeat> = Vec::new();
    let mut buckets: Map<(usize, u64), Vec<usize>> = Map::default();
    let mut leaks = Vec::new();
    let class = |number: u32| sameness.clips[view.clips[number as usize] as usize];
    let is_benchmark = |number: u32| view.audit.files[view.print(number).file as usize].benchmark;
    for number in view.benchmark.iter().chain(&view.order) {
        let print = view.print(*number);
        let Some(keys) = keys(&weights, print) else {
            continue;
        };
        let mut candidates: Vec<usize> = keys
            .iter()
            .enumerate()
            .filter_map(|(band, key)| buckets.get(&(band, *key)))
            .flat_map(|places| places.iter().take(LEADERS / 4).copied())
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let mut joined = false;
        for place in candidates {
            let leader = sets[place].records[0];
            if class(leader) == class(*number) {
                continue;
            }
            let Some(similarity) = weights.copied(view.print(leader), print) else {
                continue;
            };
            match (is_benchmark(leader), is_benchmark(*number)) {
                (true, false) => leaks.push((*number, leader, similarity)),
                (false, false) if !joined => {
                    sets[place].records.push(*number);
                    sets[place].similarity = sets[place].similarity.min(similarity);
                    joined = true;
                }
                _ => {}
            }
        }
        if joined {
            continue;
        }
        for (band, key) in keys.into_iter().enumerate() {
            buckets.entry((band, key)).or_default().push(sets.len());
        }
        sets.push(Repeat {
            likeness: Likeness::CopiedText,
            similarity: 1.0,
            records: vec![*number],
        });
    }
    sets.retain(|set| set.records.len() > 1);
    (sets, leaks)
}

/// Keys under which texts that share most of their rare shingles meet; `None` for a text with too few of them.
fn keys(weights: &Weights<'_, '_>, print: &Print) -> Option<[u64; ROUNDS / 2]> {
    if print.words < LONG_WORDS {
        return None;
    }
    let mut least = [u64::MAX; ROUNDS];
    let mut total = 0.0;
    for side in [0, 1] {
        for shingle in weights.view.audit.sketch(print, side) {
            let weight = rare(weights.rarity(print, print, side, *shingle));
            if weight <= 1.0 {
                continue;
            }
            total += weight;
            let mut hash = u64::from(*shingle) | (side as u64 + 1) << 32;
            for slot in &mut least {
                hash = hash
                    .wrapping_mul(0xD129_0D3F_2C1B_5A2D)
                    .rotate_left(29)
                    .wrapping_add(0x9E37_79B9_7F4A_7C15);
                *slot = (*slot).min(hash ^ (hash >> 31));
            }
        }
    }
    if total < LONG {
        return None;
    }
    let mut keys = [0; ROUNDS / 2];
    for (key, pair) in keys.iter_mut().zip(least.chunks_exact(2)) {
        *key = pair[0] ^ pair[1].rotate_left(32);
    }
    Some(keys)
}

/// Questions about one clip that were asked before and answered otherwise, where only one answer can be right; and how
/// many pairs of question and answer were there before.
pub(super) fn conflicts(view: &View<'_>, sameness: &Sameness) -> (Vec<Conflict>, u64) {
    let mut ranks = vec![u32::MAX; view.audit.prints.len()];
    for (number, rank) in view.order.iter().zip(0..) {
        ranks[*number as usize] = rank;
    }
    let class = |pair: &Pair| sameness.clips[view.clips[pair.print as usize] as usize];
    let mut asked: Vec<(u32, u64, u32, &Pair)> = view
        .audit
        .pairs
        .iter()
        .filter(|pair| ranks[pair.print as usize] != u32::MAX)
        .map(|pair| (class(pair), pair.question, ranks[pair.print as usize], pair))
        .collect();
    asked.sort_by_key(|(class, question, rank, pair)| (*class, *question, *rank, pair.turn));
    let mut conflicts = Vec::new();
    let mut repeated = 0;
    for same in asked.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let pairs: Vec<Pair> = same.iter().map(|(.., pair)| **pair).collect();
        let mut answers: Vec<(u64, u16, [u8; 12])> = pairs
            .iter()
            .map(|pair| (pair.answer, pair.count, pair.numbers))
            .collect();
        answers.sort_unstable();
        answers.dedup();
        repeated += (pairs.len() - answers.len()) as u64;
        let first = &pairs[0];
        if pairs.iter().any(|pair| contradict(first, pair)) {
            conflicts.push(Conflict { pairs });
        }
    }
    conflicts.sort_by_key(|conflict| ranks[conflict.pairs[0].print as usize]);
    (conflicts, repeated)
}

/// Whether two answers to one question cannot both be right.
fn contradict(a: &Pair, b: &Pair) -> bool {
    if a.kind != b.kind {
        return false;
    }
    match a.kind {
        AnswerKind::Open => false,
        AnswerKind::Closed => a.answer != b.answer,
        AnswerKind::Grounded => {
            let mut numbers = a.numbers.iter().zip(&b.numbers);
            a.count != b.count || numbers.any(|(a, b)| a.abs_diff(*b) >= FAR_STEPS)
        }
    }
}
