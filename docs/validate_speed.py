#!/usr/bin/env python3
"""The counting checks of `stdata validate` as a plain Python loader makes them: json.load, then a loop.

    stdata synth --out /tmp/synth --annotations-only --records 1000000
    python3 docs/validate_speed.py /tmp/synth/annotations/train/*.json
    stdata validate /tmp/synth/train.yaml

It checks much less than stdata does: placeholders against numbers, numbers in [0, 1], span and box order, alternating roles, one
media placeholder. Prints records, megabytes a second (of CPU time too) and how many records failed.
"""

import json
import re
import sys
import time

LISTS = [
    ("<TEMP-INPUT>", "temporal_input_locations"), ("<TEMP-OUTPUT>", "temporal_output_locations"),
    ("<HEIGHT-INPUT>", "spatial_height_input_locations"), ("<HEIGHT-OUTPUT>", "spatial_height_output_locations"),
    ("<WIDTH-INPUT>", "spatial_width_input_locations"), ("<WIDTH-OUTPUT>", "spatial_width_output_locations"),
]
TOKENS = re.compile(r"<(?:TEMP|HEIGHT|WIDTH)-(?:INPUT|OUTPUT)>")
GROUPS = re.compile(r"\{<TEMP-(IN|OUT)PUT><TEMP-\1PUT>\}|\[<WIDTH-(IN|OUT)PUT><HEIGHT-\2PUT><WIDTH-\2PUT><HEIGHT-\2PUT>\]")


def sound(record):
    text = "".join(turn["value"] for turn in record["conversations"])
    variables = record.get("variables") or {}
    for token, name in LISTS:
        numbers = variables.get(name, [])
        if text.count(token) != len(numbers) or any(not 0 <= number <= 1 for number in numbers):
            return False
    roles = [turn["from"] for turn in record["conversations"]]
    if any(role != ("human", "gpt")[i % 2] for i, role in enumerate(roles)):
        return False
    if text.count("<image>") + text.count("<video>") != 1:
        return False
    for side in ("input", "output"):
        for axis in ("width", "height"):
            numbers = variables.get(f"spatial_{axis}_{side}_locations", [])
            if any(b < a for a, b in zip(numbers[::2], numbers[1::2])):
                return False
    return len(GROUPS.findall(text)) <= len(TOKENS.findall(text))


def main(paths):
    start, cpu = time.perf_counter(), time.process_time()
    records = failed = size = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
            size += file.tell()
        records += len(data)
        failed += sum(not sound(record) for record in data)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{records} records, {failed} failed, {size / 1e6:.0f} MB, {wall:.1f} s = {size / 1e6 / wall:.1f} MB/s, "
          f"{cpu:.1f} s of CPU = {size / 1e6 / cpu:.1f} MB/s of CPU")


if __name__ == "__main__":
    main(sys.argv[1:])
