//! A cap on bytes per second, shared by all connections.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may come at once after a quiet time.
const BURST: Duration = Duration::from_millis(100);

/// A bucket that fills at the given rate. Without a rate it lets everything through.
pub(crate) struct Throttle {
    bytes_per_second: Option<u64>,
    /// When everything taken so far will have been paid for.
    paid_until: Mutex<Instant>,
}

impl Throttle {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second: bytes_per_second.filter(|rate| *rate > 0),
            paid_until: Mutex::new(Instant::now()),
        }
    }

    /// The most that should be read at once, so that a slow rate is even.
    pub(crate) fn block(&self, most: usize) -> usize {
        let tenth = self.bytes_per_second.map(|rate| rate / 10);
        tenth.map_or(most, |tenth| {
            usize::try_from(tenth).unwrap_or(most).clamp(1024, most)
        })
    }

    /// Accounts for bytes that came, and sleeps as long as they were too many.
    pub(crate) fn took(&self, bytes: usize) {
        let Some(rate) = self.bytes_per_second else {
            return;
        };
        let cost = Duration::from_nanos(
            u64::try_from(bytes as u128 * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX),
        );
        let now = Instant::now();
        let wait = {
            let mut paid_until = self
                .paid_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *paid_until = (*paid_until).max(now.checked_sub(BURST).unwrap_or(now)) + cost;
            paid_until.saturating_duration_since(now)
        };
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_together_keep_to_the_rate() {
        let throttle = Throttle::new(Some(1_000_000));
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| throttle.took(10_000)));
            }
        });
        // 400,000 bytes less the burst of 100,000.
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(290), "{elapsed:?}");
    }

    #[test]
    fn blocks_are_small_where_the_rate_is() {
        assert_eq!(Throttle::new(None).block(1 << 18), 1 << 18);
        assert_eq!(Throttle::new(Some(50_000)).block(1 << 18), 5000);
        assert_eq!(Throttle::new(Some(1)).block(1 << 18), 1024);
    }
}
