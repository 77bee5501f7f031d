#!/usr/bin/env python3
"""Times `stdata shard` and the shard reader against what Python offers for the same work.

    speed.py --stdata target/release/stdata --reader target/release/examples/read VIDEO.mp4 ...

Work: 100 frames spread over each video, squeezed to 384x384 with Pillow's bicubic filter, saved as JPEG of quality 95;
then the reading of those frames again as a training epoch does. Every contestant is a whole process with two workers of
one decoder thread each. Peers are installed from PyPI into --venv on the first run (torchcodec brings PyTorch with it;
--without torchcodec leaves it out). CPU seconds (user and system, children included) are what to compare on a machine
that does other things as well; wall-clock seconds stand beside them.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PEERS = ["decord", "av", "pillow", "numpy", "webdataset"]
FRAMES, SIZE, QUALITY = 100, 384, 95


def indices(total):
    return [round(i / (FRAMES - 1) * (total - 1)) for i in range(FRAMES)]


def save(pictures, folder, stem):
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for place, picture in enumerate(pictures):
        image = Image.fromarray(picture).resize((SIZE, SIZE), Image.BICUBIC)
        image.save(folder / f"{stem}.{place:03}.jpg", quality=QUALITY)


def frames_decord(path):
    from decord import VideoReader, cpu

    reader = VideoReader(path, ctx=cpu(0), num_threads=1)
    return reader.get_batch(indices(len(reader))).asnumpy()


def frames_pyav(path):
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        total = stream.frames or sum(1 for _ in container.decode(stream))
        wanted = indices(total)
        at, pictures = 0, []
        for number, frame in enumerate(container.decode(stream)):
            while at < len(wanted) and wanted[at] == number:
                pictures.append(frame.to_ndarray(format="rgb24"))
                at += 1
            if at == len(wanted):
                break
        return pictures


def frames_torchcodec(path):
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    return decoder.get_frames_at(indices=indices(len(decoder))).data.numpy()


SOURCES = {"decord": frames_decord, "pyav": frames_pyav, "torchcodec": frames_torchcodec}


def make(job):
    peer, path, folder = job
    if peer == "torchcodec":
        import torch

        torch.set_num_threads(1)
    save(SOURCES[peer](path), pathlib.Path(folder), pathlib.Path(path).stem)


def decode_epoch(path):
    """What the original does for each record in each epoch: decord, then the processor's resize."""
    import numpy
    from PIL import Image

    pictures = frames_decord(path)
    resized = [numpy.asarray(Image.fromarray(p).resize((SIZE, SIZE), Image.BICUBIC)) for p in pictures]
    return len(resized)


def read_tar(job):
    import numpy
    import webdataset

    tar, part = job
    frames = 0
    for at, sample in enumerate(webdataset.WebDataset(tar, shardshuffle=False)):
        if at % 2 != part:
            continue
        import io
        from PIL import Image

        for key in sorted(k for k in sample if k.endswith(".jpg")):
            frames += len(numpy.asarray(Image.open(io.BytesIO(sample[key])))) > 0
    return frames


def peer_main(arguments):
    """Runs inside the virtual environment, as a process of its own."""
    from multiprocessing import Pool

    peer, rest = arguments[0], arguments[1:]
    with Pool(2) as pool:
        if peer == "webdataset":
            done = sum(pool.map(read_tar, [(rest[0], 0), (rest[0], 1)]))
        elif peer == "decode-epoch":
            done = sum(pool.map(decode_epoch, rest, chunksize=1))
        else:
            pool.map(make, [(peer, path, rest[0]) for path in rest[1:]], chunksize=1)
            done = FRAMES * len(rest[1:])
    print(done)


def timed(command):
    """(wall seconds, CPU seconds, last line of output) of a process and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    wall = time.perf_counter() - start
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command[:3]}: {err.strip()[-500:]}")
    return wall, out.strip().splitlines()[-1] if out.strip() else ""


def measure(name, command, before=lambda: None, rounds=3):
    """Best of `rounds`; CPU seconds are read off the resource use of finished children."""
    import resource

    walls, cpus, last = [], [], ""
    for _ in range(rounds):
        before()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, last = timed(command)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(wall)
        cpus.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
    print(f"{name}: {min(cpus):.2f} CPU s, {min(walls):.2f} s ({last})", file=sys.stderr)
    return {"name": name, "cpu": min(cpus), "wall": min(walls), "median_cpu": statistics.median(cpus)}


def environment(folder, without):
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = PEERS + ([] if "torchcodec" in without else ["torch", "torchcodec"])
    missing = [p for p in wanted if subprocess.run([python, "-m", "pip", "show", "-q", p], capture_output=True).returncode]
    if missing:
        subprocess.run([python, "-m", "pip", "install", "-q", *missing], check=True)
    return str(python)


def table(title, ours, peers):
    print(f"\n{title}\n\n| contestant | CPU s | times ours | wall s | times ours |\n| --- | --- | --- | --- | --- |")
    for row in [ours, *peers]:
        cpu, wall = row["cpu"] / ours["cpu"], row["wall"] / ours["wall"]
        print(f"| {row['name']} | {row['cpu']:.2f} | {cpu:.2f} | {row['wall']:.2f} | {wall:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stdata", required=True)
    parser.add_argument("--reader", required=True)
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path.home() / ".cache" / "llava-st-peers")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("videos", nargs="+")
    args = parser.parse_args()
    python = environment(args.venv, args.without)
    videos = [os.path.abspath(video) for video in args.videos]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        turns = [{"from": "human", "value": "<video>\n?"}, {"from": "gpt", "value": "."}]
        records = [{"id": str(i), "video": v, "conversations": turns, "variables": {}} for i, v in enumerate(videos)]
        (work / "records.json").write_text(json.dumps(records))

        def fresh():
            for name in ("shards", "jpegs"):
                shutil.rmtree(work / name, ignore_errors=True)

        me = [python, os.path.abspath(__file__), "--peer"]
        shard = [args.stdata, "-q", "shard", str(work / "records.json"), "-j", "2", "--out", str(work / "shards")]
        makers = ["decord", "pyav"] + ([] if "torchcodec" in args.without else ["torchcodec"])
        peers = [measure(p, [*me, p, str(work / "jpegs"), *videos], fresh, args.rounds) for p in makers]
        ours = measure("stdata shard", shard, fresh, args.rounds)
        table(f"Making {FRAMES} frames of each of {len(videos)} videos", ours, peers)
        tar = str(work / "shards" / "000000.tar")
        read = measure("shard reader", [args.reader, str(work / "shards"), "2"], rounds=args.rounds)
        readers = [
            measure("webdataset + Pillow", [*me, "webdataset", tar], rounds=args.rounds),
            measure("decord + Pillow from mp4, as the original", [*me, "decode-epoch", *videos], rounds=args.rounds),
        ]
        table("Reading them once", read, readers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer_main(sys.argv[2:])
    else:
        main()
