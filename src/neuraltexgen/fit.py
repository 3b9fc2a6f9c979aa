"""The optimisation: a pyramid texture is trained so that its renders match the photos under any image loss."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.checkpoint import load_state, save_state
from neuraltexgen.colour import BLOCK, EXPOSURE_PRIOR, ViewColours, clip_colours
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.errors import FitError
from neuraltexgen.files import content_key, plain
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.fit_view import FitView, enlarge_photo
from neuraltexgen.kernels.packed import Scratch, on_cuda
from neuraltexgen.kernels.photometric import Colour, Target, block_means, compare
from neuraltexgen.looked import blocks_to_step, looked_texels
from neuraltexgen.lookups import render_view, scatter_view, texel_weights
from neuraltexgen.losses import Objective, Visit
from neuraltexgen.metrics import sharpness
from neuraltexgen.photos_mean import photos_mean
from neuraltexgen.recipes import FitSettings, steps_per_pass, views_per_step
from neuraltexgen.sharpness import ROWS, note_sharpness, sharpness_weights
from neuraltexgen.stacked import Plan, StackedViews
from neuraltexgen.texture import PyramidTexture
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

CHECKPOINT_SECONDS = 30.0
"""A run that is killed loses at most this much work, and a pass."""

EXPOSURE_FROM, SHARPNESS_FROM = 2, 3
"""Passes after which a photo is compared with its render: the first ones, which start from grey, are too coarse."""

SEED_STEP = 1_000_003
"""Keeps the random numbers of one seed's passes apart from the next seed's."""


def fit(
    views: Views,
    settings: FitSettings,
    progress: Progress = no_progress,
    checkpoint: Path | None = None,
    on_pass: Callable[[PassRecord, Tensor], tuple[float, ...]] | None = None,
    beside: Beside | None = None,
) -> FitResult:
    """Fits a texture to views. Deterministic for a seed on one CPU; goes on from `checkpoint` if that is there.

    `on_pass` is given each pass's record and the composed texture (H W c); the figures it returns are kept in the
    history.
    Raises FitError: no view, no pixel with any confidence, or a loss that is not finite. LossError: an unknown loss, or
    one that can't be set up.
    """
    if len(views) == 0:
        raise FitError("no view to fit")
    run = _Run(views, settings, beside or Beside())
    try:
        done = run.restore(checkpoint)
        if done == 0:
            run.begin()
        for number in progress(range(done, settings.all_passes), "fit", settings.all_passes - done):
            run.one_pass(number)
            if on_pass is not None:
                figures = on_pass(run.history[-1], run.texture().detach())
                run.history[-1] = replace(run.history[-1], figures=figures)
            run.save(checkpoint, last=number + 1 == settings.all_passes)
        return run.result()
    finally:
        run.objective.close()


class _Run:
    """The state of one fit: texture, optimiser, colours, view weights, history."""

    def __init__(self, views: Views, settings: FitSettings, beside: Beside) -> None:
        self.views, self.settings, self.seams = views, settings, beside.seams
        self.objective = Objective(settings.losses, settings.network, views.device, beside.memory)
        self.texture = PyramidTexture(settings.texture).to(views.device)
        self.batch = views_per_step(settings.batch, len(views))
        first = views[0]
        if first.photo.shape[2] != settings.texture.channels:
            raise FitError(f"the photos have {first.photo.shape[2]} channels, the texture {settings.texture.channels}")
        self.pixel = 1.0 / (first.photo.shape[0] * first.photo.shape[1])
        self.colours = ViewColours(len(views), settings.texture.channels, views.device)
        start = beside.start
        if start is not None:
            self.colours.gains = torch.from_numpy(start.gains).to(views.device)
            self.colours.offsets = torch.from_numpy(start.offsets).to(views.device)
        self.start = None if start is None else start.texture
        self.held, self.exposed = beside.exposures, settings.exposure and beside.exposures is None
        if beside.exposures is not None:
            self.colours.hold(*beside.exposures)
        self.start_key = None if start is None else content_key(start.texture, start.gains, start.offsets)
        eps = 1e-8 if settings.damping is None else settings.damping * self.pixel
        self.descent = PyramidDescent(self.texture, settings.betas, eps, settings.regulariser)
        self.scratch = Scratch()
        self.known = None if settings.clip else self.objective.photo_losses()
        self.shared = self._look_around()
        self.sharpness = torch.zeros(len(views))  # 0: not measured yet
        self.history: list[PassRecord] = []
        self.given = torch.ones(len(views)) if beside.weights is None else torch.from_numpy(beside.weights)
        self.steps_per_pass = steps_per_pass(settings.batch, len(views))
        self.stacked = self._stack()
        self._started = self._saved = time.monotonic()

    def _look_around(self) -> Tensor | None:
        """The texels that views share, if exposures ask for them; on the CPU the optimiser is told what is seen."""
        restricted = self.views.device.type == "cpu" and not self.views.taps  # footprints look wider
        if not (self.exposed or restricted):
            return None
        looks = looked_texels(self.views, self.settings.texture.size)
        if restricted:
            self.descent.step_only(blocks_to_step(looks, self.seams if self.settings.seam_weight > 0 else None))
        return looks.shared if self.exposed else None

    def _stack(self) -> StackedViews | None:
        """The views as passes without a wait take them: where all lie on CUDA, and kernels know the losses."""
        if self.known is None or self.settings.compare_at != "photo" or not on_cuda(self.descent.composed):
            return None
        if self.views.taps:  # those kernels look at points only
            return None
        held = self.views.held()
        return None if held is None else StackedViews(held, self.known, self.shared, EXPOSURE_PRIOR)

    def begin(self) -> None:
        """Sets the texture that the first pass begins with: the one given, the photos' mean, or grey."""
        if self.start is not None:
            self.texture.set(torch.from_numpy(self.start))
        elif self.settings.start == "mean":
            photos = self._stream(range(len(self.views)))
            self.texture.set(photos_mean(photos, self.colours, self.settings.texture.size))
        self.descent.compose()

    def one_pass(self, number: int) -> None:
        """One step per batch over all views in an order drawn from the seed."""
        order = torch.randperm(len(self.views), generator=_generator(self.settings.seed, number)).tolist()
        weights = self.view_weights() * self.given
        if self.stacked is None:
            losses = self._streamed_pass(number, order, weights)
        else:
            losses = self._stacked_pass(number, order, weights, self.stacked)
        if not math.isfinite(losses):
            raise FitError(
                f"the loss is not finite in pass {number + 1}", fix="a smaller --learning-rate, or check --loss"
            )
        if self.exposed:
            self.texture.recolour(*self.colours.fix_gauge())
        self.descent.compose()  # as a run that is taken up after this pass does
        seconds = time.monotonic() - self._started
        self.history.append(PassRecord(number + 1, losses / len(order), seconds))

    def _streamed_pass(self, number: int, order: list[int], weights: Tensor) -> float:
        """View by view; returns the sum of their losses."""
        stream = self._stream(order)
        losses: Tensor | float = 0.0  # on CUDA nothing waits for a view's loss
        for step in range(self.steps_per_pass):
            size = min(self.batch, len(order) - step * self.batch)
            for index, view in (next(stream) for _ in range(size)):
                losses += self._add_gradient(number, index, view, float(weights[index]) / size)
            self._step(number * self.steps_per_pass + step)
        return float(losses)

    def _stream(self, order: Sequence[int]) -> Iterator[tuple[int, FitView]]:
        for index, view in self.views.stream(order):
            yield index, enlarge_photo(view) if self.settings.compare_at == "uvmap" else view

    def _stacked_pass(self, number: int, order: list[int], weights: Tensor, stacked: StackedViews) -> float:
        """The same for views on the GPU."""
        exposed = self.exposed and number >= EXPOSURE_FROM
        measured = self.settings.sharpness_power > 0 and number >= SHARPNESS_FROM
        stacked.begin(Plan(order, self.batch, weights, exposed, measured), self.colours)
        for step in range(self.steps_per_pass):
            stacked.one_step(step, self.descent)
            self._step(number * self.steps_per_pass + step)
        losses, ratios = stacked.end(self.colours)
        for index, ratio in enumerate(ratios):
            note_sharpness(self.sharpness, index, ratio)
        return losses

    def _step(self, at: int) -> None:
        """A step of the optimiser with what views have added to the gradient, and the seams' part."""
        if self.seams is not None and self.settings.seam_weight > 0:
            weight = self.settings.seam_weight * self.pixel
            self.seams.add_gradient(self.descent.composed, self.descent.gradient, at, weight)
        self.descent.step(self.settings.learning_rate * self._schedule(at))

    def _add_gradient(self, number: int, index: int, view: FitView, weight: float) -> Tensor:
        """Adds weight x the gradient of one view's loss to the texture's; returns the loss."""
        image = render_view(self.descent.composed, view, scratch=self.scratch)
        if self.shared is not None and number >= EXPOSURE_FROM:
            # Where no other view looks, the texture takes any exposure: only shared texels tell what a view's is.
            blocks = block_means(image, view.photo, view.places, self.shared, BLOCK)
            self.colours.update(index, *blocks, EXPOSURE_PRIOR * float(view.trust.sum()) / 255)
        measured = self.settings.sharpness_power > 0 and number >= SHARPNESS_FROM
        if self.known is not None:
            colour, target = Colour(*self.colours.of(index)), Target(view.photo, view.trust)
            every = ROWS if measured else 0
            found = compare(image, target, colour, self.known, weight, every, self.scratch)
            loss, gradient, ratio = found.loss, found.gradient, found.sharpness
        else:
            loss, gradient = self._by_autograd(number, index, view, image)
            gradient = weight * gradient
            ratio = math.nan
            if measured:
                ratio = sharpness(self.colours.apply(index, image), view.colours(), view.trust > 0)
        if measured:
            note_sharpness(self.sharpness, index, ratio)
        scatter_view(gradient, view, self.descent.gradient)
        return loss

    def _by_autograd(self, number: int, index: int, view: FitView, image: Tensor) -> tuple[Tensor, Tensor]:
        """Any loss, and its gradient in the render."""
        photo, confidence = view.colours(), view.confidence
        valid, leaf = confidence > 0, image.detach().requires_grad_()
        coloured = self.colours.apply(index, leaf)
        if self.settings.clip:
            coloured = clip_colours(coloured)
        # A pixel of low confidence is drawn towards the photo, so that any loss, not only a mean over pixels, sees
        # less of its difference there.
        blended = torch.where(valid[..., None], photo + confidence[..., None] * (coloured - photo), photo)
        visit = Visit(index, self.settings.seed * SEED_STEP + number)
        loss = self.objective(_planes(blended), _planes(photo), valid[None, None], visit)
        loss.backward()
        gradient = torch.zeros_like(image) if leaf.grad is None else leaf.grad
        return loss.detach(), gradient

    def _schedule(self, step: int) -> float:
        if self.settings.schedule == "published":
            number, flat = step // self.steps_per_pass, self.settings.all_passes // 3
            return 1.0 - max(0, number + 1 - flat) / (self.settings.all_passes - flat + 1)
        done = step / (self.settings.all_passes * self.steps_per_pass)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))

    def view_weights(self) -> Float[Tensor, " v"]:
        """Per view, how much its loss counts: from its sharpness, 1 for the median view and while not measured."""
        if len(self.history) <= SHARPNESS_FROM:
            return torch.ones(len(self.views))
        return sharpness_weights(self.sharpness, self.settings.sharpness_power)

    def save(self, path: Path | None, last: bool) -> None:
        """Writes the state, unless it was written a moment ago."""
        if path is None or (not last and time.monotonic() - self._saved < CHECKPOINT_SECONDS):
            return
        state = {
            "texture": self.texture.state_dict(),
            "optimiser": self.descent.state_dict(),
            "colours": (self.colours.gains, self.colours.offsets),
            "sharpness": self.sharpness,
            "history": [(r.number, r.loss, r.seconds, r.figures) for r in self.history],
        }
        save_state(path, self.key(), state)
        self._saved = time.monotonic()

    def restore(self, path: Path | None) -> int:
        """Takes up a state saved by the same fit; returns how many passes are done."""
        state = None if path is None else load_state(path, self.key(), self.views.device)
        if state is None:
            return 0
        self.texture.load_state_dict(state["texture"])
        self.descent.load_state_dict(state["optimiser"])
        self.colours.gains, self.colours.offsets = state["colours"]
        self.sharpness = state["sharpness"].cpu()
        self.history = [PassRecord(*record) for record in state["history"]]
        self._started -= self.history[-1].seconds
        return len(self.history)

    def key(self) -> str:
        """What must be equal for a state to be taken up: settings, losses, views and the start."""
        views = self.views.key()
        seams = None if self.seams is None else content_key(self.seams.uv)
        beside = [seams] if bool((self.given == 1).all()) else [seams, self.given.numpy()]
        beside += [self.views.taps] if self.views.taps else []
        beside += [] if self.held is None else [content_key(*self.held)]
        return content_key(plain(asdict(self.settings)), self.objective.key(), views, self.start_key, *beside)

    @torch.no_grad()
    def result(self) -> FitResult:
        return FitResult(
            texture=self.texture().cpu().numpy(),
            weight=texel_weights(self.views, self.settings.texture.size).cpu().numpy(),
            gains=self.colours.gains.cpu().numpy(),
            offsets=self.colours.offsets.cpu().numpy(),
            view_weights=self.view_weights().numpy(),
            history=tuple(self.history),
        )


def _planes(image: Tensor) -> Tensor:
    """(h w c) as (1 c h w)."""
    return image.permute(2, 0, 1)[None]


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * SEED_STEP + number)
