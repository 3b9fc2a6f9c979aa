"""How fast is a texture's held-out score reached, and how low the objective: Adam and the direct solver, in one run.

python -m benchmarks.solver CAPTURE [--texture-size 2048] [--cache DIR] [--long 30] [--only NAME ...]
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import RESULTS, provenance
from neuraltexgen.direct import solve
from neuraltexgen.evaluate import quick_score, scored_pixels, seen_texels
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.holdout import held_out
from neuraltexgen.kernels.sample import render
from neuraltexgen.machine import GIB
from neuraltexgen.pipeline import mesh_key, unwrapped
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import SeamTie, find_seam_tie
from neuraltexgen.texture import TextureSettings
from neuraltexgen.unwrap import UnwrapSettings
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--texture-size", type=int, default=2048)
    parser.add_argument("--cache", type=Path, help="keeps uvs and UV maps for the next time")
    parser.add_argument("--long", type=int, default=30, help="passes of Adam that stand for its minimum")
    parser.add_argument("--only", nargs="*", help="adam, direct, adam-plain, direct-plain")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments.capture, arguments.texture_size, arguments.cache or Path(scratch))
        rows = [bench.row(name, *run) for name, run in runs(arguments.long).items() if wanted(name, arguments.only)]
    result = {**provenance(), "capture": arguments.capture.name, "texture": arguments.texture_size, "rows": rows}
    (RESULTS / f"solver-{arguments.capture.name}.json").write_text(json.dumps(result, indent=1) + "\n")


def wanted(name: str, only: list[str] | None) -> bool:
    return only is None or name in only


def runs(long: int) -> dict[str, tuple[str, FitSettings]]:
    """The defaults of both; and both on one function, without exposures and weights, Adam long and undamped."""
    plain = FitSettings(exposure=False, sharpness_power=0.0, smoothness=1e-3)
    return {
        "direct": ("direct", FitSettings()),
        "adam": ("adam", FitSettings()),
        "direct-plain": ("direct", plain),
        "adam-plain": ("adam", replace(plain, passes=long, damping=None)),
    }


class Bench:
    """One capture's views, unwrapped and prepared once for all runs."""

    def __init__(self, capture: Path, size: int, cache: Path) -> None:
        scene = read_capture(capture, ReadOptions())
        self.mesh, _ = unwrapped(scene, UnwrapSettings("auto", size), cache)
        renderer = make_renderer(self.mesh, "auto")
        paths = prepare_views(scene.views, renderer, mesh_key(self.mesh), ViewSettings(), cache / "views")
        names, listed = [view.name for view in scene.views], capture / "heldout.txt"
        self.held = held_out(names, str(listed) if listed.exists() else "8")
        self.train = tuple(index for index in range(len(names)) if index not in self.held)
        self.views = Views(paths, torch.device("cpu"), 8 * GIB)
        for index in range(len(self.views)):
            self.views[index]  # reading files is not what is timed
        self.texture = TextureSettings((size, size))
        self.seams = tie(self.mesh, size)
        seen = seen_texels(self.views, (size, size), self.train)
        self.masks = {index: scored_pixels(self.views[index], seen) for index in self.held}

    def row(self, name: str, solver: str, settings: FitSettings) -> dict[str, Any]:
        """One fit: seconds and held-out score after each pass or round, without the time that scoring takes."""
        curve: list[tuple[float, float, float]] = []
        scoring, began = 0.0, time.monotonic()

        def on_pass(record: PassRecord, texture: Tensor) -> tuple[float, ...]:
            nonlocal scoring
            start = time.monotonic()
            figures = [quick_score(texture, self.views[i], mask) for i, mask in self.masks.items() if mask.any()]
            psnr, sharpness = np.mean(figures, axis=0).tolist()
            curve.append((round(start - began - scoring, 2), round(psnr, 3), round(sharpness, 3)))
            print(f"{name:14s} {record.number:3d} {curve[-1]}", flush=True)
            scoring += time.monotonic() - start
            return ()

        fitted = (solve if solver == "direct" else fit)(
            self.views.subset(self.train),
            replace(settings, texture=self.texture),
            on_pass=on_pass,
            beside=Beside(seams=self.seams),
        )
        seconds = time.monotonic() - began - scoring
        row = {"name": name, "seconds": round(seconds, 1), "objective": self.objective(fitted), "curve": curve}
        print(name, f"{row['seconds']} s, objective {row['objective']:.6e}", flush=True)
        return row

    def objective(self, fitted: FitResult) -> float:
        """The mean over fitted views of the squared difference, weighted by squared confidence; seams included."""
        texture, total = torch.from_numpy(fitted.texture), 0.0
        for place, index in enumerate(self.train):
            view = self.views[index]
            valid = view.confidence > 0
            gain, offset = (torch.from_numpy(part[place]) for part in (fitted.gains, fitted.offsets))
            left = view.confidence[..., None] * (gain * render(texture, view.uv, valid) + offset - view.colours())
            total += float(left[valid].double().square().mean()) if valid.any() else 0.0
        return total / len(self.train) + self.seam_term(texture)

    def seam_term(self, texture: Tensor) -> float:
        """What the tie adds to the objective, as the fit weighs it."""
        first = self.views[self.train[0]].photo
        uv = torch.from_numpy(self.seams.uv)[:, :, None, None]
        every = torch.ones(uv.shape[1], 1, dtype=torch.bool)
        step = render(texture, uv[0], every) - render(texture, uv[1], every)
        return FitSettings().seam_weight * float(step.double().square().sum()) / (first.shape[0] * first.shape[1])


def tie(mesh: Mesh, size: int) -> SeamTie:
    return find_seam_tie(mesh, (size, size))


if __name__ == "__main__":
    main()
