//! A worker in a process of its own: it may crash, hang or run out of memory, and only its clip is lost.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use st_shard::{Outcome, Payload};

use super::ShardingError;
use super::job::{Answer, ClipMaker, Job};

/// How a worker is started: a program that calls [`super::serve`] on its standard input and output.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A running worker; started again after a crash.
#[derive(Debug)]
pub struct WorkerProcess {
    command: WorkerCommand,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    jobs: ChildStdin,
    answers: Receiver<std::io::Result<(Answer, Vec<u8>)>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// How much longer than the decoder's own limit a worker may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);

impl WorkerProcess {
    /// A worker that is started with its first job.
    #[must_use]
    pub fn new(command: WorkerCommand) -> Self {
        Self {
            command,
            running: None,
        }
    }

    fn start(&self) -> Result<Running, ShardingError> {
        let failed = |error: std::io::Error| {
            ShardingError::Worker(format!("{}: {error}", self.command.program.display()))
        };
        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(jobs), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ShardingError::Worker("it has no pipes".to_owned()));
        };
        let (sender, answers) = sync_channel(1);
        std::thread::spawn(move || listen(BufReader::with_capacity(1 << 16, output), &sender));
        Ok(Running {
            child,
            jobs,
            answers,
        })
    }
}

fn listen(mut output: impl BufRead, answers: &SyncSender<std::io::Result<(Answer, Vec<u8>)>>) {
    loop {
        let answer = read_answer(&mut output);
        let is_last = !matches!(answer, Ok(Some(_)));
        if let Some(answer) = answer.transpose()
            && answers.send(answer).is_err()
        {
            return;
        }
        if is_last {
            return;
        }
    }
}

fn read_answer(output: &mut impl BufRead) -> std::io::Result<Option<(Answer, Vec<u8>)>> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    if !line.ends_with('\n') {
        // The worker ended before or within its answer.
        return Ok(None);
    }
    let answer: Answer = serde_json::from_str(&line)?;
    let mut bytes = Vec::new();
    if let Answer::Stored(entry) = &answer {
        output.take(entry.length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != entry.length {
            return Ok(None);
        }
    }
    Ok(Some((answer, bytes)))
}

impl ClipMaker for WorkerProcess {
    fn make(&mut self, job: &Job) -> Result<Outcome, ShardingError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        let mut line = serde_json::to_vec(job).map_err(|e| ShardingError::Worker(e.to_string()))?;
        line.push(b'\n');
        // A worker that died meanwhile shows in the missing answer.
        let _ = running
            .jobs
            .write_all(&line)
            .and_then(|()| running.jobs.flush());
        let limit = job
            .limits
            .seconds
            .and_then(|s| Duration::try_from_secs_f64(s).ok());
        let answer = match limit {
            Some(limit) => running.answers.recv_timeout(limit + GRACE),
            None => running
                .answers
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok(Ok((Answer::Stored(entry), bytes))) => {
                self.running = Some(running);
                Ok(Outcome::Stored(Payload { entry, bytes }))
            }
            Ok(Ok((Answer::Rejected(reject), _))) => {
                self.running = Some(running);
                Ok(Outcome::Rejected(reject))
            }
            Ok(Ok((Answer::Failed(reason), _))) => Err(ShardingError::Worker(reason)),
            Ok(Err(error)) => Err(ShardingError::Worker(error.to_string())),
            Err(RecvTimeoutError::Timeout) => {
                stop(running);
                let seconds = job.limits.seconds.unwrap_or_default();
                let detail = format!(
                    "{} hung the decoder; it was stopped after {seconds} s",
                    job.media
                );
                Ok(Outcome::Rejected(job.reject("too_slow", &detail)))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = stop(running).map_or_else(|| "it went away".to_owned(), describe);
                let detail = format!("{} brought the decoder down: {how}", job.media);
                Ok(Outcome::Rejected(job.reject("crashed", &detail)))
            }
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // With its input closed an idle worker ends by itself.
            drop(running.jobs);
            let mut child = running.child;
            let _ = child.wait();
        }
    }
}

fn stop(mut running: Running) -> Option<ExitStatus> {
    if let Ok(Some(status)) = running.child.try_wait() {
        return Some(status);
    }
    // Either it hangs, or its output is closed and it is about to end.
    let was_gone = running
        .answers
        .try_recv()
        .is_err_and(|e| e == std::sync::mpsc::TryRecvError::Disconnected);
    if was_gone && let Ok(status) = running.child.wait() {
        return Some(status);
    }
    let _ = running.child.kill();
    running.child.wait().ok()
}

#[cfg(unix)]
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(6) => "it was aborted (out of memory, or a failed check)".to_owned(),
        Some(9) => "it was killed (out of memory)".to_owned(),
        Some(11) => "it crashed (segmentation fault)".to_owned(),
        Some(signal) => format!("it was ended by signal {signal}"),
        None => format!("it ended with {status}"),
    }
}

#[cfg(not(unix))]
fn describe(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::shard::JobLimits;
    use st_schema::ClipId;
    use st_shard::{ClipKind, Reject, Settings};

    fn reject_of(shell: &str) -> Reject {
        let arguments = vec!["-c".into(), shell.into()];
        let command = WorkerCommand {
            program: "sh".into(),
            arguments,
        };
        let job = Job {
            clip: ClipId("c".to_owned()),
            kind: ClipKind::Video,
            media: "a.mp4".to_owned(),
            file: "/x/a.mp4".into(),
            split: None,
            records: 1,
            first_record: "a.json: 1".to_owned(),
            settings: Settings::default(),
            limits: JobLimits {
                seconds: Some(0.1),
                ..JobLimits::default()
            },
        };
        let mut worker = WorkerProcess::new(command);
        match worker.make(&job) {
            Ok(Outcome::Rejected(reject)) => reject,
            Ok(Outcome::Stored(_)) => panic!("stored"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_crash_costs_the_clip_and_tells_the_signal() {
        let reject = reject_of("read job; kill -SEGV $$");
        assert_eq!(reject.reason, "crashed");
        assert!(
            reject.detail.contains("segmentation fault"),
            "{}",
            reject.detail
        );
        let reject = reject_of("exit 3");
        assert!(
            reject.detail.contains("exit status: 3"),
            "{}",
            reject.detail
        );
    }

    #[test]
    fn a_hang_costs_the_clip_and_ends_at_the_limit() {
        let started = std::time::Instant::now();
        let reject = reject_of("read job; exec sleep 1000");
        assert_eq!(reject.reason, "too_slow");
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn half_an_answer_is_a_crash() {
        assert_eq!(reject_of("read job; printf '{'").reason, "crashed");
    }
}
