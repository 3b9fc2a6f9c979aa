"""How long does a .sens file take to read, beside the decoding of its blobs alone, and how much memory?

python -m benchmarks.sens [--frames 1000]

A made-up file with ScanNet's sizes: JPEG photos of 1296 x 968 and zlib depth of 640 x 480. Alone: the blobs, already in
memory one after the other, become pixels through Pillow and zlib. Reader: `read_capture`, which copies the photos
out, then `read_photo` and `read_depth` of every view. Each in a process of its own, in turns.
"""

import argparse
import io
import json
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from benchmarks.common import RESULTS, provenance
from neuraltexgen.images import read_depth, read_photo
from neuraltexgen.readers import ReadOptions, read_capture

PHOTO, DEPTH, KINDS, REPEATS = (1296, 968), (640, 480), 8, 3
SIZES, FRAME = struct.Struct("<iiIIIIfQ"), struct.Struct("<16fQQQQ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS / "sens.json")
    parser.add_argument("--work", choices=WORK)
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    if arguments.work:
        start = time.perf_counter()
        WORK[arguments.work](arguments.file)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_gib": peak}))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = write_sens(Path(folder) / "scan.sens", arguments.frames)
        runs = [(name, measured(name, file)) for _ in range(REPEATS) for name in WORK]
        size = file.stat().st_size
    rows = [summary(name, [row for other, row in runs if other == name]) for name in WORK]
    result = {**provenance(), "frames": arguments.frames, "file_mib": round(size / 2**20), "rows": rows}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def write_sens(path: Path, frames: int) -> Path:
    """The file, from a few pictures in turn: smooth ones with a little noise, which compress as photos do."""
    rng = np.random.default_rng(0)
    blobs = [(jpeg(rng), zlib.compress(depth(rng).tobytes())) for _ in range(KINDS)]
    matrix = np.array([[1170, 0, 648, 0], [0, 1170, 484, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "<f4").tobytes()
    unit = np.eye(4, dtype="<f4").tobytes()
    with path.open("wb") as file:
        file.write(struct.pack("<IQ", 4, 6) + b"sensor" + matrix + unit + matrix + unit)
        file.write(SIZES.pack(2, 1, *PHOTO, *DEPTH, 1000.0, frames))
        for i in range(frames):
            colour, deep = blobs[i % KINDS]
            pose = np.eye(4)
            pose[0, 3] = 0.01 * i
            file.write(FRAME.pack(*pose.ravel(), i, i, len(colour), len(deep)) + colour + deep)
        file.write(struct.pack("<Q", 0))
    return path


def jpeg(rng: np.random.Generator) -> bytes:
    coarse = Pillow.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize(
        PHOTO, Pillow.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse, np.float32) + rng.normal(0, 4, (PHOTO[1], PHOTO[0], 3))
    buffer = io.BytesIO()
    Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def depth(rng: np.random.Generator) -> np.ndarray:
    slope = np.linspace(800, 4000, DEPTH[0])[None] + np.linspace(0, 500, DEPTH[1])[:, None]
    return (slope + rng.normal(0, 4, slope.shape)).astype("<u2")


def blobs_alone(path: Path) -> None:
    for colour, deep in blobs_in(path):
        np.asarray(Pillow.open(io.BytesIO(colour)).convert("RGB"))
        np.frombuffer(zlib.decompress(deep), "<u2").reshape(DEPTH[::-1])


def blobs_in(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        file.seek(4 + 8 + 6 + 4 * 64)
        frames = SIZES.unpack(file.read(SIZES.size))[-1]
        for _ in range(frames):
            *_, colour, deep = FRAME.unpack(file.read(FRAME.size))
            yield file.read(colour), file.read(deep)


def through_the_reader(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for view in read_capture(path, ReadOptions(extract=Path(folder))).views:
            read_photo(view.photo)
            assert view.depth is not None
            read_depth(view.depth)


WORK = {"blobs alone": blobs_alone, "reader": through_the_reader}


def measured(name: str, file: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.sens", "--work", name, "--file", str(file)]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def summary(name: str, rows: list[dict[str, float]]) -> dict[str, Any]:
    seconds = [row["seconds"] for row in rows]
    times = {key: round(f(seconds), 2) for key, f in (("median", statistics.median), ("min", min), ("max", max))}
    return {"work": name, "seconds": times, "peak_gib": round(max(row["peak_gib"] for row in rows), 2)}


if __name__ == "__main__":
    main()
