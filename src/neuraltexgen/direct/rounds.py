"""The direct solver: the minimum of a quadratic objective by normal equations in texture space, on one page.

Photos and exposures first agree on a coarse texture. Then every round looks at all photos once, at the texture so far,
and takes the step that would end at the minimum if the gathered curvature were exact. Value and gradient are exact, so
what the model leaves out, or a robust loss weighs otherwise, is what the next round begins with.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from neuraltexgen.checkpoint import load_state, save_state
from neuraltexgen.colour import ViewColours
from neuraltexgen.direct.gather import Gathered, Looking, add_view
from neuraltexgen.direct.start import Exposures, spread
from neuraltexgen.direct.system import System, planes, texels
from neuraltexgen.direct.terms import direct_terms, is_quadratic
from neuraltexgen.errors import FitError
from neuraltexgen.files import content_key, plain
from neuraltexgen.fit import EXPOSURE_PRIOR, Beside, FitResult, PassRecord
from neuraltexgen.kernels.normal import stencil_product
from neuraltexgen.kernels.sample import render, splat_weight
from neuraltexgen.metrics import sharpness
from neuraltexgen.recipes import FitSettings
from neuraltexgen.sharpness import sharpness_weights
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import FitView, Views, enlarge_photo

QUADRATIC_ROUNDS, ROBUST_ROUNDS = 3, 10
"""Rounds for `l2` alone: grey to a texture, its photos' exposures and sharpness, and what the model left. Robust losses
weigh pixels anew in each round."""

STEPS, TOLERANCE = 12, 3e-3
"""Steps of conjugate gradients in a round, at the most, and the share of the right-hand side that may be left."""


def solve(
    views: Views,
    settings: FitSettings,
    progress: Progress = no_progress,
    checkpoint: Path | None = None,
    on_pass: Callable[[PassRecord, Tensor], tuple[float, ...]] | None = None,
    beside: Beside = Beside(),  # noqa: B008  (it is frozen)
) -> FitResult:
    """Fits a texture to views, as `fit.fit` does, with a round in the place of a pass; for what `can_solve` allows.

    A record's loss is that of the texture which its round began with. Deterministic on one CPU; goes on from
    `checkpoint` if that is there. Raises FitError: no view, a loss that can't be solved for, no pixel with any
    confidence, or an objective that is not finite.
    """
    if len(views) == 0:
        raise FitError("no view to fit")
    run = _Rounds(views, settings, beside)
    done = run.restore(checkpoint)
    for number in progress(range(done, run.rounds), "solve", run.rounds - done):
        run.one_round(number)
        if on_pass is not None:
            run.history[-1] = replace(run.history[-1], figures=on_pass(run.history[-1], run.texture))
        run.save(checkpoint)
    return run.result()


def can_solve(settings: FitSettings) -> bool:
    """Whether the objective is one of reweighted squares in texels: nothing clipped, no regulariser on levels."""
    return direct_terms(settings.losses) is not None and not settings.clip and settings.regulariser == 0


class _Rounds:
    """The state of one solution: texture, colours, sharpness, history."""

    def __init__(self, views: Views, settings: FitSettings, beside: Beside) -> None:
        terms = direct_terms(settings.losses)
        if terms is None or not can_solve(settings):
            raise FitError(
                f"the direct solver can't take {', '.join(settings.losses)} with a clipped or regularised texture, or "
                "losses other than l2, l1, huber and charbonnier",
                fix="--solver adam",
            )
        self.views, self.settings, self.beside, self.terms = views, settings, beside, terms
        self.rounds = QUADRATIC_ROUNDS if is_quadratic(terms) else ROBUST_ROUNDS
        first, channels = views[0], settings.texture.channels
        if first.photo.shape[2] != channels:
            raise FitError(f"the photos have {first.photo.shape[2]} channels, the texture {channels}")
        self.texture = torch.full((*settings.texture.size, channels), 0.5, device=views.device)
        self.colours = ViewColours(len(views), channels, views.device)
        if beside.start is not None:
            self.texture = torch.from_numpy(beside.start.texture).to(views.device)
            self.colours.gains = torch.from_numpy(beside.start.gains).to(views.device)
            self.colours.offsets = torch.from_numpy(beside.start.offsets).to(views.device)
        self.sharpness = torch.zeros(len(views))  # 0: not measured yet
        self.history: list[PassRecord] = []
        self.exposures: Exposures | None = None
        self._started = time.monotonic()

    def one_round(self, number: int) -> None:
        """Looks at all photos at the present texture, and takes the step that the gathered curvature proposes."""
        if self.settings.exposure and self.exposures is None:
            self.exposures = Exposures(self.views, self.settings.texture.size, self.settings.texture.channels)
            if number == 0 and self.beside.start is None:
                self.colours = self.exposures.settle(EXPOSURE_PRIOR)
        weights = sharpness_weights(self.sharpness, self.settings.sharpness_power)
        every = slice(0, self.texture.shape[2])
        parts = [every] if is_quadratic(self.terms) else [slice(channel, channel + 1) for channel in range(every.stop)]
        loss = 0.0
        for part in parts:
            sums = Gathered.empty(self.texture[..., part])
            looking = Looking(self.colours, weights, self.terms, part)
            loss += self._look(looking, sums, measure=number > 0 and part.start == 0)
            self._step(sums, part, first=number == 0 and self.beside.start is None)
        if not math.isfinite(loss):
            raise FitError("the objective is not finite", fix="look for photos whose colours are not numbers")
        if self.settings.exposure:
            gain, offset = self.colours.fix_gauge()
            self.texture = self.texture * gain + offset
        self.history.append(PassRecord(number + 1, loss, time.monotonic() - self._started))

    def _look(self, looking: Looking, sums: Gathered, measure: bool) -> float:
        """Gathers all views, and returns their mean loss; measures exposure and sharpness of each on the way."""
        losses = 0.0
        for index, view in self.views.stream(range(len(self.views))):
            view = enlarge_photo(view) if self.settings.compare_at == "uvmap" else view
            shown = render(self.texture, view.uv, view.confidence > 0)
            if measure:
                self._measure(index, view, shown)
            losses += add_view(index, view, shown, looking, sums)
        return losses / len(self.views)

    def _step(self, sums: Gathered, part: slice, first: bool) -> None:
        """Goes to the minimum of the gathered model, from the photos' mean over scales in the first round."""
        channels = self.texture.shape[2]  # the objective is a mean over views and channels; the system is a sum
        tie = self.settings.seam_weight * len(self.views) * channels
        system = System.gathered(sums.stencil, self.settings.smoothness, self.beside.seams, tie)
        present, right = planes(self.texture[..., part]), planes(sums.gradient)
        step = torch.zeros_like(right)
        if first:
            weight = torch.empty_like(right[:1])
            stencil_product(system.stencil, torch.ones_like(weight), weight)  # the prior's rows add up to 0
            step = spread(right, weight[0]).contiguous()
        system.subtract_penalty(present, right)
        system.solve(right, step, STEPS, TOLERANCE)
        self.texture[..., part] = texels(present.add_(step))

    def _measure(self, index: int, view: FitView, shown: Tensor) -> None:
        """A view's exposure, where other views look too, and its sharpness beside its render's."""
        photo, valid = view.colours(), view.confidence > 0
        if self.exposures is not None:
            held = EXPOSURE_PRIOR * float(view.confidence.sum())
            self.colours.update(index, shown, photo, view.confidence * self.exposures.others(view), held)
        if self.settings.sharpness_power > 0:
            ratio = sharpness(self.colours.apply(index, shown), photo, valid)
            if math.isfinite(ratio) and ratio > 0:
                self.sharpness[index] = 1.0 / ratio

    def save(self, path: Path | None) -> None:
        """Writes the state."""
        if path is None:
            return
        state = {
            "texture": self.texture,
            "colours": (self.colours.gains, self.colours.offsets),
            "sharpness": self.sharpness,
            "history": [(r.number, r.loss, r.seconds, r.figures) for r in self.history],
        }
        save_state(path, self.key(), state)

    def restore(self, path: Path | None) -> int:
        """Takes up a state saved by the same solution; returns how many rounds are done."""
        state = None if path is None else load_state(path, self.key(), self.views.device)
        if state is None:
            return 0
        self.texture, self.sharpness = state["texture"], state["sharpness"].cpu()
        self.colours.gains, self.colours.offsets = state["colours"]
        self.history = [PassRecord(*record) for record in state["history"]]
        self._started -= self.history[-1].seconds
        return len(self.history)

    def key(self) -> str:
        """What must be equal for a state to be taken up: settings, views, seams and the start."""
        views, start, seams = [path.name for path in self.views.files], self.beside.start, self.beside.seams
        begun = None if start is None else content_key(start.texture, start.gains, start.offsets)
        return content_key("direct", plain(asdict(self.settings)), views, begun, seams and content_key(seams.uv))

    def result(self) -> FitResult:
        """The texture so far, and what was fitted beside it."""
        weight = torch.zeros(self.settings.texture.size, device=self.views.device)
        for _, view in self.views.stream(range(len(self.views))):
            weight += splat_weight(view.uv, view.confidence, self.settings.texture.size)
        if not bool((weight > 0).any()):
            raise FitError(
                "no photo sees the mesh with any confidence: nothing to fit",
                fix="neuraltexgen info CAPTURE says where cameras and mesh are; --no-confidence takes all pixels",
            )
        return FitResult(
            texture=self.texture.cpu().numpy(),
            weight=weight.cpu().numpy(),
            gains=self.colours.gains.cpu().numpy(),
            offsets=self.colours.offsets.cpu().numpy(),
            view_weights=sharpness_weights(self.sharpness, self.settings.sharpness_power).numpy(),
            history=tuple(self.history),
        )
