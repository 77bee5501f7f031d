//! Lays the dataset out on disk: annotations first, streaming; then the media, in parallel.
//!
//! Every file is written under a temporary name and renamed, media that are there already are kept, and `synth.json` comes
//! last: an interrupted run goes on, a finished one has nothing to do.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use st_media::encode::{EncodeOptions, VideoWriter};
use st_schema::{Media, Task};

use super::constant::{ConstantSpan, best_constant_span};
use super::dice::Dice;
use super::questions::Asker;
use super::render::Renderer;
use super::scene::{Object, Scene};
use super::{MediaKind, SynthError, SynthOptions, benchmark};

/// Clips whose annotations are made together.
const CHUNK: usize = 2048;
/// JPEG quality of images, without chroma subsampling: coloured edges stay sharp.
const JPEG_QUALITY: u8 = 92;
/// The finished dataset's description.
const MANIFEST: &str = "synth.json";
/// The same while the dataset is being made.
const UNFINISHED: &str = "synth.unfinished.json";
/// Tasks of the stage files; stage 3 also repeats a part of stage 2's grounding.
const STAGES: [(&str, &[Task]); 3] = [
    ("stage1", &[Task::VideoCaption]),
    (
        "stage2",
        &[
            Task::Tvg,
            Task::Dvc,
            Task::Tr,
            Task::Rec,
            Task::Dgc,
            Task::Reg,
        ],
    ),
    (
        "stage3",
        &[
            Task::Stvg,
            Task::Svg,
            Task::Elc,
            Task::Tgc,
            Task::Igc,
            Task::Conversation,
            Task::VideoQa,
            Task::Classification,
        ],
    ),
];
const REPEATED: [Task; 2] = [Task::Rec, Task::Tvg];

/// Hears how far the work is.
pub trait Observer: Sync {
    /// A step of `total` items begins.
    fn begin(&self, label: &str, total: u64);
    /// `items` more are done.
    fn advance(&self, items: u64);
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct SynthSummary {
    /// The folder.
    pub out: PathBuf,
    /// True when the folder was complete already and nothing was done.
    pub already_complete: bool,
    /// Records by `split/task`; the benchmark's items under `bench/task`.
    pub records: BTreeMap<String, u64>,
    /// Images and videos in the folder.
    pub media: u64,
    /// The constant span that scores best on the benchmark's temporal grounding.
    pub constant_span: Option<ConstantSpan>,
}

/// Contents of `synth.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    options: SynthOptions,
}

/// A part of the dataset with scenes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Train,
    Validation,
    Benchmark,
}

impl Split {
    const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Benchmark => "bench",
        }
    }

    const fn least_objects(self) -> usize {
        match self {
            Self::Benchmark => 2,
            Self::Train | Self::Validation => 1,
        }
    }
}

/// One clip of a split.
#[derive(Debug, Clone, Copy)]
struct Clip {
    split: Split,
    kind: MediaKind,
    index: usize,
}

impl Clip {
    /// Its own dice: no other clip of any split has the same stream.
    fn dice(self, seed: u64) -> Dice {
        let split = match self.split {
            Split::Train => 0_u64,
            Split::Validation => 1,
            Split::Benchmark => 2,
        };
        let kind = u64::from(self.kind == MediaKind::Video);
        Dice::new(seed, (split << 1 | kind) << 48 | self.index as u64)
    }

    fn draw(self, options: &SynthOptions, dice: &mut Dice) -> Scene {
        Scene::draw(self.kind, options, self.split.least_objects(), dice)
    }

    fn file_name(self) -> String {
        let extension = match self.kind {
            MediaKind::Image => "jpg",
            MediaKind::Video => "mp4",
        };
        format!("{:06}.{extension}", self.index)
    }

    /// Path under `media/`.
    fn path(self) -> String {
        let folder = match (self.split, self.kind) {
            (Split::Benchmark, _) => "",
            (_, MediaKind::Image) => "images/",
            (_, MediaKind::Video) => "videos/",
        };
        format!("{}/{folder}{}", self.split.name(), self.file_name())
    }

    fn media(self) -> Media {
        match self.kind {
            MediaKind::Image => Media::Image(self.path()),
            MediaKind::Video => Media::Video(self.path()),
        }
    }

    /// The clip's records as JSON, by task.
    fn records(self, options: &SynthOptions) -> Result<Vec<(Task, Vec<u8>)>, serde_json::Error> {
        let mut dice = self.dice(options.seed);
        let scene = self.draw(options, &mut dice);
        let shares = options.tasks.of(self.kind);
        let weights: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
        let tasks = dice.weighted(&weights, options.questions);
        let mut records = Vec::with_capacity(tasks.len());
        for place in tasks {
            let task = shares[place].0;
            let asker = &mut Asker {
                scene: &scene,
                options,
                dice: &mut dice,
            };
            for (number, places) in asker.parts(task).iter().enumerate() {
                let conversation = asker.ask(task, places);
                let id = self.record_id(task, number);
                let record = conversation.into_record(id, task, self.media(), &scene, options.fps);
                records.push((task, serde_json::to_vec(&record)?));
            }
        }
        Ok(records)
    }

    /// "train-v000001-tvg"; a task's further records of the clip end in "-1", "-2", ….
    fn record_id(self, task: Task, number: usize) -> String {
        let letter = if self.kind == MediaKind::Image {
            'i'
        } else {
            'v'
        };
        let id = format!(
            "{}-{letter}{:06}-{}",
            self.split.name(),
            self.index,
            task.as_str()
        );
        if number == 0 {
            id
        } else {
            format!("{id}-{number}")
        }
    }
}

/// Makes the dataset in `out`, or goes on where an interrupted run stopped.
///
/// # Errors
/// When the options are impossible, `out` holds something else, or writing or encoding fails.
pub fn synthesize(
    out: &Path,
    options: &SynthOptions,
    observer: &dyn Observer,
) -> Result<SynthSummary, SynthError> {
    options.check()?;
    let manifest = Manifest {
        format: 1,
        options: options.clone(),
    };
    let complete = claim(out, &manifest)?;
    let clips = media_clips(options);
    if !complete {
        write_annotations(out, options, observer)?;
        write_datasets(out, options)?;
        render(out, &clips, options, observer)?;
        write_atomically(&out.join(MANIFEST), &to_json(out, &manifest)?)?;
        fs::remove_file(out.join(UNFINISHED))?;
    }
    let (records, spans) = count(out)?;
    Ok(SynthSummary {
        out: out.to_owned(),
        already_complete: complete,
        records,
        media: clips.len() as u64,
        constant_span: best_constant_span(&spans),
    })
}

/// Takes possession of the folder. True when the wanted dataset is complete there.
fn claim(out: &Path, manifest: &Manifest) -> Result<bool, SynthError> {
    let occupied = |what| SynthError::Occupied {
        path: out.to_owned(),
        what,
    };
    let read = |name: &str| -> Result<Option<Manifest>, SynthError> {
        let path = out.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path)?;
        let found = serde_json::from_slice(&bytes);
        found
            .map(Some)
            .map_err(|source| SynthError::Json { path, source })
    };
    if let Some(found) = read(MANIFEST)? {
        return if found == *manifest {
            Ok(true)
        } else {
            Err(occupied(
                "it holds a synthetic dataset made with other options",
            ))
        };
    }
    match read(UNFINISHED)? {
        Some(found) if found == *manifest => return Ok(false),
        Some(_) => return Err(occupied("it holds an unfinished dataset of other options")),
        None => {}
    }
    fs::create_dir_all(out)?;
    if fs::read_dir(out)?.next().is_some() {
        return Err(occupied("it is not empty and was not made by this command"));
    }
    write_atomically(&out.join(UNFINISHED), &to_json(out, manifest)?)?;
    Ok(false)
}

fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, SynthError> {
    let bytes = serde_json::to_vec_pretty(value);
    bytes.map_err(|source| SynthError::Json {
        path: path.to_owned(),
        source,
    })
}

fn media_clips(options: &SynthOptions) -> Vec<Clip> {
    if options.annotations_only {
        return Vec::new();
    }
    let splits = [Split::Train, Split::Validation, Split::Benchmark];
    splits
        .into_iter()
        .flat_map(|split| clips_of(split, options))
        .collect()
}

fn clips_of(split: Split, options: &SynthOptions) -> impl Iterator<Item = Clip> + use<> {
    let asks = |kind| options.tasks.of(kind).iter().any(|(_, share)| *share > 0.0);
    let [images, videos] = match split {
        Split::Train => [options.images, options.videos],
        Split::Validation => [
            if asks(MediaKind::Image) {
                options.validation
            } else {
                0
            },
            if asks(MediaKind::Video) {
                options.validation.div_ceil(4)
            } else {
                0
            },
        ],
        Split::Benchmark => [options.benchmark, options.benchmark],
    };
    let images = (0..images).map(move |index| Clip {
        split,
        kind: MediaKind::Image,
        index,
    });
    let videos = (0..videos).map(move |index| Clip {
        split,
        kind: MediaKind::Video,
        index,
    });
    images.chain(videos)
}

/// Endless training clips, images and videos in their proportion.
fn endless_clips(options: &SynthOptions) -> impl Iterator<Item = Clip> + use<> {
    let (images, videos) = (options.images as u128, options.videos as u128);
    (0_u128..).map(move |place| {
        let before = usize::try_from(place * videos / (images + videos)).unwrap_or(usize::MAX);
        let is_video = (place + 1) * videos / (images + videos) > before as u128;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let (kind, index) = if is_video {
            (MediaKind::Video, before)
        } else {
            (MediaKind::Image, place - before)
        };
        Clip {
            split: Split::Train,
            kind,
            index,
        }
    })
}

fn write_annotations(
    out: &Path,
    options: &SynthOptions,
    observer: &dyn Observer,
) -> Result<(), SynthError> {
    let train = (options.images + options.videos) as u64;
    observer.begin("annotations", options.records.unwrap_or(train));
    for split in [Split::Train, Split::Validation] {
        let folder = out.join("annotations").join(split.name());
        fs::create_dir_all(&folder)?;
        let limit = if split == Split::Train {
            options.records
        } else {
            None
        };
        let clips: Box<dyn Iterator<Item = Clip>> = match limit {
            Some(_) => Box::new(endless_clips(options)),
            None => Box::new(clips_of(split, options)),
        };
        write_records(&folder, clips, limit, options, observer)?;
    }
    write_benchmark(out, options)
}

/// Streams the clips' records to one file per task.
fn write_records(
    folder: &Path,
    mut clips: impl Iterator<Item = Clip>,
    limit: Option<u64>,
    options: &SynthOptions,
    observer: &dyn Observer,
) -> Result<(), SynthError> {
    let mut files: BTreeMap<Task, ArrayFile> = BTreeMap::new();
    let mut left = limit.unwrap_or(u64::MAX);
    loop {
        let chunk: Vec<Clip> = clips.by_ref().take(CHUNK).collect();
        if chunk.is_empty() || left == 0 {
            break;
        }
        let made: Result<Vec<_>, _> = chunk.par_iter().map(|clip| clip.records(options)).collect();
        let made = made.map_err(|source| SynthError::Json {
            path: folder.to_owned(),
            source,
        })?;
        let mut written = 0;
        for (task, record) in made.into_iter().flatten() {
            if left == 0 {
                break;
            }
            let file = match files.entry(task) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(
                    ArrayFile::create(folder.join(format!("{}.json", task.as_str())))?,
                ),
            };
            file.push(&record)?;
            left -= 1;
            written += 1;
        }
        observer.advance(if limit.is_some() {
            written
        } else {
            chunk.len() as u64
        });
    }
    files.into_values().try_for_each(ArrayFile::finish)
}

/// A JSON array, one element a line, written as it comes.
struct ArrayFile {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<fs::File>,
    empty: bool,
}

impl ArrayFile {
    fn create(path: PathBuf) -> Result<Self, SynthError> {
        let temporary = temporary_name(&path);
        let mut file = BufWriter::with_capacity(1 << 18, fs::File::create(&temporary)?);
        file.write_all(b"[")?;
        Ok(Self {
            path,
            temporary,
            file,
            empty: true,
        })
    }

    fn push(&mut self, element: &[u8]) -> Result<(), SynthError> {
        self.file
            .write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.file.write_all(element)?;
        self.empty = false;
        Ok(())
    }

    fn finish(mut self) -> Result<(), SynthError> {
        self.file.write_all(b"\n]\n")?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(fs::rename(&self.temporary, &self.path)?)
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), SynthError> {
    let temporary = temporary_name(path);
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(fs::rename(temporary, path)?)
}

/// Which object the benchmark asks for is the clip's next draw after its scene.
fn asked_object(clip: Clip, options: &SynthOptions) -> (Scene, Object) {
    let mut dice = clip.dice(options.seed);
    let scene = clip.draw(options, &mut dice);
    let objects = scene.asked();
    let object = objects[dice.below(objects.len())].clone();
    (scene, object)
}

fn write_benchmark(out: &Path, options: &SynthOptions) -> Result<(), SynthError> {
    let folder = out.join("bench");
    fs::create_dir_all(&folder)?;
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    let [mut sentences, mut tubes, mut located, mut captioned] = [const { Vec::new() }; 4];
    for clip in clips_of(Split::Benchmark, options) {
        let (scene, object) = asked_object(clip, options);
        let file = clip.file_name();
        if clip.kind == MediaKind::Image {
            let (image, annotation) = benchmark::rec(&scene, &object, clip.index, &file);
            images.push(image);
            annotations.push(annotation);
        } else {
            sentences.push(benchmark::tvg(&scene, &object, &file));
            tubes.push(benchmark::stvg(&scene, &object, &file));
            located.push(benchmark::svg(&scene, &object, &file));
            captioned.push(benchmark::elc(&scene, &object, &file));
        }
    }
    let rec = json!({
        "info": [], "licenses": [], "images": images, "annotations": annotations,
        "categories": [{"supercategory": "object", "id": 1, "name": "object"}],
    });
    let lists = [
        ("tvg", sentences),
        ("stvg", tubes),
        ("svg", located),
        ("elc", captioned),
    ];
    let lists = lists.map(|(task, items)| (task, Value::Array(items)));
    for (task, value) in [("rec", rec)].into_iter().chain(lists) {
        let path = folder.join(format!("{task}.json"));
        let bytes = serde_json::to_vec(&value).map_err(|source| SynthError::Json {
            path: path.clone(),
            source,
        })?;
        write_atomically(&path, &bytes)?;
    }
    Ok(())
}

/// The stage files, everything to train on, and the validation set.
fn write_datasets(out: &Path, options: &SynthOptions) -> Result<(), SynthError> {
    let entry = |split: Split, task: Task, strategy: &str| {
        let path = format!("annotations/{}/{}.json", split.name(), task.as_str());
        out.join(&path).exists().then(|| {
            format!(
                "  - json_path: {path}\n    data_folder: media\n    source: {}\n    sampling_strategy: {strategy}\n",
                super::SOURCE
            )
        })
    };
    let write = |name: &str, entries: Vec<String>| {
        let entries = if entries.is_empty() {
            " []\n".to_owned()
        } else {
            format!("\n{}", entries.concat())
        };
        let text = format!(
            "# Synthetic, made by `stdata synth` with seed {}.\ndatasets:{entries}",
            options.seed
        );
        write_atomically(&out.join(name), text.as_bytes())
    };
    for (stage, tasks) in STAGES {
        let mut entries: Vec<String> = tasks
            .iter()
            .filter_map(|task| entry(Split::Train, *task, "all"))
            .collect();
        if stage == "stage3" {
            entries.extend(
                REPEATED
                    .iter()
                    .filter_map(|task| entry(Split::Train, *task, "first:50%")),
            );
        }
        write(&format!("{stage}.yaml"), entries)?;
    }
    for split in [Split::Train, Split::Validation] {
        let entries = Task::ALL
            .iter()
            .filter_map(|task| entry(split, *task, "all"))
            .collect();
        write(&format!("{}.yaml", split.name()), entries)?;
    }
    Ok(())
}

fn render(
    out: &Path,
    clips: &[Clip],
    options: &SynthOptions,
    observer: &dyn Observer,
) -> Result<(), SynthError> {
    observer.begin("media", clips.len() as u64);
    let media = out.join("media");
    for clip in clips {
        if clip.index == 0
            && let Some(folder) = media.join(clip.path()).parent()
        {
            fs::create_dir_all(folder)?;
        }
    }
    clips.par_iter().try_for_each(|clip| {
        let path = media.join(clip.path());
        if !path.exists() {
            let scene = clip.draw(options, &mut clip.dice(options.seed));
            match clip.kind {
                MediaKind::Image => write_image(&path, &scene)?,
                MediaKind::Video => write_video(&path, &scene, options.fps)?,
            }
        }
        observer.advance(1);
        Ok(())
    })
}

fn write_image(path: &Path, scene: &Scene) -> Result<(), SynthError> {
    let mut rgb = Vec::new();
    Renderer::new(scene).frame(0, &mut rgb);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
    // Sides are at most 4096 (`SynthOptions::check`).
    let [width, height] = scene
        .size
        .map(|side| u16::try_from(side).unwrap_or(u16::MAX));
    encoder
        .encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(|source| SynthError::Jpeg {
            path: path.to_owned(),
            source,
        })?;
    let temporary = temporary_name(path);
    fs::write(&temporary, bytes)?;
    Ok(fs::rename(temporary, path)?)
}

fn write_video(path: &Path, scene: &Scene, fps: u32) -> Result<(), SynthError> {
    let failed = |source| SynthError::Video {
        path: path.to_owned(),
        source,
    };
    let options = EncodeOptions {
        preset: "veryfast",
        ..EncodeOptions::new(scene.size[0], scene.size[1], (fps, 1))
    };
    let mut writer = VideoWriter::create(path, &options).map_err(failed)?;
    let mut renderer = Renderer::new(scene);
    let mut rgb = Vec::new();
    for frame in 0..scene.frames {
        renderer.frame(frame, &mut rgb);
        writer.write(&rgb).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}

/// Records by `split/task`, and the spans of the benchmark's temporal grounding.
type Counts = (BTreeMap<String, u64>, Vec<[f64; 2]>);

/// Counts what is in the folder, from the files themselves: one record a line. Also the benchmark's temporal spans.
fn count(out: &Path) -> Result<Counts, SynthError> {
    let mut counts = BTreeMap::new();
    for split in [Split::Train, Split::Validation] {
        for task in Task::ALL {
            let path = out
                .join("annotations")
                .join(split.name())
                .join(format!("{}.json", task.as_str()));
            if path.exists() {
                let records = count_lines(&path)? - 2;
                counts.insert(format!("{}/{}", split.name(), task.as_str()), records);
            }
        }
    }
    let read = |task: &str| -> Result<Value, SynthError> {
        let path = out.join("bench").join(format!("{task}.json"));
        let bytes = fs::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|source| SynthError::Json { path, source })
    };
    let length = |value: &Value| value.as_array().map_or(0, Vec::len) as u64;
    counts.insert("bench/rec".to_owned(), length(&read("rec")?["annotations"]));
    for task in ["stvg", "svg", "elc"] {
        counts.insert(format!("bench/{task}"), length(&read(task)?));
    }
    let tvg = read("tvg")?;
    counts.insert("bench/tvg".to_owned(), length(&tvg));
    let end = |item: &Value, place: usize| item["timestamp"][place].as_f64();
    let items = tvg.as_array().into_iter().flatten();
    let spans = items
        .filter_map(|item| Some([end(item, 0)?, end(item, 1)?]))
        .collect();
    Ok((counts, spans))
}

fn count_lines(path: &Path) -> Result<u64, SynthError> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 18];
    let mut lines = 0;
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
}
