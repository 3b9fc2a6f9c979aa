"""A photo through a model in tiles that overlap and are blended, each small enough for the memory there is."""

import math
import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from neuraltexgen.enhance.model import Upscaler
from neuraltexgen.errors import ConfigError
from neuraltexgen.machine import BASELINE, GIB

MARGIN = 16
"""Pixels along a tile's inner border that are not used: there the model has not seen what lies beyond."""

RAMP = 16
"""Pixels over which one tile passes into the next, between their margins."""

OVERLAP = 2 * MARGIN + RAMP

LARGEST, SMALLEST = 512, 2 * OVERLAP
"""Sides of a tile, in the photo's pixels. Beyond the largest, a tile saves little of the work done twice."""

PROBE = 64
"""Side of the tile by which a model's need for memory is measured."""

WORKSPACE = 2
"""Convolutions take about as much again for themselves as their inputs and outputs hold."""

Model = Callable[[Float[Tensor, "3 h w"]], Float[Tensor, "3 H W"]]


def run_in_tiles(model: Model, photo: Float[Tensor, "3 h w"], scale: int, side: int) -> Float[Tensor, "3 H W"]:
    """The model's result for the whole photo, `scale` times as large, from tiles of at most `side` pixels a side.

    Exact where the model looks no further than 16 pixels; each border is a blend over the next 16 of two results that
    both have seen beyond it. A side at least as long as the photo's runs it whole.
    """
    rows, columns = (tile_spans(length, side) for length in photo.shape[1:])
    if len(rows) == len(columns) == 1:
        return model(photo)
    out = torch.zeros(3, *(length * scale for length in photo.shape[1:]))
    across = blend_weights(columns, scale)
    for (top, bottom), down in zip(rows, blend_weights(rows, scale), strict=True):
        for (left, right), along in zip(columns, across, strict=True):
            tile = model(photo[:, top:bottom, left:right])
            out[:, top * scale : bottom * scale, left * scale : right * scale] += tile * (down[:, None] * along)
    return out


def tile_spans(length: int, side: int) -> list[tuple[int, int]]:
    """Spans of at most `side` that cover `length`, evenly spread, each overlapping the next by at least 48 pixels."""
    if length <= side:
        return [(0, length)]
    count = math.ceil((length - OVERLAP) / (side - OVERLAP))
    starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
    return [(start, start + side) for start in starts]


def blend_weights(spans: list[tuple[int, int]], scale: int) -> list[Float32[Tensor, " k"]]:
    """A weight per output pixel of each span; at every place the spans' weights add up to 1."""
    weights = [torch.ones((end - start) * scale) for start, end in spans]
    places = [start + (torch.arange((end - start) * scale) + 0.5) / scale for start, end in spans]
    for i, ((_, end), (start, _)) in enumerate(pairwise(spans)):
        middle = (start + end) / 2
        for j, sign in ((i, -1), (i + 1, 1)):
            weights[j] = weights[j] * (0.5 + sign * (places[j] - middle) / RAMP).clamp(0, 1)
    return weights


def tile_side(model: Upscaler, need: int, size: tuple[int, int], budget: int) -> int:
    """The side of the largest tile of a photo of `size` (height, width) whose results stay within `budget` bytes.

    `need`: see `bytes_per_pixel`. A model that should see the whole photo gets it if that fits.
    Raises ConfigError if not even the smallest tile fits.
    """
    height, width = size
    left = budget
    if model.device.type == "cpu":
        # The enlarged photo, the sums and what the later steps put beside it, in 32-bit floats.
        left -= BASELINE + 4 * 3 * 4 * height * width * model.scale**2
    if not model.tiles and height * width * need <= left:
        return max(height, width)
    side = min(LARGEST, math.isqrt(max(left, 0) // need) // 16 * 16)
    if side < min(SMALLEST, max(height, width)):
        least = min(SMALLEST**2, height * width) * need + budget - left
        raise ConfigError(
            f"{model.file.name} needs at least {least / GIB:.1f} GiB for a photo of {width}x{height}, "
            f"and may use {budget / GIB:.1f}",
            fix=f"--memory {least / GIB + 0.1:.1f}, a smaller model, or smaller photos",
        )
    return side


def bytes_per_pixel(model: Upscaler) -> int:
    """Memory that a model takes per input pixel, at its peak: measured on a small tile, and taken to grow with it."""
    # Models pad what is smaller than they need, which would count as a need of the pixels that are there.
    least = max(model.descriptor.size_requirements.minimum, PROBE)
    with _Peak() as memory:
        model(torch.zeros(3, least, least))
    return max(WORKSPACE * memory.peak // least**2, 1)


class _Peak(TorchDispatchMode):
    """Watches the memory of tensors that are made while it is active; `peak` is the most that was alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._live: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place not in self._live:
            self._live[place] = storage.nbytes()
            self.peak = max(self.peak, sum(self._live.values()))
            weakref.finalize(storage, self._live.pop, place, None)
