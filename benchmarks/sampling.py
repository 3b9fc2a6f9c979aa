"""Are textures better where samples look with footprints? Points and footprints on one capture, by one measure.

python -m benchmarks.sampling CAPTURE --texture-size 4096 [--cache DIR] [--only "bilinear 2" ...]

Rows go into benchmarks/results/sampling-CAPTURE.json, in the place of those of the same name. Every texture is scored
by the same renders, whatever it was fitted with: 4 x 4 points a pixel. Beside that the scores by its own samples, as a
run of the command reports them.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, provenance
from neuraltexgen.evaluate import ViewScore, score_view, seen_texels
from neuraltexgen.lookups import TAPS, Sampling
from neuraltexgen.metrics import mean_score
from neuraltexgen.pipeline import mesh_key, unwrapped
from neuraltexgen.readers import read_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.scene import Mesh, Scene
from neuraltexgen.training import train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.types import no_progress
from neuraltexgen.unwrap import UnwrapSettings
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views

ROWS: tuple[tuple[Sampling, int], ...] = (
    ("bilinear", 1),
    ("mip", 1),
    ("anisotropic", 1),
    ("bilinear", 2),
    ("mip", 2),
    ("anisotropic", 2),
    ("bilinear", 3),
)
REFERENCE = 4
"""Points a pixel, along each side, of the renders that all textures are scored by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--texture-size", type=int, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", nargs="*", help="names of rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cache = arguments.cache or Path(scratch)
        scene = read_capture(arguments.capture)
        mesh, _ = unwrapped(scene, UnwrapSettings(resolution=arguments.texture_size), cache, no_progress)
        listed = arguments.capture / "heldout.txt"
        settings = TrainSettings(
            FitSettings(solver="adam"), arguments.texture_size, str(listed) if listed.exists() else "8"
        )
        judge = Judge(scene, mesh, cache, arguments.texture_size)
        file = RESULTS / f"sampling-{scene.name}.json"
        rows = json.loads(file.read_text()) if file.exists() else {}
        for sampling, samples in ROWS:
            name = f"{sampling} {samples}"
            if not arguments.only or name in arguments.only:
                found = judge.row(sampling, samples, settings)
                rows[name] = {**provenance(), "texture": arguments.texture_size, "views": len(scene.views), **found}
                print(name, found, flush=True)
                file.write_text(json.dumps(rows, indent=1) + "\n")


class Judge:
    """Fits textures of one capture, and scores each by its own samples and by those of all."""

    def __init__(self, scene: Scene, mesh: Mesh, cache: Path, size: int) -> None:
        self.scene, self.mesh, self.cache, self.size = scene, mesh, cache, (mesh.pages * size, size)
        self.names = [view.name for view in scene.views]
        self.reference = self._views(REFERENCE)

    def row(self, sampling: Sampling, samples: int, settings: TrainSettings) -> dict[str, Any]:
        """One fit with so many samples a pixel, and its scores."""
        chosen = TrainSettings(settings.fit, settings.texture_size, settings.holdout, sampling=sampling)
        paths = self._views(samples)
        with tempfile.TemporaryDirectory() as scratch:
            start = time.monotonic()
            trained = train_and_score(paths, self.names, chosen, Path(scratch), self.mesh)
            seconds = time.monotonic() - start
        views = Views(self.reference, torch.device("cpu"), 0, TAPS["bilinear"])
        seen = seen_texels(views, self.size, trained.train)
        texture = torch.from_numpy(trained.result.texture)
        scores: list[ViewScore] = [score_view(texture, views[i], seen) for i in trained.held]
        by_all, by_own = mean_score([s.score for s in scores]), trained.mean
        return {
            "psnr": round(float(by_all.psnr_fitted), 3),
            "ssim": round(float(by_all.ssim_fitted), 4),
            "sharpness": round(float(by_all.sharpness), 3),
            "own": [round(float(x), 4) for x in (by_own.psnr_fitted, by_own.ssim_fitted, by_own.sharpness)],
            "worst": round(float(np.min([s.score.psnr_fitted for s in scores])), 2),
            "fit_seconds": round(seconds, 1),
        }

    def _views(self, samples: int) -> list[Path]:
        settings = ViewSettings(samples)
        renderer = make_renderer(self.mesh, "raster")
        return prepare_views(self.scene.views, renderer, mesh_key(self.mesh), settings, self.cache / "views")


if __name__ == "__main__":
    main()
