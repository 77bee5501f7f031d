//! Shows a run: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use st_train::metrics::Line;
use st_train::train::{Begin, Reporter};

/// Every how many seconds a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// A bar or lines on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    steps: u64,
    last: Option<Instant>,
    begun: Instant,
    first_step: u64,
}

impl Progress {
    /// Bars only on a terminal; nothing but warnings where `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| ProgressBar::new(0));
        Self {
            bar,
            quiet,
            steps: 0,
            last: None,
            begun: Instant::now(),
            first_step: 0,
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write(text)),
            None => write(text),
        }
    }
}

fn write(text: &str) {
    // A closed stderr is no reason to stop a run.
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Reporter for Progress {
    fn begin(&mut self, begin: &Begin) {
        self.steps = begin.steps;
        self.first_step = begin.step;
        self.begun = Instant::now();
        if !self.quiet {
            self.say(&begin.to_string());
        }
        if let Some(bar) = &self.bar {
            bar.set_length(begin.steps);
            bar.set_position(begin.step);
            bar.reset_eta();
            let style =
                ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} left {eta} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
    }

    fn line(&mut self, line: &Line) {
        match line {
            Line::Train(line) => {
                let text = format!(
                    "loss {:.3}  lr {:.1e}  {:.1} records/s  {:.0} tokens/s  data wait {:.0} %  [{}]",
                    line.loss,
                    line.lr,
                    line.records_per_second,
                    line.tokens_per_second,
                    100.0 * line.data_wait,
                    line.phase
                );
                if let Some(bar) = &self.bar {
                    bar.set_position(line.step);
                    bar.set_message(text);
                } else if !self.quiet
                    && self
                        .last
                        .is_none_or(|l| l.elapsed() >= PLAIN_EVERY || line.step == self.steps)
                {
                    self.last = Some(Instant::now());
                    let left = self.left(line.step);
                    write(&format!(
                        "step {}/{}  {text}  left {left}",
                        line.step, self.steps
                    ));
                }
            }
            Line::Validation(line) if !self.quiet => {
                let scores: Vec<String> = line
                    .scores
                    .iter()
                    .map(|(k, v)| format!("{k} {v:.3}"))
                    .collect();
                self.say(&format!(
                    "validation at step {}: loss {:.3}  {}",
                    line.step,
                    line.loss,
                    scores.join("  ")
                ));
            }
            Line::Validation(_) => {}
        }
    }

    fn warn(&mut self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn left(&self, step: u64) -> String {
        let done = step.saturating_sub(self.first_step).max(1) as f64;
        let left = self.steps.saturating_sub(step) as f64;
        let seconds = self.begun.elapsed().as_secs_f64() / done * left;
        indicatif::HumanDuration(Duration::from_secs_f64(seconds)).to_string()
    }
}
