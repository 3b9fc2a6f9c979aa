"""The direct solver: the minimum of a quadratic objective by normal equations in texture space, on one page.

Photos and exposures first agree on a coarse texture; the photos' mean is where the rounds start, and says how sharp
each photo is. Then every round looks at all photos once, at the texture so far, and takes the step that would end at
the minimum if the gathered curvature were exact. Value and gradient are exact, so what the model leaves out, or a
robust loss weighs otherwise, is what the next round begins with.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.checkpoint import load_state, save_state
from neuraltexgen.colour import EXPOSURE_PRIOR, ViewColours
from neuraltexgen.direct.gather import Gathered, Looking, add_view
from neuraltexgen.direct.start import Exposures
from neuraltexgen.direct.system import System
from neuraltexgen.direct.terms import direct_terms, is_quadratic
from neuraltexgen.errors import FitError
from neuraltexgen.files import content_key, plain
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.fit_view import FitView, enlarge_photo
from neuraltexgen.kernels.packed import Scratch, look_up
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Target, compare
from neuraltexgen.lookups import texel_weights
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.photos_mean import photos_mean
from neuraltexgen.recipes import FitSettings
from neuraltexgen.sharpness import ROWS, note_sharpness, sharpness_weights
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

QUADRATIC, ROBUST = (True, False), (True,) * 10
"""The rounds of `l2` alone, and of robust losses, which weigh pixels anew each time: whether a round gathers curvature,
or takes the last one's."""

MEASURED = 3
"""Rounds of robust losses after which sharpness weights stay as they are."""

BESIDE_MEAN = 0.93
"""Power that turns a photo's sharpness beside the photos' mean, which is blurred, into that beside a finished texture;
chosen among 1, 0.93 and 0.88 by the calibrated RGB-D room's held-out score."""

STEPS, TOLERANCE = 6, 3e-3
"""Steps of conjugate gradients in a round, at the most, and the share of the right-hand side that may be left."""


@one_torch_thread()
def solve(
    views: Views,
    settings: FitSettings,
    progress: Progress = no_progress,
    checkpoint: Path | None = None,
    on_pass: Callable[[PassRecord, Tensor], tuple[float, ...]] | None = None,
    beside: Beside | None = None,
) -> FitResult:
    """Fits a texture to views, as `fit.fit` does, with a round in the place of a pass; for what `can_solve` allows.

    A record's loss is that of the texture which its round began with. Deterministic on one CPU; goes on from
    `checkpoint` if that is there. Raises FitError: no view, a loss that can't be solved for, no pixel with any
    confidence, or an objective that is not finite.
    """
    if len(views) == 0:
        raise FitError("no view to fit")
    run = _Rounds(views, settings, beside or Beside())
    done = run.restore(checkpoint)
    for number in progress(range(done, len(run.plan)), "solve", len(run.plan) - done):
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
        self.plan = QUADRATIC if is_quadratic(terms) else ROBUST
        first, channels = views[0], settings.texture.channels
        if first.photo.shape[2] != channels:
            raise FitError(f"the photos have {first.photo.shape[2]} channels, the texture {channels}")
        self.texture = torch.full((*settings.texture.size, channels), 0.5, device=views.device)
        self.colours = ViewColours(len(views), channels, views.device)
        if beside.start is not None:
            self.texture = torch.from_numpy(beside.start.texture).to(views.device)
            self.colours.gains = torch.from_numpy(beside.start.gains).to(views.device)
            self.colours.offsets = torch.from_numpy(beside.start.offsets).to(views.device)
        self.exposed = settings.exposure and beside.exposures is None
        if beside.exposures is not None:
            self.colours.hold(*beside.exposures)
        self.sharpness = torch.zeros(len(views))  # 0: not measured yet
        self.history: list[PassRecord] = []
        self.scratch = Scratch()
        self.exposures: Exposures | None = None
        self.system: System | None = None
        self._started = time.monotonic()

    def one_round(self, number: int) -> None:
        """Looks at all photos at the present texture, and takes the step that the gathered curvature proposes."""
        if self.exposed and self.exposures is None:
            self.exposures = Exposures(self.views, self.settings.texture.size, self.settings.texture.channels)
        if number == 0:
            self._begin()
        weights = self.view_weights()
        every = slice(0, self.texture.shape[2])
        parts = [every] if is_quadratic(self.terms) else [slice(channel, channel + 1) for channel in range(every.stop)]
        loss = 0.0
        for part in parts:
            sums = Gathered.empty(self.texture[..., part], self.plan[number])
            loss = self._look(Looking(self.colours, weights, self.terms, part), sums, number if part.start == 0 else 0)
            self._step(sums, part)
        if self.exposed:
            gain, offset = self.colours.fix_gauge()
            self.texture.mul_(gain).add_(offset)
        self.history.append(PassRecord(number + 1, loss, time.monotonic() - self._started))

    def view_weights(self) -> Float[Tensor, " v"]:
        """Per view, how much its loss counts."""
        return sharpness_weights(self.sharpness, self.settings.sharpness_power)

    def _begin(self) -> None:
        """The photos' mean, if nothing else is given; exposures and sharpness as it shows them."""
        if self.beside.start is None:
            if self.exposures is not None:
                self.colours = self.exposures.settle(EXPOSURE_PRIOR)
            self.texture = photos_mean(self._stream(), self.colours, self.settings.texture.size)
        if self.exposures is None and self.settings.sharpness_power == 0:
            return
        for index, view in self._stream():
            image = look_up(self.texture, view.places, self.scratch)
            if self.exposures is not None:
                self.exposures.measure(index, view, image, EXPOSURE_PRIOR, self.colours)
            if self.settings.sharpness_power > 0:
                colour, target = Colour(*self.colours.of(index)), Target(view.photo, view.trust)
                found = compare(image, target, colour, PhotoLosses(l2=1.0), 1.0, ROWS, self.scratch)
                note_sharpness(self.sharpness, index, found.sharpness)
        self.sharpness.pow_(BESIDE_MEAN)

    def _stream(self) -> Iterator[tuple[int, FitView]]:
        for index, view in self.views.stream(range(len(self.views))):
            yield index, enlarge_photo(view) if self.settings.compare_at == "uvmap" else view

    def _look(self, looking: Looking, sums: Gathered, number: int) -> float:
        """Gathers all views, and returns their mean loss; measures them on the way, if this is not the first round."""
        losses = 0.0
        for index, view in self._stream():
            image = look_up(self.texture, view.places, self.scratch)
            if self.exposures is not None and number > 0:
                self.exposures.measure(index, view, image, EXPOSURE_PRIOR, self.colours)
            found = add_view(index, view, image, looking, sums)
            losses += float(found.loss)
            if 0 < number < MEASURED and self.plan[number] and self.settings.sharpness_power > 0:
                note_sharpness(self.sharpness, index, found.sharpness)
        if not math.isfinite(losses):
            raise FitError("the objective is not finite", fix="look for photos whose colours are not numbers")
        return losses / len(self.views)

    def _step(self, sums: Gathered, part: slice) -> None:
        """Goes to the minimum of the gathered model."""
        if sums.stencil is not None:
            # The objective is a mean over views and channels; the system is a sum.
            tie = self.settings.seam_weight * len(self.views) * self.texture.shape[2]
            self.system = System.gathered(sums.stencil, self.settings.smoothness, self.beside.seams, tie)
        if self.system is None:
            raise ValueError("a round without curvature has none to go on with")
        texture = self.texture[..., part].contiguous()
        self.system.improve(texture, sums.gradient, STEPS, TOLERANCE)
        self.texture[..., part] = texture

    def save(self, path: Path | None) -> None:
        """Writes the state, unless the next round goes on with this one's curvature, which is not kept."""
        done = len(self.history)
        if path is None or (done < len(self.plan) and not self.plan[done]):
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
        views, start, seams = self.views.key(), self.beside.start, self.beside.seams
        begun = None if start is None else content_key(start.texture, start.gains, start.offsets)
        tied = content_key(seams.uv) if seams else None
        held = [content_key(*self.beside.exposures)] if self.beside.exposures else []
        return content_key("direct", plain(asdict(self.settings)), views, begun, tied, *held)

    def result(self) -> FitResult:
        """The texture so far, and what was fitted beside it."""
        return FitResult(
            texture=self.texture.cpu().numpy(),
            weight=texel_weights(self.views, self.settings.texture.size).cpu().numpy(),
            gains=self.colours.gains.cpu().numpy(),
            offsets=self.colours.offsets.cpu().numpy(),
            view_weights=self.view_weights().numpy(),
            history=tuple(self.history),
        )
