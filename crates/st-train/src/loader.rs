//! Threads that prepare forward passes ahead of the loop, in the loop's order.
//!
//! Worker `w` of `n` prepares the passes `w, w + n, w + 2n, …`, each into a bounded channel of its own, and the loop takes from the
//! channels in turn. So the sequence is the same for any number of workers, and memory is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What `make` makes, in the order of its argument.
#[derive(Debug)]
pub struct Loader<T> {
    channels: Vec<Receiver<T>>,
    workers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    next: usize,
    waited: Duration,
}

impl<T: Send + 'static> Loader<T> {
    /// Starts `workers` threads (at least one); each keeps `ahead` results ready. `make` returns none at the end.
    pub fn start<F>(workers: usize, ahead: usize, make: F) -> Self
    where
        F: Fn(usize) -> Option<T> + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let stop = Arc::new(AtomicBool::new(false));
        let count = workers.max(1);
        let (mut channels, mut threads) = (Vec::new(), Vec::new());
        for worker in 0..count {
            let (sender, receiver) = sync_channel(ahead.max(1));
            let (make, stop) = (Arc::clone(&make), Arc::clone(&stop));
            let work = move || produce(&sender, &stop, (worker..).step_by(count), &*make);
            threads.push(std::thread::spawn(work));
            channels.push(receiver);
        }
        Self {
            channels,
            workers: threads,
            stop,
            next: 0,
            waited: Duration::ZERO,
        }
    }

    /// Time spent waiting since the last call.
    pub fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

fn produce<T>(
    sender: &SyncSender<T>,
    stop: &AtomicBool,
    indices: impl Iterator<Item = usize>,
    make: &dyn Fn(usize) -> Option<T>,
) {
    for index in indices {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Some(result) = make(index) else { return };
        if sender.send(result).is_err() {
            return;
        }
    }
}

impl<T: Send + 'static> Iterator for Loader<T> {
    type Item = T;

    /// The next result; none at the end, or where a worker died.
    fn next(&mut self) -> Option<T> {
        let start = Instant::now();
        let made = self.channels[self.next % self.channels.len()].recv().ok();
        self.waited += start.elapsed();
        self.next += 1;
        made
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.channels.clear();
        for worker in self.workers.drain(..) {
            // A worker that panicked has already been missed by `next`.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_workers_gives_the_same_sequence() {
        for workers in [1, 2, 5] {
            let make = |i: usize| {
                (i < 40).then(|| {
                    std::thread::sleep(Duration::from_micros((i as u64 * 37) % 400));
                    i
                })
            };
            let all: Vec<usize> = Loader::start(workers, 2, make).collect();
            assert_eq!(all, (0..40).collect::<Vec<_>>());
        }
    }

    #[test]
    fn dropping_early_ends_the_workers() {
        let mut loader = Loader::start(3, 1, Some);
        assert_eq!(loader.next(), Some(0));
        drop(loader);
    }
}
