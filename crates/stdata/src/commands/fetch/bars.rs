//! Progress of many files at once: a bar for all and one for each that moves; plain lines where there is no terminal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use st_hub::{Event, Observer, human_bytes, name};

use crate::globals::Globals;

/// Plain lines come at most this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Bars, or lines, of one step.
pub(super) struct Bars<'a> {
    globals: &'a Globals,
    label: &'static str,
    total_files: usize,
    total_bytes: u64,
    drawn: Option<(MultiProgress, ProgressBar)>,
    state: Mutex<State>,
}

struct State {
    files: usize,
    bytes: u64,
    /// How far each file is, and its bar.
    moving: HashMap<String, (u64, Option<ProgressBar>)>,
    started: Instant,
    line: Instant,
}

impl<'a> Bars<'a> {
    /// Starts a step called `label`.
    pub(super) fn start(
        globals: &'a Globals,
        label: &'static str,
        total_files: usize,
        total_bytes: u64,
    ) -> Self {
        let drawn = (globals.interactive && globals.verbosity >= 0).then(|| {
            let bars = MultiProgress::new();
            let all = bars.add(ProgressBar::new(total_bytes));
            all.set_style(style(
                "{prefix:>12} [{bar:32}] {binary_bytes} of {binary_total_bytes} {binary_bytes_per_sec} eta {eta} {msg}",
            ));
            all.set_prefix(label);
            (bars, all)
        });
        let now = Instant::now();
        Self {
            globals,
            label,
            total_files,
            total_bytes,
            drawn,
            state: Mutex::new(State {
                files: 0,
                bytes: 0,
                moving: HashMap::new(),
                started: now,
                line: now,
            }),
        }
    }

    /// Ends the step with one line.
    pub(super) fn finish(&self) {
        if let Some((bars, all)) = &self.drawn {
            all.finish_and_clear();
            // Nothing depends on whether the terminal could be cleared.
            let _ = bars.clear();
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.globals.say(self.line(&state));
    }

    fn line(&self, state: &State) -> String {
        format!(
            "{}: {}/{} files, {} of {} in {:.1} s",
            self.label,
            state.files,
            self.total_files,
            human_bytes(state.bytes),
            human_bytes(self.total_bytes),
            state.started.elapsed().as_secs_f64()
        )
    }

    fn begun(&self, state: &mut State, path: &str, size: u64, there: u64) {
        let before = state.moving.remove(path);
        let bar = match before {
            Some((far, bar)) => {
                state.bytes = state.bytes.saturating_sub(far);
                bar
            }
            None => self.drawn.as_ref().map(|(bars, all)| {
                let bar = bars.insert_before(all, ProgressBar::new(size));
                bar.set_style(style(
                    "{prefix:>28} [{bar:16}] {binary_bytes} of {binary_total_bytes}",
                ));
                bar.set_prefix(tail(path));
                bar
            }),
        };
        if let Some(bar) = &bar {
            bar.set_position(there);
        }
        state.bytes += there;
        state.moving.insert(path.to_owned(), (there, bar));
    }

    fn ended(state: &mut State, path: &str, done: bool) {
        if let Some((_, Some(bar))) = state.moving.remove(path) {
            bar.finish_and_clear();
        }
        state.files += usize::from(done);
    }
}

impl Observer for Bars<'_> {
    fn event(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begun { path, size, there } => self.begun(&mut state, path, size, there),
            Event::Came { path, bytes } => {
                state.bytes += bytes;
                if let Some((far, bar)) = state.moving.get_mut(path) {
                    *far += bytes;
                    if let Some(bar) = bar {
                        bar.set_position(*far);
                    }
                }
            }
            Event::Waiting {
                what,
                reason,
                pause,
            } => {
                if self.globals.verbosity >= 1 {
                    let text = format!(
                        "{}: {reason}; again in {:.1} s",
                        name::shown(what),
                        pause.as_secs_f64()
                    );
                    match &self.drawn {
                        Some((_, all)) => all.suspend(|| self.globals.say(&text)),
                        None => self.globals.say(&text),
                    }
                }
            }
            Event::Done { path } => Self::ended(&mut state, path, true),
            Event::GivenUp { path } => Self::ended(&mut state, path, false),
        }
        if let Some((_, all)) = &self.drawn {
            all.set_position(state.bytes);
            all.set_message(format!("{}/{} files", state.files, self.total_files));
        } else if state.line.elapsed() >= LINE_INTERVAL {
            state.line = Instant::now();
            self.globals.say(self.line(&state));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// The end of a path, which says more than its start.
fn tail(path: &str) -> String {
    let shown = name::shown(path.rsplit('/').next().unwrap_or(path));
    let count = shown.chars().count();
    if count <= 28 {
        return shown;
    }
    let end: String = shown.chars().skip(count - 27).collect();
    format!("…{end}")
}
