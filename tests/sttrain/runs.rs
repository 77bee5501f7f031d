//! Runs: begin, be killed, go on, end; and how they refuse.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use sha2::{Digest, Sha256};
use st_train::random::SplitMix;

use crate::world::World;

const RECIPE: &str = "\
name: toy
seed: 3
steps: 12
model:
  kind: scratch
  config:
    vision: {image_size: 18, patch_size: 6, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}
    packer: {embed_dim: 16, num_attention_heads: 2, first_grid: 3, fast_grid: 1}
    video: {frames: 4, slow_frames: 2}
    text: {hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1}
tokenizer: {kind: train_bpe, vocab: 300}
data: toy.yaml
optimizer: {lr: 1.0e-2, clip_norm: 1.0, muon: {lr: 0.01}}
phases:
  - {name: images, share: 0.5, mix: [{tasks: {rec: 1}, clips: 4}]}
  - name: videos
    share: 0.5
    train: [packers, coordinates, token_embeddings, lm_head, decoder]
    mix: [{tasks: {rec: 1}, clips: 2}, {tasks: {tvg: 1}, clips: 2}]
checkpoint: {every_steps: 3}
log_every: 1
";

pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let world = World {
            images: 24,
            videos: 8,
            frames: 4,
            size: 18,
            seed: 5,
        };
        world.write(&place.path().join("data"), "toy");
        fs_err::write(place.path().join("recipe.yaml"), RECIPE).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sttrain"));
        command
            .current_dir(self.path())
            .args(args)
            .env_remove("STDATA_ROOT");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn train_long(&self, name: &str) -> Output {
        let name = format!("name={name}");
        self.run(&["recipe.yaml", "-q", "--set", &name, "--set", LONG])
    }

    pub(crate) fn model(&self, name: &str) -> String {
        let path: PathBuf = self
            .path()
            .join("runs")
            .join(name)
            .join("model/model.safetensors");
        st_train::checkpoint::hex(&Sha256::digest(fs_err::read(path).unwrap()))
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_learns_ends_and_says_so_the_second_time() {
    let place = Place::new();
    let output = place.run(&["recipe.yaml", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&outcome["finished"], &outcome["step"], &outcome["already"]),
        (&true.into(), &12.into(), &false.into())
    );
    let folder = place.path().join("runs/toy");
    let lines = fs_err::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let losses: Vec<f64> = lines
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["loss"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert_eq!(losses.len(), 12);
    // A tenth in twelve steps; what is asked changes in the middle, so the loss need not fall at each.
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
    for file in [
        "run.yaml",
        "loss.svg",
        "model/config.json",
        "model/tokenizer.json",
        "checkpoints/step-000012/state.json",
    ] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let before = fs_err::metadata(folder.join("model/model.safetensors"))
        .unwrap()
        .modified()
        .unwrap();
    let again = place.run(&["recipe.yaml"]);
    assert!(again.status.success());
    assert!(
        text(&again.stdout).contains("finished before"),
        "{}",
        text(&again.stdout)
    );
    assert_eq!(
        before,
        fs_err::metadata(folder.join("model/model.safetensors"))
            .unwrap()
            .modified()
            .unwrap()
    );
}

/// Steps of the runs that are killed or stopped: some seconds.
const LONG: &str = "steps=150";

/// Kills a run at moments that the seed chooses, around a third of `whole` each, until it is done; gives the number of kills.
fn train_and_kill(place: &Place, name: &str, whole: Duration, random: &mut SplitMix) -> u32 {
    let set = format!("name={name}");
    for kills in 0..100 {
        let args = ["recipe.yaml", "-q", "--set", &set, "--set", LONG];
        let mut child = place.command(&args).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(0.1 + 0.5 * random.unit()));
        let done = child.try_wait().unwrap();
        // SIGKILL: nothing of the process runs after it.
        let _ = child.kill();
        let status = child.wait().unwrap();
        if done.is_some() {
            assert!(status.success(), "{status}");
            return kills;
        }
    }
    panic!("a run did not end in 100 starts");
}

#[test]
fn killed_runs_end_with_the_weights_of_the_unbroken_one() {
    kill_runs(2);
}

#[test]
#[ignore = "fifty runs, some minutes"]
fn fifty_killed_runs_end_with_the_weights_of_the_unbroken_one() {
    kill_runs(50);
}

fn kill_runs(runs: u64) {
    let place = Place::new();
    let begun = std::time::Instant::now();
    assert!(place.train_long("unbroken").status.success());
    let whole = begun.elapsed();
    let expected = place.model("unbroken");
    let mut kills = 0;
    for run in 0..runs {
        let name = format!("killed-{run}");
        kills += train_and_kill(&place, &name, whole, &mut SplitMix::at(&[9, run]));
        assert_eq!(place.model(&name), expected, "run {run}");
        let metrics = |n: &str| {
            let text =
                fs_err::read_to_string(place.path().join("runs").join(n).join("metrics.jsonl"))
                    .unwrap();
            text.lines()
                .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["loss"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(metrics(&name), metrics("unbroken"), "run {run}");
    }
    assert!(
        u64::from(kills) >= runs,
        "{runs} runs ended before they were killed: {kills} kills"
    );
}

#[test]
fn another_number_of_workers_gives_the_same_weights() {
    let place = Place::new();
    for (name, jobs) in [("one", "1"), ("five", "5")] {
        let output = place.run(&[
            "recipe.yaml",
            "--jobs",
            jobs,
            "--set",
            &format!("name={name}"),
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(place.model("one"), place.model("five"));
}

#[test]
fn a_signal_writes_a_checkpoint_and_exits_0() {
    let place = Place::new();
    assert!(place.train_long("unbroken").status.success());
    let never = ["--set", "name=stopped", "--set", "checkpoint.every_steps=0"];
    let mut child = place
        .command(&[&["recipe.yaml", "-q", "--set", LONG], &never[..]].concat())
        .spawn()
        .unwrap();
    let metrics = place.path().join("runs/stopped/metrics.jsonl");
    while fs_err::read_to_string(&metrics).map_or(0, |t| t.lines().count()) < 2 {
        std::thread::sleep(Duration::from_millis(5));
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let state = fs_err::read_dir(place.path().join("runs/stopped/checkpoints")).unwrap();
    assert_eq!(state.count(), 1, "one checkpoint, of the step at hand");
    assert!(!place.path().join("runs/stopped/model").exists());
    assert!(place.train_long("stopped").status.success());
    assert_eq!(place.model("stopped"), place.model("unbroken"));
}

#[test]
fn a_frozen_tower_does_not_move_and_packers_do() {
    let place = Place::new();
    let freeze = "train=[packers, coordinates]";
    let phases = "phases=[]";
    for (name, steps) in [("short", "1"), ("long", "4")] {
        let (name, steps) = (format!("name={name}"), format!("steps={steps}"));
        let output = place.run(&[
            "recipe.yaml",
            "--set",
            &name,
            "--set",
            &steps,
            "--set",
            freeze,
            "--set",
            phases,
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let read = |name: &str| {
        fs_err::read(
            place
                .path()
                .join("runs")
                .join(name)
                .join("model/model.safetensors"),
        )
        .unwrap()
    };
    let (short, long) = (read("short"), read("long"));
    let (short, long) = (
        safetensors::SafeTensors::deserialize(&short).unwrap(),
        safetensors::SafeTensors::deserialize(&long).unwrap(),
    );
    let mut moved = 0;
    for (name, tensor) in short.iter() {
        let same = long.tensor(name).unwrap().data() == tensor.data();
        let learns = name.contains("vision_resampler")
            || name.contains("temporal_")
            || name.contains("spatial_");
        assert!(learns || same, "{name} moved");
        moved += usize::from(!same);
    }
    assert!(moved > 10, "{moved}");
}

#[test]
fn refusals_are_one_line_and_exit_2() {
    let place = Place::new();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["none.yaml"], &["none.yaml", "recipes/tiny.yaml"]),
        (
            &["recipe.yaml", "--set", "data=nowhere.yaml"],
            &["data.records[0]", "nowhere.yaml", "stdata synth"],
        ),
        (
            &["recipe.yaml", "--set", "stepz=3"],
            &["recipe.yaml", "stepz", "did you mean `steps`"],
        ),
        (
            &["recipe.yaml", "--set", "phases.0.mix.0.tasks={stvg: 1}"],
            &["phases[0].mix[0]", "24 rec"],
        ),
        (
            &["recipe.yaml", "--resume"],
            &["runs/toy", "leave out --resume"],
        ),
        (
            &[
                "recipe.yaml",
                "--set",
                "model.config.text.num_attention_heads=3",
            ],
            &["model.config", "16", "3"],
        ),
        (
            &["recipe.yaml", "--set", "data.shards=[gone]"],
            &["data.shards[0]", "gone", "stdata shard"],
        ),
    ];
    for (args, words) in cases {
        let output = place.run(args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        let line = error.lines().last().unwrap_or_default();
        assert!(line.starts_with("error: "), "{args:?}: {error}");
        for word in words {
            assert!(line.contains(word), "{args:?}: {word}: {line}");
        }
    }
}

#[test]
fn another_recipe_does_not_touch_a_run_unless_told_to() {
    let place = Place::new();
    assert!(
        place
            .run(&["recipe.yaml", "--set", "steps=2"])
            .status
            .success()
    );
    let output = place.run(&["recipe.yaml", "--set", "steps=3"]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(
        error.contains("it differs in steps") && error.contains("--fresh"),
        "{error}"
    );
    assert!(
        place
            .run(&["recipe.yaml", "--set", "steps=3", "--fresh"])
            .status
            .success()
    );
}

#[test]
fn check_says_all_that_is_missing_at_once() {
    let place = Place::new();
    let output = place.run(&["check", "recipe.yaml", "--set", "data=gone.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let all = text(&output.stdout);
    for word in [
        "data.records[0]",
        "data.shards[0]",
        "stdata shard",
        "parameters",
    ] {
        assert!(all.contains(word), "{word}: {all}");
    }
    let output = place.run(&["check", "recipe.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(
        text(&output.stdout).contains("32 on 32 clips, 0 left out"),
        "{}",
        text(&output.stdout)
    );
}
