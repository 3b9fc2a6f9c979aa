"""Passes over views that all lie on the GPU: a minibatch is a few launches for all its views, and nothing waits.

What a pass measures (losses, exposures, sharpness) stays on the device until the pass is over. Views of one shape are
taken together, wherever in memory they lie, and the launches are recorded as CUDA graphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from neuraltexgen.colour import BLOCK, ORDINARY_VARIANCE, RIDGE, ViewColours
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.cuda import exposure as cuda_exposure
from neuraltexgen.kernels.cuda import photometric as cuda
from neuraltexgen.kernels.cuda.graph import Recorder
from neuraltexgen.kernels.cuda.lookup import padded
from neuraltexgen.kernels.photometric import CHARBONNIER_EPSILON, HUBER_DELTA, PhotoLosses
from neuraltexgen.sharpness import ROWS

FIELD_PIXELS = 1 << 24
"""Of so many pixels residuals are kept at a time, in 256 MiB, to measure sharpness."""


class Shape(NamedTuple):
    """What views must share to be taken by one launch."""

    height: int
    width: int
    samples: int
    floats: bool


@dataclass(frozen=True)
class Plan:
    """A pass: the views in their order, so many a step, and how much each view's loss counts (by view). `exposed`: are
    exposures fitted, `measured`: is sharpness measured on the way."""

    order: Sequence[int]
    batch: int
    weights: Float[Tensor, " v"]
    exposed: bool
    measured: bool


class StackedViews:
    """Views on one device, and what a pass over them finds: `one_step` for each step between `begin` and `end`."""

    def __init__(
        self, views: Sequence[FitView], losses: PhotoLosses, shared: UInt8[Tensor, "H W"] | None, prior: float
    ) -> None:
        """`shared`: see `kernels.photometric.block_means`; `prior`: the share of a view's weight with which it holds to
        gain 1 and offset 0."""
        device = views[0].photo.device
        self._views = tuple(views)  # kept alive: kernels know their addresses only
        self._shapes = [_shape(view) for view in views]
        fields = [(view.low, view.high, view.trust, view.photo) for view in views]
        if not all(field.is_contiguous() for own in fields for field in own):
            raise ValueError("views must be contiguous")
        self._addresses = torch.tensor([[field.data_ptr() for field in own] for own in fields]).to(device)
        count = len(views)
        counts = torch.cat([cuda.count_pairs(view.trust[None]) for view in views])
        self._terms = cuda.Terms(
            torch.ones(count, 3, device=device),
            torch.zeros(count, 3, device=device),
            torch.ones(count, device=device),
            cuda.shares(losses, counts),
            cuda.form_of(losses, (HUBER_DELTA, CHARBONNIER_EPSILON)),
        )
        self._exposure = None
        if shared is not None:
            trust = torch.stack([view.trust.sum() for view in views]).float() / 255
            self._exposure = cuda_exposure.Exposure(shared, BLOCK, RIDGE, ORDINARY_VARIANCE, prior * trust / BLOCK**2)
        self._tables = {shape: cuda.Table(self._addresses, *shape) for shape in set(self._shapes)}
        tables = self._tables.values()
        strips = max(cuda.strips(table, self._terms.form) for table in tables)
        parts = max(cuda_exposure.sharpness_parts(table, ROWS) for table in tables)
        self._losses = torch.zeros(count, strips, device=device)
        self._gradients = torch.zeros(count, parts, 2, device=device)
        self._order, self._chosen = (torch.zeros(count, dtype=torch.int64, device=device) for _ in range(2))
        self._recorder = Recorder()

    def begin(self, plan: Plan, colours: ViewColours) -> None:
        """Takes up the exposures so far, and what a pass needs to know."""
        self._plan, batch = plan, plan.batch
        self._steps = [self._by_shape(plan.order[at : at + batch]) for at in range(0, len(plan.order), batch)]
        sizes = torch.empty(len(plan.weights))
        for step in self._steps:
            sizes[step] = len(step)
        self._order.copy_(torch.tensor([index for step in self._steps for index in step]))
        self._terms.weight.copy_(plan.weights / sizes)
        self._terms.gain.copy_(colours.gains)
        self._terms.offset.copy_(colours.offsets)
        self._gradients.zero_()

    def one_step(self, number: int, descent: PyramidDescent) -> None:
        """Adds the gradients of a step's views to the descent's; the step itself is the caller's."""
        step, first = self._steps[number], number * self._plan.batch
        self._chosen[: len(step)].copy_(self._order[first : first + len(step)])
        shapes = tuple(self._shapes[index] for index in step)
        key = (shapes, self._plan.exposed, self._plan.measured)
        self._recorder(key, lambda: self._launch(shapes, descent), self._chosen.device)

    def end(self, colours: ViewColours) -> tuple[float, list[float]]:
        """The sum of the views' losses, and per view the render's sharpness over the photo's, NaN where not measured.

        Waits for the device, and hands the exposures back.
        """
        colours.gains, colours.offsets = self._terms.gain.clone(), self._terms.offset.clone()
        loss, gradients = self._losses.sum(dtype=torch.float64), self._gradients.sum(dim=1, dtype=torch.float64)
        found = torch.cat((loss[None], gradients[:, 0] / gradients[:, 1])).tolist()
        return found[0], found[1:]

    def _by_shape(self, step: Sequence[int]) -> list[int]:
        return sorted(step, key=lambda index: self._shapes[index])

    def _launch(self, shapes: Sequence[Shape], descent: PyramidDescent) -> None:
        texture, into = padded(descent.composed), padded(descent.gradient)
        start = 0
        while start < len(shapes):
            stop = start + shapes[start:].count(shapes[start])
            self._take(self._chosen[start:stop], self._tables[shapes[start]], texture, into)
            start = stop

    def _take(self, chosen: Tensor, table: cuda.Table, texture: Tensor, into: Tensor) -> None:
        """Views of one shape."""
        if self._exposure is not None and self._plan.exposed:
            # Where no other view looks, the texture takes any exposure: only shared texels tell what a view's is.
            cuda_exposure.fit_exposures(texture, table, chosen, self._terms, self._exposure)
        if not self._plan.measured:
            cuda.add_gradients(texture, table, chosen, self._terms, into, self._losses)
            return
        for some in chosen.split(max(1, FIELD_PIXELS // (table.height * table.width))):
            field = torch.empty(len(some), table.height, table.width, 4, device=texture.device)
            cuda.add_gradients(texture, table, some, self._terms, into, self._losses, field)
            cuda_exposure.add_sharpness(field, table, some, ROWS, self._gradients)


def _shape(view: FitView) -> Shape:
    height, width, samples = view.high.shape
    return Shape(height, width, samples, view.photo.dtype == torch.float32)
