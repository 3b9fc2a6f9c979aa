"""Fit on some views and score on the others: what every run does once its views are prepared."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neuraltexgen.bands import Banding, band_bytes, fit_in_bands, least_bytes, plan_bands
from neuraltexgen.direct import can_solve, solve
from neuraltexgen.direct.start import stride_for
from neuraltexgen.equalise import Equalised
from neuraltexgen.errors import ConfigError
from neuraltexgen.evaluate import ViewScore, quick_score, score_view, scored_pixels, seen_texels, shown
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.holdout import held_out
from neuraltexgen.lookups import TAPS, Sampling
from neuraltexgen.losses import NetworkMemory, needs_network
from neuraltexgen.machine import (
    BASELINE,
    LEAST_STEP,
    MOVING,
    choose_device,
    memory_budget,
    network_memory,
    view_budget,
)
from neuraltexgen.metrics import Score, mean_score
from neuraltexgen.point_spread import SPREAD_PLACES, PointSpread
from neuraltexgen.readied import Readied, Readying, ready
from neuraltexgen.recipes import BLURRED_PASSES, MANY, MUCH, FitSettings, fit_bytes
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import find_seam_tie
from neuraltexgen.style import StyleSettings, check, stylise
from neuraltexgen.transients import Transients
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.views import Views, load_view

NETWORK_BYTES = (600 << 20) + LEAST_STEP
"""VGG-16's filters and their transforms, at the most, and the least that a step can do with."""

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


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted texture and its scores.

    `settings`: with the texture size and the solver in force. `train`, `held`: indices of the views. `seen`: texels
    that a training view sees. `scores`: of the held-out views, empty if there are none. `curve`: (pass, mean PSNR after
    the colour fit, mean sharpness) of the held-out views. `transients`: what was left out of the photos fitted.
    `equalised`: the exposures that were found before the fit; `blurs`: the point-spread of each photo fitted.
    """

    settings: TrainSettings
    views: Views
    train: tuple[int, ...]
    held: tuple[int, ...]
    result: FitResult
    seen: Mask
    scores: tuple[ViewScore, ...]
    curve: tuple[tuple[int, float, float], ...]
    transients: Transients | None = None
    equalised: Equalised | None = None
    blurs: tuple[PointSpread, ...] | None = None

    @property
    def fitted(self) -> tuple[int, ...]:
        """The views that the texture was fitted to at last: `train`, or all after a final fit."""
        return self.train if len(self.result.gains) == len(self.train) else tuple(sorted((*self.train, *self.held)))

    @property
    def mean(self) -> Score:
        """The mean over held-out views."""
        return mean_score([s.score for s in self.scores])


class Clock:
    """Seconds per stage, in the order of first use."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


def train_and_score(
    paths: Sequence[Path],
    names: Sequence[str],
    settings: TrainSettings,
    cache: Path,
    mesh: Mesh | None = None,
    progress: Progress = no_progress,
    clock: Clock | None = None,
) -> Trained:
    """Fits a texture to cached views and scores it on the held-out ones; a killed run goes on from `cache`.

    A texture whose fit needs more memory than there may be is fitted in bands (see `bands`); there is no curve then.
    `mesh`: what the views' UV maps were made from; its seams are tied together if it is given.

    Raises ConfigError: a choice of views, device or memory that can't be; FitError and LossError: see `fit.fit`.
    """
    check(settings.fit, settings.style)
    clock = clock or Clock()
    device = choose_device(settings.device)
    held = held_out(names, settings.holdout)
    train = tuple(i for i, name in enumerate(names) if i not in held and name not in settings.left_out)
    settings = _with_solver(_sized(settings, paths, 1 if mesh is None else mesh.pages), paths, device)
    solver = solve if settings.fit.solver == "direct" else fit
    views, memory, banding = _views(settings, paths, device, cache)
    readying = _readying(settings, views, banding)
    readied = ready(views, train, readying, clock.stage, progress)
    views, settings = readied.views, _with_passes(settings, readied)
    with clock.stage("fit"):
        watch = _Watch(views, train, held, settings.fit.texture.size)
        known = readied.exposures()
        beside = Beside(memory=memory, exposures=known)
        if banding is not None:
            result = fit_in_bands(views.subset(train), settings.fit, banding, cache / "bands", progress, mesh, known)
        else:
            seams = None if mesh is None else find_seam_tie(mesh, settings.fit.texture.size)
            beside = replace(beside, seams=seams)
            on_pass = watch if held else None
            result = solver(views.subset(train), settings.fit, progress, cache / "fit.pt", on_pass, beside)
    curve = tuple((r.number, r.figures[0], r.figures[1]) for r in result.history if r.figures)
    with clock.stage("score"):
        texture = torch.from_numpy(result.texture).to(device)
        scores = tuple(score_view(texture, views[i], watch.seen) for i in progress(held, "score", len(held)))
    if settings.final_fit and held:
        every = tuple(sorted((*train, *held)))
        readied = ready(views, every, readying, clock.stage, progress)
        views, beside = readied.views, replace(beside, exposures=readied.exposures())
        chosen = views.subset(every)
        with clock.stage("final fit"):
            if banding is not None:
                result = fit_in_bands(chosen, settings.fit, banding, cache / "final", progress, mesh, beside.exposures)
            else:
                result = solver(chosen, settings.fit, progress, cache / "final.pt", beside=beside)
    if settings.style is not None:
        fitted = views.subset(tuple(sorted((*train, *held))) if settings.final_fit else train)
        with clock.stage("style"):
            result = stylise(fitted, result, settings.fit, settings.style, progress, cache / "style.pt", beside=beside)
    seen = watch.seen.cpu().numpy()
    found = readied.transients, readied.equalised, readied.blurs
    return Trained(settings, views, train, held, result, seen, scores, curve, *found)


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


class _Watch:
    """Scores the held-out views after each pass: PSNR after the colour fit and sharpness, for the curve."""

    def __init__(self, views: Views, train: tuple[int, ...], held: tuple[int, ...], size: tuple[int, int]) -> None:
        self.views = views
        self.seen = seen_texels(views, size, train)
        self.masks = {i: scored_pixels(views[i], self.seen) for i in held}

    def __call__(self, record: PassRecord, texture: Tensor) -> tuple[float, ...]:
        clipped = shown(texture)
        scores = [quick_score(clipped, self.views[i], mask) for i, mask in self.masks.items() if mask.any()]
        return tuple(float(mean) for mean in np.mean(scores, axis=0)) if scores else ()


def _readying(settings: TrainSettings, views: Views, banding: Banding | None) -> Readying:
    """What is to be found before the fit. Pixels of blurred photos look around only where the memory allows it, and not
    with the direct solver: its stencil takes their places to be nearer than they are, and its texture gets worse.
    """
    plain = settings.sampling == "bilinear" and settings.fit.compare_at == "photo" and banding is None
    wider = max(0, SPREAD_PLACES // views[0].samples - 1) * MOVING * max(path.stat().st_size for path in views.files)
    return Readying(
        settings.fit.texture.size,
        settings.fit.exposure,
        settings.fall_off,
        settings.response,
        settings.blur and plain,
        settings.fit.solver != "direct" and views.budget >= wider,
        settings.transients,
    )


def _with_passes(settings: TrainSettings, readied: Readied) -> TrainSettings:
    """The settings with more passes, unless somebody chose how many, where many photos are fitted as much blurred."""
    blurs = readied.blurs
    if (
        settings.fit.passes is not None
        or blurs is None
        or sum(blur.sigma >= MUCH for blur in blurs) < MANY * len(blurs)
    ):
        return settings
    return replace(settings, fit=replace(settings.fit, passes=BLURRED_PASSES))


def _sized(settings: TrainSettings, paths: Sequence[Path], pages: int) -> TrainSettings:
    texture = settings.fit.texture
    size = settings.texture_size
    if size is None:
        size = automatic_size([load_view(path).footprint for path in paths], len(texture.level_weights), pages)
    fit_settings = replace(settings.fit, texture=replace(texture, size=(pages * size, size)))
    return replace(settings, fit=fit_settings, texture_size=size)


def _with_solver(settings: TrainSettings, paths: Sequence[Path], device: torch.device) -> TrainSettings:
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


def _views(
    settings: TrainSettings, paths: Sequence[Path], device: torch.device, cache: Path
) -> tuple[Views, NetworkMemory, Banding | None]:
    """The views, what is left of the memory for a network if a loss has one, and the bands to fit in if it must be."""
    budget, needed = memory_budget(settings.memory, device), fit_bytes(settings.fit)
    sizes, taps = [path.stat().st_size for path in paths], TAPS[settings.sampling]
    largest = max(sizes)
    needed += exposure_bytes(settings.fit, sum(sizes), load_view(paths[0]).photo.shape[:2])
    if taps:  # two mip chains: of the texture, and of its gradient
        height, width = settings.fit.texture.size
        needed += 2 * 4 * height * width * settings.fit.texture.channels * 4 // 3
    if settings.style is None and not needs_network(settings.fit.losses):
        banding = None
        bands = settings.fit.batch != 0 and settings.fit.solver == "adam"
        if budget - BASELINE - needed < 2 * largest and bands and settings.sampling == "bilinear":
            banding = plan_bands(settings.fit, budget - BASELINE - 2 * largest)
            needed = least_bytes(settings.fit) if banding is None else band_bytes(settings.fit, banding)
        return Views(paths, device, view_budget(budget, needed, largest), taps), NetworkMemory(), banding
    spare = view_budget(budget, needed + NETWORK_BYTES, largest)
    memory = network_memory(spare, device, cache / "targets")
    targets = memory.device if device.type == "cuda" else memory.host
    return Views(paths, device, spare - (memory.step - LEAST_STEP) - targets, taps), memory, None
