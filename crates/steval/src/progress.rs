//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing when quiet.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::globals::Globals;

/// Plain lines come at most this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// One long step with a known number of items. Shared between threads.
pub(crate) struct Progress<'a> {
    globals: &'a Globals,
    label: String,
    total: u64,
    done: AtomicU64,
    /// Items that were there before the start.
    skipped: AtomicU64,
    /// Items that the last plain line told of.
    said: AtomicU64,
    started: Instant,
    last_line: Mutex<Instant>,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Starts a step of `total` items called `label`, such as "videos".
    pub(crate) fn start(globals: &'a Globals, label: &str, total: u64) -> Self {
        let draw = globals.interactive && globals.verbosity >= 0;
        let bar = draw.then(|| {
            let style = ProgressStyle::with_template(
                "{msg:>12} [{bar:32}] {human_pos}/{human_len} {per_sec} eta {eta}",
            );
            let bar = ProgressBar::new(total);
            bar.set_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.set_message(label.to_owned());
            bar
        });
        let now = Instant::now();
        Self {
            globals,
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            said: AtomicU64::new(0),
            started: now,
            last_line: Mutex::new(now),
            bar,
        }
    }

    /// Counts `items` as done before this run; they take no part in the estimate.
    pub(crate) fn skip(&self, items: u64) {
        self.done.fetch_add(items, Ordering::Relaxed);
        self.skipped.fetch_add(items, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(items);
            bar.reset_eta();
        }
    }

    /// Counts `items` as done.
    pub(crate) fn add(&self, items: u64) {
        let done = self.done.fetch_add(items, Ordering::Relaxed) + items;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if let Ok(mut last) = self.last_line.try_lock()
            && last.elapsed() >= LINE_INTERVAL
        {
            *last = Instant::now();
            self.said.store(done, Ordering::Relaxed);
            self.globals.say(self.line(done));
        }
    }

    /// Ends the step with one line that says how many and how long.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let done = self.done.load(Ordering::Relaxed);
        // The last plain line may have said it already.
        if done > self.said.load(Ordering::Relaxed) || done == 0 {
            self.globals.say(self.line(done));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn line(&self, done: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let fresh = done.saturating_sub(self.skipped.load(Ordering::Relaxed));
        let left = self.total.saturating_sub(done);
        let estimate = if fresh > 0 && left > 0 {
            format!(", about {:.0} s left", seconds / fresh as f64 * left as f64)
        } else {
            String::new()
        };
        format!(
            "{}: {done}/{} in {seconds:.1} s{estimate}",
            self.label, self.total
        )
    }
}
