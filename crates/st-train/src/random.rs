//! Draws that depend on nothing but their arguments.

/// `SplitMix64` (Steele, Lea and Flood 2014): small, fast, and the same on every machine and in every version of every library.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator for one place: the parts are a seed and the numbers that name the place (epoch, step, …).
    #[must_use]
    pub fn at(parts: &[u64]) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for &part in parts {
            state = Self(state ^ part).next_u64();
        }
        Self(state)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`, without the bias of a remainder.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number lies below 0");
        let wide = u128::from(self.next_u64()) * n as u128;
        usize::try_from(wide >> 64).unwrap_or(usize::MAX)
    }

    /// A number in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are taken on purpose")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The numbers `0..n` in random order (Fisher and Yates).
    #[must_use]
    pub fn order(mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_and_depends_on_its_place() {
        let one = SplitMix::at(&[1, 0]).order(100);
        let two = SplitMix::at(&[1, 1]).order(100);
        assert_ne!(one, two);
        assert_eq!(one, SplitMix::at(&[1, 0]).order(100));
        let mut sorted = one;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn below_reaches_all_and_only_what_lies_below() {
        let mut random = SplitMix::at(&[7]);
        let mut seen = [0_u32; 5];
        for _ in 0..1000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|&n| n > 120), "{seen:?}");
    }
}
