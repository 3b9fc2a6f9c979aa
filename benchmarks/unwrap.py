"""Which unwrapper lays a surface into a texture best, and what does it take?

python -m benchmarks.unwrap [NAME=MESH ...] [--methods NAME ...] [--resolution 2048] [--gutter 4]

Every method on every mesh, each in a process of its own: seconds for the unwrapping alone, the peak memory of that
process or of what it starts, and all figures of `neuraltexgen unwrap --measure`. NAME= without a file is a made-up
bumpy ball, which is all there is if no mesh is given.
Rows that FILE has already for other methods or meshes stay.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, provenance
from neuraltexgen.errors import NeuralTexGenError
from neuraltexgen.files import plain
from neuraltexgen.meshes import read_mesh
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import METHODS, UnwrapSettings, measure, unwrap

BALL = "bumpy ball"
RINGS = 224
"""Rings of the made-up surface, and quads in each: 2 * 224 * 223 = 99,904 faces."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", nargs="*", metavar="NAME=MESH", default=[f"{BALL}="])
    parser.add_argument("--methods", nargs="*", default=[name for name in METHODS if name != "keep"])
    parser.add_argument("--resolution", type=int, default=2048)
    parser.add_argument("--gutter", type=int, default=4)
    parser.add_argument("--time-limit", type=float, default=900.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "unwrap.json")
    parser.add_argument("--one", action="store_true", help="one method on one mesh in this process; prints its row")
    arguments = parser.parse_args()
    meshes = dict(text.split("=", 1) for text in arguments.meshes)
    settings = [
        UnwrapSettings(m, arguments.resolution, arguments.gutter, 1, arguments.time_limit) for m in arguments.methods
    ]
    if arguments.one:
        ((path, one),) = [(path, one) for path in meshes.values() for one in settings]
        print(json.dumps(row(bumpy_ball() if not path else read_mesh(Path(path)).mesh, one)))
        return
    rows = json.loads(arguments.out.read_text())["rows"] if arguments.out.exists() else []
    for name, path in meshes.items():
        for one in settings:
            found = {
                "mesh": name,
                "method": one.method,
                "gutter": one.gutter,
                **provenance(),
                "cores": len(os.sched_getaffinity(0)),
            }
            found |= in_process(path, one)
            rows = [r for r in rows if (r["mesh"], r["method"]) != (name, one.method)] + [found]
            print(found, flush=True)
            arguments.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def in_process(path: str, settings: UnwrapSettings) -> dict[str, Any]:
    """The row that a fresh process makes; `failed` says why there is none."""
    command = [sys.executable, "-m", "benchmarks.unwrap", f"it={path}", "--one", "--methods", settings.method]
    command += ["--resolution", str(settings.resolution), "--gutter", str(settings.gutter)]
    command += ["--time-limit", str(settings.time_limit)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=settings.time_limit + 60)
    except subprocess.TimeoutExpired:
        return {"failed": f"no result within {settings.time_limit:g} s"}
    return json.loads(ran.stdout) if ran.returncode == 0 else {"failed": ran.stderr.strip().splitlines()[-1]}


def row(mesh: Mesh, settings: UnwrapSettings) -> dict[str, Any]:
    """Seconds, peak memory and figures of one method; compiled code is compiled before the clock runs."""
    bare = Mesh(mesh.vertices, mesh.faces)
    try:
        unwrap(bumpy_ball(12), settings)
        start = time.perf_counter()
        done, _ = unwrap(bare, settings)
    except NeuralTexGenError as error:
        return {"failed": error.message}
    seconds = time.perf_counter() - start
    used = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures = plain(asdict(measure(done, settings.resolution)))
    return {"seconds": round(seconds, 2), "peak_gib": round(max(used), 2), "figures": figures}


def bumpy_ball(size: int = RINGS) -> Mesh:
    """A closed ball with bumps and a little noise, as a scan has."""
    up, turn = np.meshgrid(np.linspace(0, np.pi, size + 1), np.arange(size) * 2 * np.pi / size, indexing="ij")
    noise = np.random.default_rng(0).standard_normal(up.shape) / size
    radius = 1 + 0.15 * np.sin(5 * turn) * np.sin(3 * up) + 0.3 * noise
    radius[[0, -1]] = 1
    points = np.stack([np.sin(up) * np.cos(turn), np.sin(up) * np.sin(turn), np.cos(up)], -1) * radius[..., None]
    at = np.arange((size + 1) * size).reshape(size + 1, size)
    at[0], at[-1] = at[0, 0], at[-1, 0]
    right = np.roll(at, -1, axis=1)
    upper = np.stack([at[:-1], at[1:], right[:-1]], -1)[1:].reshape(-1, 3)
    lower = np.stack([right[:-1], at[1:], right[1:]], -1)[:-1].reshape(-1, 3)
    return Mesh(points.reshape(-1, 3), np.concatenate([upper, lower]).astype(np.int32))


if __name__ == "__main__":
    main()
