"""What a texture is trained with: the settings, and those of them in force, chosen by the photos and the machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from neuraltexgen.direct import can_solve
from neuraltexgen.direct.start import stride_for
from neuraltexgen.errors import ConfigError
from neuraltexgen.lookups import Sampling
from neuraltexgen.machine import BASELINE, memory_budget
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.style import StyleSettings
from neuraltexgen.views import load_view

ADAMS = ("passes", "batch", "learning_rate", "betas", "schedule", "damping")
"""Settings that only Adam reads: whoever changes one of them means Adam."""

TEXELS_PER_PIXEL = 1.5
"""Side length of a pixel's patch in texels that an automatic texture size aims at: finer than the photos, so that
sub-pixel detail that several photos share has room."""


@dataclass(frozen=True)
class TrainSettings:
    """`texture_size`: side of a page in texels, None to choose it from the photos. `holdout`: see `holdout.held_out`.

    `fall_off`: divide out what light a lens loses towards its corners, where the photos show it; `response`:
    straighten them by their camera's response curve, where they show one (both need `fit.exposure`).
    `blur`: find each photo's blur (needs `fit.exposure`, `sampling` of points, photos compared at their own size, no
    bands), and fit it as blurred; by the direct solver, or without room for more places a pixel, it counts less.
    `transients`: leave out of each photo what the others don't show. `final_fit`: fit once more on all views after
    scoring, and keep that. `style`: go on towards the style of a picture after that. `memory`: GiB to keep within, None
    for half the machine's. `sampling`: what a sample looks up, a point or the patch that it stands for (by Adam, whole
    textures only). `left_out`: names of views that are neither fitted nor scored.
    """

    fit: FitSettings = FitSettings()
    texture_size: int | None = None
    holdout: str = "8"
    fall_off: bool = True
    response: bool = True
    blur: bool = True
    transients: bool = False
    final_fit: bool = False
    style: StyleSettings | None = None
    device: str = "auto"
    memory: float | None = None
    sampling: Sampling = "bilinear"
    left_out: tuple[str, ...] = ()


def sized(settings: TrainSettings, paths: Sequence[Path], pages: int) -> TrainSettings:
    """The settings with the texture's size in force, that of all pages in one."""
    texture = settings.fit.texture
    size = settings.texture_size
    if size is None:
        size = automatic_size([load_view(path).footprint for path in paths], len(texture.level_weights), pages)
    fit_settings = replace(settings.fit, texture=replace(texture, size=(pages * size, size)))
    return replace(settings, fit=fit_settings, texture_size=size)


def with_solver(settings: TrainSettings, paths: Sequence[Path], device: torch.device) -> TrainSettings:
    """The settings with the solver in force: auto takes Adam, which has bands, where direct needs too much memory."""
    if settings.sampling != "bilinear":
        if settings.fit.solver == "direct":
            raise ConfigError(
                f"--solver direct has no --sampling {settings.sampling}: its stencil is that of points",
                fix="--solver adam, or --sampling bilinear",
            )
        return replace(settings, fit=replace(settings.fit, solver="adam"))
    chosen = replace(settings, fit=replace(settings.fit, solver=choose_solver(settings.fit, device)))
    sizes = [path.stat().st_size for path in paths]
    kept = exposure_bytes(chosen.fit, sum(sizes), load_view(paths[0]).photo.shape[:2])
    needed = BASELINE + fit_bytes(chosen.fit) + kept + 2 * max(sizes)
    if settings.fit.solver == "auto" and needed > memory_budget(settings.memory, device):
        return replace(settings, fit=replace(settings.fit, solver="adam"))
    return chosen


def automatic_size(footprints: Sequence[float], levels: int, pages: int = 1) -> int:
    """The power of two, 256 to 8192, at which the median view's pixel is nearest to 1.5 texels wide.

    `footprints`: a pixel's side length in uv units, per view; 0 for views that see nothing. `pages`: how many textures
    of that size the uvs are for.
    """
    seen = [footprint for footprint in footprints if footprint > 0]
    if not seen:
        return 1024
    ideal = TEXELS_PER_PIXEL / (float(np.median(seen)) * np.sqrt(pages))
    return int(np.clip(2 ** round(np.log2(ideal)), max(256, 2**levels), 8192))


def choose_solver(settings: FitSettings, device: torch.device) -> Literal["adam", "direct"]:
    """The solver in force: as asked; for auto direct where it can, on the CPU, if nothing that only Adam reads is set.

    Raises ConfigError: direct is asked for and can't take the objective.
    """
    if settings.solver == "direct" and not can_solve(settings):
        raise ConfigError(
            f"--solver direct can't take {', '.join(settings.losses)}: it solves for l2, l1, huber and charbonnier, "
            "with neither a regulariser nor clipped colours",
            fix="--solver adam",
        )
    if settings.solver != "auto":
        return settings.solver
    ordinary = FitSettings()
    untouched = all(getattr(settings, name) == getattr(ordinary, name) for name in ADAMS)
    quadratic = all(loss.partition("=")[0] == "l2" for loss in settings.losses)
    return "direct" if untouched and quadratic and device.type == "cpu" and can_solve(settings) else "adam"


def exposure_bytes(settings: FitSettings, views: int, photo: Sequence[int]) -> int:
    """What the direct solver keeps of all photos to settle exposures, a few pixels of each, however many are streamed.

    `views`: bytes of all packed views. `photo`: (rows, columns) of the first.
    """
    if settings.solver != "direct" or not settings.exposure:
        return 0
    return views // stride_for(photo[0], photo[1]) ** 2
