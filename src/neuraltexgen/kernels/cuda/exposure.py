"""Triton twins of what a fit measures beside the gradient, for many views of one size: exposures and sharpness.

Definitions: `kernels.photometric.block_means` with `colour.fit_colour`, and `kernels.photometric.sharpness_definition`.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import Any, NamedTuple, no_type_check

import torch
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import BYTE, blocks, corner, jit, mix
from neuraltexgen.kernels.cuda.photometric import Table, Terms, address

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None

SIDE_BY_SIDE = 256
"""Blocks of pixels, or pixels of a row, that a program takes at a time."""


class Exposure(NamedTuple):
    """How exposures are fitted. `shared` (H W): 1 for texels that count; `block`: side of the blocks in pixels, a power
    of 2; `ridge`, `ordinary`: see `colour.fit_colour`; `priors` (v): weight of gain 1 and offset 0, in blocks.
    """

    shared: Tensor
    block: int
    ridge: float
    ordinary: float
    priors: Tensor


def fit_exposures(texture: Tensor, table: Table, chosen: Tensor, terms: Terms, how: Exposure) -> None:
    """Sets gain and offset of b views to the least-squares fit of photos by renders of a texture (H W 4)."""
    rows, cols = -(-table.height // how.block), -(-table.width // how.block)
    sums = torch.empty(len(chosen), rows * cols, 8, device=texture.device)
    _block_sums[(cols, rows, len(chosen))](
        texture, how.shared, table.addresses, chosen, sums, texture.shape[1], texture.shape[0],
        table.width, table.height, table.samples, table.floats, how.block,
    )  # fmt: skip
    _fit_colours[(len(chosen),)](
        sums, chosen, terms.gain, terms.offset, how.priors, table.width, table.height, rows * cols, cols, how.ridge,
        how.ordinary, how.block, SIDE_BY_SIDE,
    )  # fmt: skip


def add_sharpness(field: Tensor, table: Table, chosen: Tensor, every: int, sums: Tensor) -> None:
    """Sums of the gradients' magnitudes of b views' renders and photos over every so many rows, from their residuals
    (b h w 4): in parts, into their rows of `sums` (v n 2), n from `sharpness_parts`.
    """
    _gradients[(*_parts(table, every), len(chosen))](
        field, table.addresses, chosen, sums, table.width, table.height, sums.stride(0), every, table.floats,
        SIDE_BY_SIDE,
    )  # fmt: skip


def sharpness_parts(table: Table, every: int) -> int:
    """In how many parts a view's sums are."""
    across, down = _parts(table, every)
    return across * down


def _parts(table: Table, every: int) -> tuple[int, int]:
    return blocks(table.width, SIDE_BY_SIDE), blocks(max(table.height - 1, 1), every)


@jit
@no_type_check
def _block_sums(
    texture, shared, table, chosen, sums, texture_width, texture_height, width, height,
    SAMPLES: tl.constexpr, FLOATS: tl.constexpr, SIDE: tl.constexpr,
):  # fmt: skip
    """Per block: weight x render and, last of its four, the weight; weight x photo."""
    view = tl.load(chosen + tl.program_id(2))
    low, high = address(table, view, 0, FLOATS), address(table, view, 1, FLOATS)
    trust, photo = address(table, view, 2, FLOATS), address(table, view, 3, FLOATS)
    inner = tl.arange(0, SIDE * SIDE)
    x, y = tl.program_id(0) * SIDE + inner % SIDE, tl.program_id(1) * SIDE + inner // SIDE
    place = y * width + x
    bits = tl.load(trust + place, mask=(x < width) & (y < height), other=0)
    known = bits > 0
    channel = tl.arange(0, 4)[None, :]
    image = tl.zeros((SIDE * SIDE, 4), tl.float32)
    count = tl.zeros((SIDE * SIDE,), tl.float32)
    for i in range(SAMPLES):
        code = tl.load(low + place * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + place * SAMPLES + i, mask=known, other=0).to(tl.int32)
        x0, y0, fx, fy = corner(code, upper, texture_width, texture_height)
        image += mix(texture, x0, y0, fx, fy, known, texture_width, texture_height)
        u = ((code & 0xFFFF) | ((upper >> 4) << 16)).to(tl.float32) * 0.00000095367431640625
        v = (((code >> 16) & 0xFFFF) | ((upper & 15) << 16)).to(tl.float32) * 0.00000095367431640625
        col = tl.minimum((u * texture_width).to(tl.int32), texture_width - 1)
        row = tl.minimum((v * texture_height).to(tl.int32), texture_height - 1)
        count += tl.load(shared + row.to(tl.int64) * texture_width + col, mask=known, other=0).to(tl.float32)
    weight = (bits.to(tl.float32) * BYTE * (count / SAMPLES))[:, None]
    seen = weight > 0
    picture = tl.load(photo + place[:, None] * 3 + channel, mask=seen & (channel < 3), other=0).to(tl.float32)
    if not FLOATS:
        picture = picture * BYTE
    shown = tl.where(channel < 3, image / SAMPLES, 1.0)
    here = (
        sums + ((tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)) * 8
    )
    lane = tl.arange(0, 4)
    tl.store(here + lane, tl.sum(tl.where(seen, weight * shown, 0.0), axis=0))
    tl.store(here + 4 + lane, tl.sum(tl.where(seen, weight * picture, 0.0), axis=0))


@jit
@no_type_check
def _blocks_of(own, first, count, cols, width, height, SIDE: tl.constexpr, MANY: tl.constexpr):
    """Means of render and photo over blocks (n 4 each), and the blocks' mean weights (n 1)."""
    index = first + tl.arange(0, MANY)
    inside = index < count
    channel = tl.arange(0, 4)[None, :]
    render = tl.load(own + index[:, None] * 8 + channel, mask=inside[:, None], other=0.0).to(tl.float64)
    photo = tl.load(own + index[:, None] * 8 + 4 + channel, mask=inside[:, None], other=0.0).to(tl.float64)
    weight = tl.load(own + index * 8 + 3, mask=inside, other=0.0).to(tl.float64)
    across = tl.minimum(width - index % cols * SIDE, SIDE)
    down = tl.minimum(height - index // cols * SIDE, SIDE)
    total = tl.maximum(weight, 1e-12)[:, None]
    mean = tl.where(inside, weight / tl.where(inside, across * down, 1).to(tl.float64), 0.0)
    return render / total, photo / total, mean[:, None]


@jit
@no_type_check
def _fit_colours(
    sums, chosen, gains, offsets, priors, width, height, count, cols, ridge, ordinary,
    SIDE: tl.constexpr, MANY: tl.constexpr,
):  # fmt: skip
    number = tl.program_id(0)
    view = tl.load(chosen + number)
    own = sums + number * count * 8
    weights = tl.zeros((MANY, 1), tl.float64)
    renders, photos = tl.zeros((MANY, 4), tl.float64), tl.zeros((MANY, 4), tl.float64)
    for first in range(0, count, MANY):
        render, photo, weight = _blocks_of(own, first, count, cols, width, height, SIDE, MANY)
        weights += weight
        renders += weight * render
        photos += weight * photo
    total = tl.sum(tl.sum(weights, axis=1), axis=0)
    known = total > 0
    safe = tl.where(known, total, 1.0)
    mean_render, mean_photo = tl.sum(renders, axis=0) / safe, tl.sum(photos, axis=0) / safe
    squares, products = tl.zeros((MANY, 4), tl.float64), tl.zeros((MANY, 4), tl.float64)
    for first in range(0, count, MANY):
        render, photo, weight = _blocks_of(own, first, count, cols, width, height, SIDE, MANY)
        apart = render - mean_render[None, :]
        squares += weight * apart * apart
        products += weight * apart * (photo - mean_photo[None, :])
    held = tl.load(priors + view).to(tl.float64) / safe
    least = ridge + held * ordinary
    gain = (tl.sum(products, axis=0) / safe + least) / (tl.sum(squares, axis=0) / safe + least)
    offset = (mean_photo - gain * mean_render) / (1.0 + held)
    lane = tl.arange(0, 4)
    tl.store(gains + view * 3 + lane, tl.where(known, gain, 1.0).to(tl.float32), mask=lane < 3)
    tl.store(offsets + view * 3 + lane, tl.where(known, offset, 0.0).to(tl.float32), mask=lane < 3)


@jit
@no_type_check
def _grey(field, photo, share, place, known, FLOATS: tl.constexpr):
    """Mean over channels of render, in the view's colours, and photo."""
    channel = tl.arange(0, 4)[None, :]
    there = known[:, None] & (channel < 3)
    picture = tl.load(photo + place[:, None] * 3 + channel, mask=there, other=0).to(tl.float32)
    if not FLOATS:
        picture = picture * BYTE
    apart = tl.load(field + place[:, None] * 4 + channel, mask=there, other=0.0)
    shown = picture + apart / tl.where(known, share, 1.0)[:, None]
    return tl.sum(shown, axis=1) / 3, tl.sum(picture, axis=1) / 3


@jit
@no_type_check
def _gradients(
    field, table, chosen, sums, width, height, parts, EVERY: tl.constexpr, FLOATS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    number = tl.program_id(2)
    view = tl.load(chosen + number)
    trust, photo = address(table, view, 2, FLOATS), address(table, view, 3, FLOATS)
    own = field + number.to(tl.int64) * width * height * 4
    x, y = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1) * EVERY
    place = y * width + x
    inside = place + 1 < tl.where(y + 1 < height, y * width + width, 0)
    here = tl.load(trust + place, mask=inside, other=0).to(tl.float32) * BYTE
    right = tl.load(trust + place + 1, mask=inside, other=0).to(tl.float32) * BYTE
    below = tl.load(trust + place + width, mask=inside, other=0).to(tl.float32) * BYTE
    known = (here > 0) & (right > 0) & (below > 0)
    render, picture = _grey(own, photo, here, place, known, FLOATS)
    render_right, picture_right = _grey(own, photo, right, place + 1, known, FLOATS)
    render_below, picture_below = _grey(own, photo, below, place + width, known, FLOATS)
    across, down = render_right - render, render_below - render
    ours = tl.sqrt(across * across + down * down)
    across, down = picture_right - picture, picture_below - picture
    theirs = tl.sqrt(across * across + down * down)
    own = sums + view * parts + (tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)) * 2
    tl.store(own, tl.sum(ours, axis=0))
    tl.store(own + 1, tl.sum(theirs, axis=0))
