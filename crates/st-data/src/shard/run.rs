//! The workers and what they work on.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use st_schema::Media;
use st_shard::{ClipKind, Outcome, Reject, ShardWriter};

use super::job::{ClipMaker, Job, JobLimits};
use super::{ClipPlan, ShardingError};

/// Which part of the shards this process makes: those whose number leaves `index` when divided by `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Which task this is, from 0.
    pub index: usize,
    /// How many tasks there are.
    pub count: usize,
}

impl Task {
    /// The only task.
    pub const WHOLE: Self = Self { index: 0, count: 1 };
}

/// What happened to a clip, for progress.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It was there before.
    Found,
    /// It was made; so many frames and bytes.
    Stored {
        /// Frames stored.
        frames: u32,
        /// Bytes stored.
        bytes: u64,
    },
    /// It was refused.
    Rejected(&'a Reject),
}

/// Makes all clips of `task` that are not there yet and joins finished shards; `makers` work side by side.
///
/// `progress` is called from several threads.
///
/// # Errors
/// When shards cannot be written or a worker cannot be started. What is done stays; a later call goes on from there.
pub fn run<M: ClipMaker>(
    plan: &ClipPlan,
    writer: &ShardWriter,
    task: Task,
    limits: JobLimits,
    makers: Vec<M>,
    progress: &(dyn Fn(Event<'_>) + Sync),
) -> Result<(), ShardingError> {
    let work = Work::new(plan, writer, task, limits, progress)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = makers
            .into_iter()
            .map(|maker| scope.spawn(|| work.work(maker)))
            .collect();
        let mut outcome = Ok(());
        for thread in threads {
            let ended = thread.join();
            let ended = ended
                .unwrap_or_else(|_| Err(ShardingError::Worker("a thread panicked".to_owned())));
            outcome = outcome.and(ended);
        }
        outcome
    })
}

struct Work<'a> {
    plan: &'a ClipPlan,
    writer: &'a ShardWriter,
    limits: JobLimits,
    progress: &'a (dyn Fn(Event<'_>) + Sync),
    queue: Mutex<VecDeque<usize>>,
    /// Clips that each shard still waits for.
    left: Vec<AtomicUsize>,
    failed: AtomicBool,
}

impl<'a> Work<'a> {
    fn new(
        plan: &'a ClipPlan,
        writer: &'a ShardWriter,
        task: Task,
        limits: JobLimits,
        progress: &'a (dyn Fn(Event<'_>) + Sync),
    ) -> Result<Self, ShardingError> {
        let shards = writer.plan().shards();
        let mut queue = VecDeque::new();
        let left: Vec<AtomicUsize> = (0..shards).map(|_| AtomicUsize::new(0)).collect();
        for shard in (0..shards).filter(|shard| shard % task.count == task.index) {
            let pending = writer.pending(shard)?;
            for _ in pending.len()..writer.plan().clips_of(shard).len() {
                progress(Event::Found);
            }
            left[shard].store(pending.len(), Ordering::Relaxed);
            if pending.is_empty() {
                writer.close_shard(shard)?;
            }
            queue.extend(pending);
        }
        Ok(Self {
            plan,
            writer,
            limits,
            progress,
            queue: Mutex::new(queue),
            left,
            failed: AtomicBool::new(false),
        })
    }

    fn work(&self, mut maker: impl ClipMaker) -> Result<(), ShardingError> {
        while let Some(position) = self.next() {
            let made = maker.make(&self.job(position));
            let kept = made.and_then(|outcome| self.keep(position, &outcome));
            if kept.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            kept?;
        }
        Ok(())
    }

    fn next(&self) -> Option<usize> {
        if self.failed.load(Ordering::Relaxed) {
            return None;
        }
        self.queue.lock().ok()?.pop_front()
    }

    fn keep(&self, position: usize, outcome: &Outcome) -> Result<(), ShardingError> {
        self.writer.store(position, outcome)?;
        (self.progress)(match outcome {
            Outcome::Stored(payload) => Event::Stored {
                frames: payload.entry.frames,
                bytes: payload.entry.length,
            },
            Outcome::Rejected(reject) => Event::Rejected(reject),
        });
        let shard = self.writer.shard_of(position);
        if self.left[shard].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.writer.close_shard(shard)?;
        }
        Ok(())
    }

    fn job(&self, position: usize) -> Job {
        let clip = &self.plan.clips[position];
        let (kind, media) = match &clip.key.media {
            Media::Image(path) => (ClipKind::Image, path.clone()),
            Media::Video(path) => (ClipKind::Video, path.clone()),
        };
        Job {
            clip: self.writer.plan().clips[position].clone(),
            kind,
            media,
            file: clip.file.clone(),
            split: clip.key.split,
            records: clip.records,
            first_record: clip.first_record.clone(),
            settings: self.writer.plan().settings.clone(),
            limits: self.limits,
        }
    }
}
