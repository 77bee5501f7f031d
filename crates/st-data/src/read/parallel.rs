//! Work on chunks in parallel, results in order, memory flat.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use super::{Chunk, Chunks, ReadError};

/// Runs `work` on every chunk in `jobs` threads and hands the results to `take` in file order, in the calling thread.
///
/// At most `2 * jobs + 2` chunks are in hand at any time. Stops early when `take` gives an error.
///
/// # Errors
/// The first error of `take`, or the reader's own after everything before it has been handed on.
pub fn for_each_chunk<R, E>(
    mut chunks: Chunks,
    jobs: usize,
    work: impl Fn(Chunk) -> R + Sync,
    take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    R: Send,
    E: From<ReadError>,
{
    in_parallel(move || chunks.next_chunk(), jobs, work, take)
}

/// Runs `work` on everything that `next` gives, in `jobs` threads, and hands the results to `take` in the order given, in
/// the calling thread.
///
/// At most `2 * jobs + 2` pieces are in hand at any time. Stops early when `take` gives an error.
///
/// # Errors
/// The first error of `take`, or the one of `next` after everything before it has been handed on.
pub fn in_parallel<T, R, X, E>(
    mut next_piece: impl FnMut() -> Result<Option<T>, X> + Send,
    jobs: usize,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    R: Send,
    X: Send,
    E: From<X>,
{
    let jobs = jobs.max(1);
    let (permit, permits) = sync_channel::<()>(2 * jobs + 2);
    for _ in 0..2 * jobs + 2 {
        // The channel has room for exactly these.
        let _ = permit.send(());
    }
    let (to_workers, from_reader) = channel::<(u64, T)>();
    let from_reader = Mutex::new(from_reader);
    let (to_taker, results) = channel::<(u64, R)>();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), X> {
            for number in 0.. {
                if permits.recv().is_err() {
                    break;
                }
                let Some(piece) = next_piece()? else {
                    break;
                };
                if to_workers.send((number, piece)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        for _ in 0..jobs {
            let to_taker = to_taker.clone();
            let (from_reader, work) = (&from_reader, &work);
            scope.spawn(move || {
                while let Some((number, piece)) = next(from_reader) {
                    if to_taker.send((number, work(piece))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(to_taker);
        let taken = in_order(&results, permit, &mut take);
        drop(results);
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken?;
        read.map_err(E::from)
    })
}

fn next<T>(from_reader: &Mutex<Receiver<(u64, T)>>) -> Option<(u64, T)> {
    // A worker that panicked ends the whole run when its scope is left; the queue itself stays sound.
    let queue = from_reader
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    queue.recv().ok()
}

/// Takes results as they come and hands them on in order; each one handed on lets the reader read one chunk more.
fn in_order<R, E>(
    results: &Receiver<(u64, R)>,
    permit: SyncSender<()>,
    take: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut due = 0;
    for (number, result) in results {
        early.insert(number, result);
        while let Some(result) = early.remove(&due) {
            due += 1;
            take(result)?;
            // A reader that has ended needs no permit.
            let _ = permit.send(());
        }
    }
    drop(permit);
    Ok(())
}
