//! Greedy decoding against the original's: ids and logits, with the cache, without it, in batches and in sessions.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small integers of golden files"
)]

#[path = "golden_model/reference.rs"]
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod reference;

use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use reference::{Tensors, config_json, folder, frames, model};
use serde_json::Value;
use st_model::batch::{Batch, EncodedRecord, Padding};
use st_model::generate::{GenerateOptions, Session, generate};
use st_model::loss::Objective;
use st_model::model::{ClipRange, LlavaSt, VisualTokens};
use st_model::siglip::patches;

const LOGITS: f64 = 1e-4;

/// The model, the case's visual tokens, its prompt, and what the original answered.
struct Case {
    model: LlavaSt,
    visual: VisualTokens,
    prompt: EncodedRecord,
    answer: Vec<u32>,
    logits: Vec<f64>,
}

fn case() -> Option<Case> {
    let (json, golden) = (config_json()?, Tensors::open("generate.safetensors")?);
    let about: Value =
        serde_json::from_slice(&std::fs::read(folder()?.join("generate.json")).unwrap()).unwrap();
    let name = about["case"].as_str().unwrap();
    let model = model(&json, &Device::flex());
    let (mut records, kinds) =
        reference::records(&json, &Tensors::open("forward_video.safetensors")?, name);
    let mut prompt = records.remove(0);
    let ids: Vec<u32> = golden
        .values("prompt_ids")
        .iter()
        .map(|id| *id as u32)
        .collect();
    assert_eq!(
        prompt.ids[..ids.len()],
        ids,
        "the prompt is the beginning of the case"
    );
    prompt.coordinates.retain(|slot| slot.position < ids.len());
    prompt.labels.truncate(ids.len());
    prompt.ids = ids;
    let video = frames(&json, model.config.video.frames, "seed_video");
    let features =
        model.encode_frames(patches(&[&video], &model.config.vision, &Device::flex()).unwrap());
    let clip = ClipRange {
        first: 0,
        kind: kinds[0],
    };
    let visual = model.visual_tokens(features, &[clip], Objective::Coordinates);
    let answer: Vec<u32> = serde_json::from_value(about["ids"].clone()).unwrap();
    Some(Case {
        model,
        visual,
        prompt,
        answer,
        logits: golden.values("logits"),
    })
}

fn options(case: &Case) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: case.answer.len(),
        ..GenerateOptions::default()
    }
}

/// Options that also note the logits of each step of row 0.
fn noting(case: &Case) -> (GenerateOptions, Arc<Mutex<Vec<f32>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&notes);
    let filter = move |row: usize, _: &[u32], logits: &mut [f32]| {
        if row == 0 {
            copy.lock().unwrap().extend_from_slice(logits);
        }
    };
    (
        GenerateOptions {
            filter: Some(Arc::new(filter)),
            ..options(case)
        },
        notes,
    )
}

fn worst(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of logits");
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn golden_model_generate_with_cache() {
    let Some(case) = case() else { return };
    for chunk in [usize::MAX, 1000] {
        let (options, notes) = noting(&case);
        let options = GenerateOptions {
            prefill_chunk: chunk,
            ..options
        };
        let mut heard = Vec::new();
        let prompts = std::slice::from_ref(&case.prompt);
        let answers = generate(
            &case.model,
            prompts,
            &[0],
            &case.visual,
            &options,
            |_, id| heard.push(id),
        );
        assert_eq!(answers[0].ids, case.answer);
        assert_eq!(heard, case.answer);
        assert!(!answers[0].stopped);
        let worst = worst(&notes.lock().unwrap(), &case.logits);
        println!("generate: worst logit difference {worst:.1e} (prefill in chunks of {chunk})");
        assert!(worst <= LOGITS);
    }
}

#[test]
fn golden_model_generate_without_cache() {
    let Some(case) = case() else { return };
    let mut record = case.prompt.clone();
    let mut found = Vec::new();
    for _ in 0..case.answer.len() {
        let batch = Batch::collate_with(std::slice::from_ref(&record), &[0], 0, Padding::Left);
        let hidden = case.model.decode(case.model.inputs_embeds(
            &batch,
            &case.visual,
            Objective::Coordinates,
        ));
        let [_, columns, width] = hidden.dims();
        let last = hidden.narrow(1, columns - 1, 1).reshape([1, width]);
        let logits = case.model.logits(last, Objective::Coordinates);
        let id = logits.argmax(1).into_data().iter::<i64>().next().unwrap();
        let id = u32::try_from(id).unwrap();
        found.push(id);
        record.ids.push(id);
        record.labels.push(-100);
    }
    assert_eq!(found, case.answer);
}

/// The prompt without its last tokens, so that rows differ in length.
fn shorter(case: &Case, by: usize) -> EncodedRecord {
    let mut prompt = case.prompt.clone();
    let length = prompt.ids.len() - by;
    prompt.ids.truncate(length);
    prompt.labels.truncate(length);
    prompt.coordinates.retain(|slot| slot.position < length);
    prompt
}

#[test]
fn golden_model_generate_rows_do_not_depend_on_each_other() {
    let Some(case) = case() else { return };
    let prompts = [
        case.prompt.clone(),
        shorter(&case, 7),
        case.prompt.clone(),
        shorter(&case, 1),
    ];
    let (plain, notes) = noting(&case);
    let together = generate(
        &case.model,
        &prompts,
        &[0; 4],
        &case.visual,
        &plain,
        |_, _| {},
    );
    assert_eq!(together[0].ids, case.answer);
    assert_eq!(together[2].ids, case.answer);
    assert!(worst(&notes.lock().unwrap(), &case.logits) <= LOGITS);
    for (prompt, answer) in prompts.iter().zip(&together) {
        let alone = generate(
            &case.model,
            std::slice::from_ref(prompt),
            &[0],
            &case.visual,
            &options(&case),
            |_, _| {},
        );
        assert_eq!(alone[0], *answer);
    }

    // A stop token ends rows at different steps, so that the cache is cut down to the rest.
    let stop = case.answer[4];
    let stopping = GenerateOptions {
        stop: vec![stop],
        ..options(&case)
    };
    let stopped = generate(
        &case.model,
        &prompts,
        &[0; 4],
        &case.visual,
        &stopping,
        |_, _| {},
    );
    for (whole, cut) in together.iter().zip(&stopped) {
        let end = whole.ids.iter().position(|id| *id == stop);
        assert_eq!(cut.stopped, end.is_some());
        assert_eq!(cut.ids, whole.ids[..end.unwrap_or(whole.ids.len())]);
    }
    assert!(stopped[0].stopped);
}

#[test]
fn golden_model_generate_session_reuses_the_prefix() {
    let Some(case) = case() else { return };
    let mut session = Session::new(&case.model, &case.visual, 0);
    let first = session.generate(&case.prompt, &options(&case), |_| {});
    assert_eq!((first.ids, session.reused()), (case.answer.clone(), 0));
    let other = shorter(&case, 7);
    let alone = generate(
        &case.model,
        std::slice::from_ref(&other),
        &[0],
        &case.visual,
        &options(&case),
        |_, _| {},
    );
    assert_eq!(session.generate(&other, &options(&case), |_| {}), alone[0]);
    assert_eq!(session.reused(), other.ids.len() - 1);
    // Back to the first: what follows the shorter prompt is computed anew.
    assert_eq!(
        session.generate(&case.prompt, &options(&case), |_| {}).ids,
        case.answer
    );
    assert!(session.reused() >= other.ids.len());
    // Another coordinate in the prompt: nothing from there on is reused.
    let mut moved = case.prompt.clone();
    moved.coordinates[0].value = 0.9;
    let alone = generate(
        &case.model,
        std::slice::from_ref(&moved),
        &[0],
        &case.visual,
        &options(&case),
        |_, _| {},
    );
    assert_eq!(session.generate(&moved, &options(&case), |_| {}), alone[0]);
    assert!(session.reused() <= moved.coordinates[0].position);
}

#[test]
fn golden_model_generate_filter_and_sampling() {
    let Some(case) = case() else { return };
    let prompts = std::slice::from_ref(&case.prompt);
    let vocabulary = case.model.config.text.vocab_size;
    let only_coordinates =
        move |_: usize, _: &[u32], logits: &mut [f32]| logits[..vocabulary].fill(f32::NEG_INFINITY);
    let filtered = GenerateOptions {
        filter: Some(Arc::new(only_coordinates)),
        max_new_tokens: 4,
        ..options(&case)
    };
    let answers = generate(
        &case.model,
        prompts,
        &[0],
        &case.visual,
        &filtered,
        |_, _| {},
    );
    assert!(answers[0].ids.iter().all(|id| *id as usize >= vocabulary));

    let sampled = |seed| {
        let options = GenerateOptions {
            temperature: 5.0,
            seed,
            ..options(&case)
        };
        generate(
            &case.model,
            prompts,
            &[0],
            &case.visual,
            &options,
            |_, _| {},
        )
        .remove(0)
        .ids
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
}
