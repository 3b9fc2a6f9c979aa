"""Does a real capture's texture get finer than its photos? They are shrunk; held-out ones of twice the size judge.

python -m benchmarks.native_superres_capture CAPTURE [--shrink 4]
"""

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import RESULTS, provenance
from benchmarks.native_superres import enlarge
from neuraltexgen.evaluate import ViewScore, score_view, scored_pixels, seen_texels
from neuraltexgen.fit import fit
from neuraltexgen.geometry import resize_camera
from neuraltexgen.holdout import held_out
from neuraltexgen.images import read_photo, write_png
from neuraltexgen.metrics import mean_score, score
from neuraltexgen.pipeline import unwrapped
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.scene import Scene, View
from neuraltexgen.texture import TextureSettings
from neuraltexgen.unwrap import UnwrapSettings
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views

SAMPLES = 3


class Capture:
    """A capture whose photos can be had at any size, and the held-out ones at one."""

    def __init__(self, capture: Path, folder: Path, shrink: int) -> None:
        self.scene: Scene = read_capture(capture, ReadOptions())
        listed = capture / "heldout.txt"
        names = [view.name for view in self.scene.views]
        self.held = held_out(names, str(listed) if listed.exists() else "8")
        self.fitted = [i for i in range(len(names)) if i not in self.held]
        self.folder, self.shrink = folder, shrink
        mesh, _ = unwrapped(self.scene, UnwrapSettings(), folder)
        self.caster = RayCaster(mesh)
        views = self.views(self.fitted, shrink, SAMPLES)
        footprint = float(np.median([view.footprint for _, view in views.stream(range(len(views)))]))
        self.texels = 16 * round(2 / footprint / 16)
        self.seen = seen_texels(views, (self.texels, self.texels), range(len(views)))
        self.judges = self.views(self.held, shrink // 2, SAMPLES)

    def views(self, indices: list[int] | tuple[int, ...], shrink: int, samples: int) -> Views:
        listed = [self.shrunk(self.scene.views[index], shrink) for index in indices]
        files = prepare_views(listed, self.caster, "capture", ViewSettings(samples), self.folder / "views")
        return Views(files, torch.device("cpu"), 1 << 32)

    def shrunk(self, view: View, shrink: int) -> View:
        """The view with its photo's pixels averaged over shrink x shrink; what is left over at the far sides is cut."""
        path = self.folder / str(shrink) / f"{Path(view.name).stem}.png"
        width, height = view.camera.width // shrink, view.camera.height // shrink
        if (width * shrink, height * shrink) != (view.camera.width, view.camera.height):
            raise ValueError(f"{view.name}: its sides are no multiples of {shrink}")
        if not path.exists():
            pixels = torch.from_numpy(read_photo(view.photo, upright=view.exif_upright).pixels)
            planes = F.avg_pool2d(pixels.permute(2, 0, 1).float() / 255, shrink)
            write_png(path, planes.permute(1, 2, 0).numpy())
        return replace(view, camera=resize_camera(view.camera, width, height), photo=path, mask=None)

    def fit(self, texels: int, shrink: int, samples: int, compare_at: str) -> Tensor:
        settings = FitSettings(TextureSettings((texels, texels)), compare_at=compare_at)
        return torch.from_numpy(fit(self.views(self.fitted, shrink, samples), settings).texture)

    def row(self, name: str, scores: list[ViewScore]) -> dict[str, Any]:
        mean = {key: round(value, 3) for key, value in asdict(mean_score([s.score for s in scores])).items()}
        return {"name": name, **mean, "per_view": {s.name: round(s.score.psnr_fitted, 2) for s in scores}}

    def scored(self, name: str, texture: Tensor) -> dict[str, Any]:
        return self.row(name, [score_view(texture, view, self.seen) for view in self.judges])

    def enlarged_photos(self) -> dict[str, Any]:
        """The held-out photos themselves, at the size of the others, enlarged bicubically."""
        pairs = zip(self.views(self.held, self.shrink, 1), self.judges)
        found = [
            ViewScore(large.name, score(enlarge(small.colours(), 2), large.colours(), scored_pixels(large, self.seen)))
            for small, large in pairs
        ]
        return self.row("held-out photo, enlarged", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--shrink", type=int, default=4, help="of the photos to fit, an even number")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = Capture(arguments.capture, Path(folder), arguments.shrink)
        rows = [capture.enlarged_photos()]
        for name, divide, shrink, samples, compare_at in (
            ("texels of a pixel", 2, arguments.shrink, SAMPLES, "photo"),
            ("photos enlarged", 1, arguments.shrink, 2, "uvmap"),
            ("texels of half a pixel", 1, arguments.shrink, SAMPLES, "photo"),
            ("photos of twice the size", 1, arguments.shrink // 2, SAMPLES, "photo"),
        ):
            texture = capture.fit(capture.texels // divide, shrink, samples, compare_at)
            rows.append(capture.scored(name, texture))
            print(rows[-1], flush=True)
        counts = {"fitted": len(capture.fitted), "held_out": len(capture.held), "texels": capture.texels}
    result = {**provenance(), "capture": arguments.capture.name, "shrink": arguments.shrink, **counts, "rows": rows}
    (RESULTS / f"native-superres-{arguments.capture.name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
