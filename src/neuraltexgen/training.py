"""Fit on some views and score on the others: what every run does once its views are prepared."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neuraltexgen.bands import Banding, band_bytes, fit_in_bands, least_bytes, plan_bands
from neuraltexgen.direct import solve
from neuraltexgen.equalise import Equalised
from neuraltexgen.evaluate import ViewScore, quick_score, score_view, scored_pixels, seen_texels, shown
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.holdout import held_out
from neuraltexgen.lookups import TAPS
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
from neuraltexgen.recipes import BLURRED_PASSES, MANY, MUCH, fit_bytes
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import find_seam_tie
from neuraltexgen.style import check, stylise
from neuraltexgen.training_settings import TrainSettings, exposure_bytes, sized, with_solver
from neuraltexgen.transients import Transients
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.views import Views, load_view

NETWORK_BYTES = (600 << 20) + LEAST_STEP
"""VGG-16's filters and their transforms, at the most, and the least that a step can do with."""


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
    settings = with_solver(sized(settings, paths, 1 if mesh is None else mesh.pages), paths, device)
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
    blurs = readied.blurs or ()
    blurred = sum(blur.sigma >= MUCH for blur in blurs) >= MANY * len(blurs) > 0
    if settings.fit.passes is not None or not blurred:
        return settings
    return replace(settings, fit=replace(settings.fit, passes=BLURRED_PASSES))


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
