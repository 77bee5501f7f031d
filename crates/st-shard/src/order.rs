//! In what order samples are visited.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The samples that `rank` of `world` visits in `epoch`, in order: every `world`-th of [`permutation`], from the
/// `rank`-th on. Together the ranks visit every sample of `0..len` once; the first ranks have one more when `world` does
/// not divide `len`. Going on after `n` samples is the same call with `n` skipped.
///
/// # Panics
/// When `rank >= world`.
#[must_use]
pub fn order(seed: u64, epoch: u64, rank: usize, world: usize, len: usize) -> Vec<usize> {
    assert!(
        rank < world,
        "rank {rank} does not exist in a world of {world}"
    );
    permutation(seed, epoch, len)
        .into_iter()
        .skip(rank)
        .step_by(world)
        .collect()
}

/// `0..len` shuffled (Fisher and Yates) by the ChaCha8 stream of seed and epoch. Part of the format: never changes.
#[must_use]
pub fn permutation(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    let mut items: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        items.swap(last, below(&mut random, last + 1));
    }
    items
}

/// A uniform number below `bound` (Lemire 2019, arXiv:1805.10941: multiply, reject the biased rest).
fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    let bound = bound as u64;
    let rest = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(random.next_u64()) * u128::from(bound);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low half is meant; the high half is below bound"
        )]
        let (low, high) = (product as u64, (product >> 64) as usize);
        if low >= rest {
            return high;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_every_sample_once_in_the_same_global_order() {
        let whole = order(7, 3, 0, 1, 101);
        let mut sorted = whole.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..101).collect::<Vec<_>>());
        let parts: Vec<_> = (0..4).map(|rank| order(7, 3, rank, 4, 101)).collect();
        let joined: Vec<usize> = (0..101).map(|at| parts[at % 4][at / 4]).collect();
        assert_eq!(joined, whole);
    }

    #[test]
    fn seed_and_epoch_matter_and_the_order_never_changes() {
        assert_ne!(order(1, 0, 0, 1, 50), order(2, 0, 0, 1, 50));
        assert_ne!(order(1, 0, 0, 1, 50), order(1, 1, 0, 1, 50));
        assert!(order(1, 0, 0, 1, 0).is_empty());
        assert_eq!(permutation(1, 2, 8), KNOWN);
    }

    /// As this version drew it; an index of checkpoints and reports depends on it.
    const KNOWN: [usize; 8] = [4, 5, 3, 0, 6, 7, 1, 2];
}
