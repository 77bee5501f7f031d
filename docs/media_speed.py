"""Makes what `stdata media` was timed on: 1,000,000 records like ST-Align's stvg that name 250,000 videos, 200,000 of them there.

python3 docs/media_speed.py DIR && time stdata media DIR/data.yaml -j 2
"""
import json
import os
import sys

RECORDS, NAMED, THERE = 1_000_000, 250_000, 200_000
root = sys.argv[1]
box = "<TEMP-OUTPUT>:[<WIDTH-OUTPUT><HEIGHT-OUTPUT><WIDTH-OUTPUT><HEIGHT-OUTPUT>]"
locations = {f"{axis}_{side}_locations": [] for axis in ("temporal", "spatial_height", "spatial_width") for side in ("input", "output")}
locations["temporal_output_locations"] = [0.1, 0.9, 0.1, 0.2, 0.3, 0.4]
locations["spatial_width_output_locations"] = locations["spatial_height_output_locations"] = [0.1, 0.2] * 4
turns = [
    {"from": "human", "value": "<video>\nWhen and where does the adult in blue lean on the bench? "},
    {"from": "gpt", "value": "During the span of {<TEMP-OUTPUT><TEMP-OUTPUT>}. Object bounding box: " + ", ".join([box] * 4)},
]
record = json.dumps({"type": "stvg", "id": "ID", "video": "PATH", "meta": {"split": [0, 11]}, "conversations": turns, "variables": locations})


def path(number):
    return f"{number // 100:04d}/{number}.mp4"


os.makedirs(root, exist_ok=True)
with open(f"{root}/stvg.json", "w") as file:
    for number in range(RECORDS):
        file.write("[" if number == 0 else ",\n")
        file.write(record.replace("ID", f"r{number}", 1).replace("PATH", path(number % NAMED), 1))
    file.write("]\n")
with open(f"{root}/data.yaml", "w") as file:
    file.write("datasets:\n- {json_path: stvg.json, source: vidstg, data_folder: media}\n")
for number in range(THERE):
    place = f"{root}/media/{path(number)}"
    if number % 100 == 0:
        os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w") as file:
        file.write("x")
