//! Reads every frame of a folder of shards once, in the order of an epoch: `read FOLDER THREADS`.

use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: read FOLDER [THREADS]")?;
    let threads = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let reader = st_shard::ShardReader::open(Path::new(&folder))?;
    let started = Instant::now();
    let mut total = 0;
    let mut frames = st_schema::Frames::new(0, 0, 0, Vec::new())?;
    for clip in st_shard::order(0, 0, 0, 1, reader.len()) {
        pool.install(|| reader.frames_into(clip, &mut frames))?;
        total += frames.count;
    }
    #[expect(clippy::cast_precision_loss, reason = "frame counts are small")]
    let rate = total as f64 / started.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the result of the program")]
    {
        println!("{total} frames, {rate:.0} frames/s");
    }
    Ok(())
}
