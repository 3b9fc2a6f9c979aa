"""How an image is cut for the network: tiles with a halo, so that no feature knows that it was cut."""

from dataclasses import dataclass

import torch

from neuraltexgen.losses.vgg.network import LAYERS, reach, stride

ALIGNMENT = 128
"""Tiles start at multiples of this many pixels: of every layer's stride, and of the patches of `gram_patch`."""


NUMBERS_PER_PIXEL = 400
"""Numbers that are alive at the peak of a step, per pixel that the network is shown: all its activations (302 up to
relu5_3), and a gradient in the first block (64). Measured on the CPU: about 350."""


@dataclass(frozen=True)
class Span:
    """Along one axis: the pixels [first, last) that a tile answers for, and those that the network is shown."""

    first: int
    last: int
    shown_first: int
    shown_last: int

    def shown(self, step: int) -> slice:
        """Features of the tile, counted in the layer that the network gives for the window."""
        start = self.shown_first // step
        return slice(self.first // step - start, self.last // step - start)

    def whole(self, step: int) -> slice:
        """The same features, counted in the layer of the whole image."""
        return slice(self.first // step, self.last // step)


@dataclass(frozen=True)
class Tile:
    """A rectangle of an image that is shown to the network at a time."""

    down: Span
    across: Span

    def place(self, step: int) -> tuple[slice, slice]:
        """Its own features, in rows and columns, in what the network gives for its window."""
        return self.down.shown(step), self.across.shown(step)

    @property
    def window(self) -> tuple[slice, slice]:
        """Pixels that the network is shown, as rows and columns."""
        down, across = self.down, self.across
        return slice(down.shown_first, down.shown_last), slice(across.shown_first, across.shown_last)


def cut(height: int, width: int, side: int, deepest: str) -> tuple[Tile, ...]:
    """Tiles of at most `side` pixels (a multiple of 128 at least) that cover an image, for features up to `deepest`."""
    halo = -(-reach(deepest) // stride(LAYERS[-1])) * stride(LAYERS[-1])
    side = max(ALIGNMENT, side // ALIGNMENT * ALIGNMENT)
    downs, acrosses = _spans(height, side, halo), _spans(width, side, halo)
    return tuple(Tile(down, across) for down in downs for across in acrosses)


def largest_side(memory: int, dtype: torch.dtype, deepest: str) -> int:
    """The side of the largest square tile whose step takes at most so many bytes; 128 at least."""
    pixels = memory / (NUMBERS_PER_PIXEL * dtype.itemsize)
    return max(ALIGNMENT, int(pixels**0.5 - 2 * reach(deepest)) // ALIGNMENT * ALIGNMENT)


def _spans(size: int, side: int, halo: int) -> list[Span]:
    """Even spans, each a multiple of the alignment but the last."""
    count = -(-size // side)
    even = -(-size // count)
    step = min(-(-even // ALIGNMENT) * ALIGNMENT, side)
    starts = range(0, size, step)
    return [Span(s, min(s + step, size), max(s - halo, 0), min(s + step + halo, size)) for s in starts]
