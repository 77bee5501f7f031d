#!/usr/bin/env python3
"""Times `steval score` beside the scorer of the original LLaVA-ST on one made-up STVG result file.

    scripts/score_speed.py --steval target/release/steval --original PATH [--records 10000] [--runs 7]

PATH is a clone of the original's repository; the Python that runs this script needs what its scorer imports
(`pip install numpy tqdm pycocoevalcap`). Both are timed as whole processes, from start to end, the best of the runs
counts; the original also from its first line to its last without start and imports. Its numbers are compared with ours.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

# Runs the original's scorer as its multi_task_eval.py does, and tells how long loading and scoring took.
SCORER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from inference.src.metrics import eval_stvg
from inference.src.utils import load_jsonl
start = time.perf_counter()
scores = eval_stvg(load_jsonl(sys.argv[2]), "stvg")
print("seconds", time.perf_counter() - start)
import json
print("scores", json.dumps(scores))
"""


def token(axis, place):
    return f"<{axis}-{min(99, max(0, place)):03d}>"


def box_tokens(corners):
    axes = ("WIDTH", "HEIGHT", "WIDTH", "HEIGHT")
    return "".join(token(axis, round(99 * corner)) for axis, corner in zip(axes, corners))


def moved(draw, corners, far):
    x1, y1, x2, y2 = (corner + draw.uniform(-far, far) for corner in corners)
    inside = lambda value: min(1.0, max(0.0, value))
    return [inside(min(x1, x2)), inside(min(y1, y2)), inside(max(x1, x2)), inside(max(y1, y2))]


def numbers_for_tokens(text):
    """What the original's inference writes beside the raw text: five digits for a token, commas between."""
    text = re.sub(r"<(?:TEMP|WIDTH|HEIGHT)-(\d+)>", lambda m: f"{int(m[1]) / 99:.5f},", text)
    return text.replace(",}", "}").replace(",]", "]")


def record(draw, number):
    """A clip of 100 to 600 frames with a thing in it for 5 to 40 of the hundred frames that a model sees."""
    last = draw.randint(99, 599)
    frames = [round(place / 99 * last) for place in range(100)]
    start = draw.randrange(0, 80)
    end = min(99, start + draw.randint(5, 40))
    width, height = draw.choice([(640, 360), (1280, 720), (641, 479)])
    x, y = draw.uniform(0, 0.5), draw.uniform(0, 0.5)
    corners = [x, y, x + draw.uniform(0.1, 0.5), y + draw.uniform(0.1, 0.5)]
    truth, boxes = {}, {}
    shift = draw.choice([0, 0, 1, 3, 10, 40])
    for place in range(start, end + 1):
        corners = moved(draw, corners, 0.01)
        x1, y1, x2, y2 = corners
        pixels = [x1 * width, y1 * height, x2 * width, y2 * height]
        truth[str(frames[place])] = [round(pixel, 2) for pixel in pixels]
        if place + shift <= 99:
            boxes[place + shift] = moved(draw, corners, 0.05)
    first, final = min(boxes, default=start), max(boxes, default=end)
    tube = " ".join(f"{token('TEMP', time)}:[{box_tokens(corners)}]" for time, corners in boxes.items())
    answer = f"During the span of {{{token('TEMP', first)}{token('TEMP', final)}}}. Object bounding box: {tube}"
    question = "<video>\nAt which time interval can we see the thing that moves?"
    return {
        "data_type": "video",
        "video_path": f"videos/{number:05d}.mp4",
        "prompt": question,
        "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": None}],
        "gt": {"tvg": [frames[start], frames[end]], "svg": truth},
        "width": width,
        "height": height,
        "frame_num": 100,
        "split": [0, last],
        "variables": {},
        "outputs": answer,
        "converted_outputs": numbers_for_tokens(answer),
    }


def write_records(path, count):
    draw = random.Random(0)
    with open(path, "w") as file:
        for number in range(count):
            file.write(json.dumps(record(draw, number)) + "\n")


def timed(command):
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode > 1 or not done.stdout:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return seconds, done.stdout


def best_of(runs, command):
    return min((timed(command) for _ in range(runs)), key=lambda one: one[0])


def original_scores(output):
    lines = dict(line.split(" ", 1) for line in output.splitlines() if line.startswith(("seconds", "scores")))
    return float(lines["seconds"]), json.loads(lines["scores"])


def compare(ours, theirs):
    for metric in ours["metrics"]:
        difference = abs(metric["value"] - theirs[metric["name"]])
        if difference > 1e-9:
            sys.exit(f"{metric['name']}: ours {metric['value']}, the original's {theirs[metric['name']]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steval", required=True, help="the program, built with --release")
    parser.add_argument("--original", help="clone of the original's repository; without, only ours is timed")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stvg.jsonl")
        write_records(path, args.records)
        print(f"{args.records} STVG records, {os.path.getsize(path) / 1e6:.1f} MB, {os.cpu_count()} cores, best of {args.runs}")
        score = [args.steval, "score", "--json", "--protocol", "original", path]
        plain, output = best_of(args.runs, [*score, "--resamples", "0"])
        print(f"steval score                         {plain:8.3f} s")
        intervals, _ = best_of(args.runs, score)
        print(f"steval score, 1,000 resamples        {intervals:8.3f} s")
        files, _ = best_of(args.runs, [*score, "--per-record", os.path.join(folder, "scores")])
        print(f"  and each record's score in 2 files {files:8.3f} s")
        if not args.original:
            return
        command = [sys.executable, "-c", SCORER, args.original, path]
        whole, theirs = best_of(max(1, args.runs // 2), command)
        inside, scores = original_scores(theirs)
        print(f"the original's scorer                {whole:8.3f} s   {whole / plain:6.1f} times as long, {whole / intervals:.1f} with resamples")
        print(f"  without start and imports          {inside:8.3f} s   {inside / plain:6.1f} times as long")
        compare(json.loads(output)[0], scores)
        print("all scores agree to 1e-9")


if __name__ == "__main__":
    main()
