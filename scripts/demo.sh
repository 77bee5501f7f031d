#!/usr/bin/env bash
# The whole pipeline on synthetic data: synth, validate, shard, train, predict, report. Each command leaves alone what is
# complete and goes on with what is not, so this script may be stopped and started at will. Called by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

demo="${DEMO:-demo}"
bin="${CARGO_TARGET_DIR:-target}/release"
data="$demo/data"
run="$demo/runs/tiny"
started=$SECONDS

# Runs one step and says how long it took. Exit code 1 means: done, and something needs a look.
step() {
    local name="$1" before=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    if [ "$status" -gt 1 ]; then
        echo "error: the step '$name' failed (exit code $status); run 'make demo' again to go on from here" >&2
        exit 2
    fi
    printf '== %s: %d s\n' "$name" "$((SECONDS - before))"
}

# Runs a step unless its output is there and newer than its input.
once() {
    local name="$1" output="$2" input="$3"
    shift 3
    if [ -e "$output" ] && [ ! "$input" -nt "$output" ]; then
        printf '\n== %s: done already (%s)\n' "$name" "$output"
    else
        step "$name" "$@"
    fi
}

# Extra flags for a smaller demo, such as DEMO_SYNTH='--images 200 --videos 40 --benchmark 4' DEMO_TRAIN='--set steps=10'.
read -r -a synth_flags <<<"${DEMO_SYNTH:-}"
read -r -a train_flags <<<"${DEMO_TRAIN:-}"

step synth "$bin/stdata" synth --out "$data/synth" --size 126x126 --images 30000 --videos 5000 --benchmark 500 \
    --objects 1-3 --shapes 4 --phrases 1 --turns 1 --tasks rec=1,tvg=1,stvg=1 --seed 13 "${synth_flags[@]}"
once validate "$data/reports/validate.json" "$data/synth/synth.json" \
    "$bin/stdata" validate "$data/synth/train.yaml" "$data/synth/val.yaml" --root "$data" --frames 20
for split in train val; do
    step "shard $split" "$bin/stdata" shard "$data/synth/$split.yaml" --root "$data" --out "$data/shards/$split" \
        --frames 20 --size 63
done
# Two replicas: small tensors do not fill two cores.
step train "$bin/sttrain" recipes/tiny.yaml --root "$data" --runs "$demo/runs" --devices 2 "${train_flags[@]}"

# The tiny recipe teaches three of the five tasks. Answers of an untrained model never end by themselves, hence the limit.
predict() {
    local name="$1"
    shift
    step "predict, $name" "$bin/steval" predict --model "$run/model" --benchmark recipes/eval/synth.yaml --root "$data" \
        --only synth_rec --only synth_tvg --only synth_stvg --max-new-tokens 160 --out "$run/eval/$name" "$@"
}
predict trained
predict blind --blind 0
predict untrained --untrained 0

machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -1), $(nproc) cores"
step report "$bin/steval" report --root "$data" --out "$demo/report.html" --constant --metrics "$run/metrics.jsonl" \
    --title "LLaVA-ST tiny demo" --subtitle "recipes/tiny.yaml on $machine" \
    --run "untrained=$run/eval/untrained" --run "blind=$run/eval/blind" --run "trained=$run/eval/trained"

printf '\nAll of it took %d s. Report: %s\n' "$((SECONDS - started))" "$(realpath "$demo/report.html")"
