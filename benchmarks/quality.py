"""How good is a texture? Held-out scores, time per stage and memory of the whole job, ours or the published recipe.

python -m benchmarks.quality SCENES [NAME ...] [--published]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, provenance

SIZES = {"sevenscenes_colmap": 2048, "herzjesu": 4096, "fox": 4096}
"""Texture sizes at which figures are compared; the tool chooses for the others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--published", action="store_true", help="the published recipe instead of ours")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.scenes / arguments.one, arguments.published)))
        return
    names = arguments.names or sorted(path.name for path in arguments.scenes.iterdir() if path.is_dir())
    for name in names:
        extra = ["--published"] if arguments.published else []
        command = [sys.executable, "-m", "benchmarks.quality", str(arguments.scenes), "--one", name, *extra]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(name, "failed:", done.stderr[-2000:], file=sys.stderr)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        recipe = "published" if arguments.published else "ours"
        (RESULTS / f"quality-{name}-{recipe}.json").write_text(json.dumps(row, indent=1) + "\n")
        mean = row["aligned"] or row["held_out"]
        print(
            f"{name:20s} {recipe:9s} PSNR {mean['psnr_fitted']:.2f} dB, sharpness {mean['sharpness']:.2f}, "
            f"{sum(row['seconds'].values()):.0f} s, {row['peak_gib']:.2f} GiB",
            flush=True,
        )


def run(capture: Path, published: bool) -> dict[str, Any]:
    """One whole `texture` job in this process."""
    from neuraltexgen.pipeline import Job, texture_capture
    from neuraltexgen.recipes import PUBLISHED, FitSettings
    from neuraltexgen.training_settings import TrainSettings

    size, listed = SIZES.get(capture.name), capture / "heldout.txt"
    holdout = str(listed) if listed.exists() else "8"
    fit = PUBLISHED if published else FitSettings()
    with tempfile.TemporaryDirectory() as out:
        outcome = texture_capture(capture, Path(out), Job(train=TrainSettings(fit, size, holdout)))
    trained = outcome.trained
    return {
        **provenance(),
        "capture": capture.name,
        "recipe": "published" if published else "ours",
        "texture": outcome.texture.shape[0],
        "views": len(outcome.scene.views),
        "faces": len(outcome.mesh.faces),
        "held_out": asdict(trained.mean),
        "aligned": None if outcome.aligned is None else asdict(outcome.aligned.mean),
        "per_view": {s.name: round(s.score.psnr_fitted, 2) for s in trained.scores},
        "curve": [[number, round(psnr, 3), round(sharp, 3)] for number, psnr, sharp in trained.curve],
        "seconds": {stage: round(seconds, 1) for stage, seconds in outcome.seconds.items()},
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


if __name__ == "__main__":
    main()
