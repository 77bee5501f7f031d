//! A model folder, ready to answer.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor};
use sha2::{Digest, Sha256};
use st_model::batch::EncodedRecord;
use st_model::generate::{CoordinateGrammar, GenerateOptions, LogitFilter, Session, generate};
use st_model::init::InitConfig;
use st_model::input::InputEncoder;
use st_model::loss::Objective;
use st_model::model::{ClipKind, ClipRange, LlavaSt, VisualTokens};
use st_model::published::config_from_json;
use st_model::siglip::patches;
use st_model::tokenizer::Tokenizer;
use st_model::weights::{Loading, Views};
use st_schema::{FramePlan, Frames, Media, Record};
use st_weights::ModelFolder;

/// Tower and projector's output for one clip; made once, however many records look at it.
#[derive(Clone)]
pub(crate) struct Features {
    tensor: Tensor<3>,
    kind: ClipKind,
}

/// A model with its tokenizer.
pub(crate) struct Model {
    net: LlavaSt,
    encoder: InputEncoder,
    device: Device,
    /// Changes when the folder's content does.
    pub(crate) fingerprint: String,
}

impl Model {
    /// Opens a folder as `sttrain` writes it or the hub has it. With `untrained`, weights are drawn with that seed instead.
    ///
    /// # Errors
    /// When a file is missing, or weights and configuration do not fit together.
    pub(crate) fn open(
        folder: &Path,
        device: Device,
        untrained: Option<u64>,
    ) -> anyhow::Result<Self> {
        if !folder.is_dir() {
            bail!(
                "{}: no such folder; --model wants one with config.json, *.safetensors and tokenizer.json, as runs/NAME/model",
                folder.display()
            );
        }
        let files = ModelFolder::open(folder)?;
        let config = config_from_json(files.config()).with_context(|| {
            format!(
                "{}/config.json is not a LLaVA-ST configuration",
                folder.display()
            )
        })?;
        let tokenizer = Tokenizer::from_json(&files.tokenizer()?)
            .with_context(|| format!("{}/tokenizer.json", folder.display()))?;
        let net = config
            .init(&device)
            .with_context(|| format!("{}/config.json", folder.display()))?;
        let net = if let Some(seed) = untrained {
            net.initialize(&InitConfig::default(), seed)
        } else {
            let names = files.names().map(str::to_owned).collect();
            net.load_named(&Views::new(names, |name| files.view(name)), Loading::all())
                .with_context(|| {
                    format!("{}: the weights do not fit config.json", folder.display())
                })?
        };
        let encoder = InputEncoder::new(tokenizer, &config)?;
        let fingerprint = match untrained {
            Some(seed) => format!("untrained-{seed}-{}", fingerprint(folder, false)?),
            None => fingerprint(folder, true)?,
        };
        Ok(Self {
            net,
            encoder,
            device,
            fingerprint,
        })
    }

    /// Which frames of a video the model looks at.
    pub(crate) fn plan(&self) -> FramePlan {
        FramePlan {
            frames: self.net.config.video.frames,
        }
    }

    /// Side of the square pictures that it wants, in pixels.
    pub(crate) fn side(&self) -> u32 {
        u32::try_from(self.net.config.vision.image_size).unwrap_or(u32::MAX)
    }

    /// Looks at a clip.
    ///
    /// # Errors
    /// When the frames are not of [`Model::side`], or a video has another number of them than [`Model::plan`] takes.
    pub(crate) fn look(&self, media: &Media, frames: &Frames) -> anyhow::Result<Features> {
        let (kind, wanted) = match media {
            Media::Image(_) => (ClipKind::Image, 1),
            Media::Video(_) => (ClipKind::Video, self.net.config.video.frames),
        };
        if frames.count != wanted {
            bail!("{} frames where the model takes {wanted}", frames.count);
        }
        let tensor =
            self.net
                .encode_frames(patches(&[frames], &self.net.config.vision, &self.device)?);
        Ok(Features { tensor, kind })
    }

    /// A record's question as tokens.
    ///
    /// # Errors
    /// When placeholders and numbers do not fit together.
    pub(crate) fn encode(&self, record: &Record) -> anyhow::Result<EncodedRecord> {
        Ok(self.encoder.encode_prompt(record)?)
    }

    /// A filter that allows only well-formed coordinates.
    ///
    /// # Errors
    /// When a token of the tokenizer has no text.
    pub(crate) fn grammar(&self) -> anyhow::Result<LogitFilter> {
        Ok(CoordinateGrammar::new(self.encoder.tokenizer(), &self.net.config)?.filter())
    }

    fn tokens(&self, clips: &[&Features]) -> VisualTokens {
        let mut first = 0;
        let mut ranges = Vec::with_capacity(clips.len());
        for clip in clips {
            ranges.push(ClipRange {
                first,
                kind: clip.kind,
            });
            first += clip.tensor.dims()[0];
        }
        let frames = clips.iter().map(|clip| clip.tensor.clone()).collect();
        self.net
            .visual_tokens(Tensor::cat(frames, 0), &ranges, Objective::Coordinates)
    }

    /// Answers questions together; question `i` is about clip `of[i]` of `clips`.
    ///
    /// # Errors
    /// When an answer's tokens are no text.
    pub(crate) fn answer(
        &self,
        prompts: &[EncodedRecord],
        of: &[usize],
        clips: &[&Features],
        options: &GenerateOptions,
    ) -> anyhow::Result<Vec<String>> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let visual = self.tokens(clips);
        let options = GenerateOptions {
            stop: vec![self.encoder.stop_id()],
            ..options.clone()
        };
        let answers = generate(&self.net, prompts, of, &visual, &options, |_, _| {});
        answers
            .iter()
            .map(|answer| Ok(self.encoder.tokenizer().decode(&answer.ids, false)?))
            .collect()
    }

    /// Answers one question, telling of the text as it grows.
    ///
    /// # Errors
    /// When the answer's tokens are no text.
    pub(crate) fn stream(
        &self,
        prompt: &EncodedRecord,
        clip: &Features,
        options: &GenerateOptions,
        mut on_text: impl FnMut(&str),
    ) -> anyhow::Result<String> {
        let visual = self.tokens(&[clip]);
        let options = GenerateOptions {
            stop: vec![self.encoder.stop_id()],
            ..options.clone()
        };
        let mut ids = Vec::new();
        let answer = Session::new(&self.net, &visual, 0).generate(prompt, &options, |id| {
            ids.push(id);
            // A letter may be spread over several tokens; it is told once it is whole.
            if let Ok(text) = self.encoder.tokenizer().decode(&ids, false)
                && !text.ends_with('\u{FFFD}')
            {
                on_text(&text);
            }
        });
        Ok(self.encoder.tokenizer().decode(&answer.ids, false)?)
    }
}

/// Blocks of each weight file that go into the fingerprint.
const SAMPLES: u64 = 64;
/// Bytes of a block.
const BLOCK: usize = 4096;

/// A digest of names, lengths, the small files and samples of the large ones: cheap on 15 GB, and another training's
/// weights differ in every block.
fn fingerprint(folder: &Path, weights: bool) -> anyhow::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let kind = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_file() && (kind == "json" || (weights && kind == "safetensors")) {
            names.push(path);
        }
    }
    names.sort();
    let mut digest = Sha256::new();
    for path in names {
        let mut file = fs_err::File::open(&path)?;
        let length = file.metadata()?.len();
        digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(length.to_le_bytes());
        let mut block = vec![0; BLOCK];
        let samples = if length <= SAMPLES * BLOCK as u64 {
            length.div_ceil(BLOCK as u64)
        } else {
            SAMPLES
        };
        for sample in 0..samples {
            let last = length.saturating_sub(BLOCK as u64);
            let at = if samples == SAMPLES {
                last / (SAMPLES - 1) * sample
            } else {
                sample * BLOCK as u64
            };
            file.seek(SeekFrom::Start(at))?;
            let read = file.by_ref().take(BLOCK as u64).read(&mut block)?;
            digest.update(&block[..read]);
        }
    }
    let bytes = digest.finalize();
    let number = bytes[..12]
        .iter()
        .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    Ok(format!("{number:024x}"))
}
