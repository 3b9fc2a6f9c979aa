"""What two photos show of one patch of the surface: the observations that exposures are solved from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from neuraltexgen.fall_off import squared_radius
from neuraltexgen.glimpses import Glimpse
from neuraltexgen.kernels.cpu.patches import compare_patches, note_texels
from neuraltexgen.kernels.packed import unpack_share, unpack_uv

PATCHES = 24
"""Along a photo's shorter side, its blocks that are compared as one patch each: noise, blur and small shifts average
out, contrast does not."""

FEWEST_TEXELS, FEWEST_PIXELS, FEWEST_SHARED = 64, 4, 4.0
"""Coarse texels along the side of a texture, and pixels of a glimpse along that of a patch, at the least; coarse texels
that two photos must share in a patch, in whole texels' weight."""

FULL = 0.3
"""A texel of which a photo shows less than this, beside its median texel, is not compared: it may show one side of an
edge and another photo the other."""

MOST = 12
"""Photos that are compared in one texel, about: with more, each pair of them is seen in other texels."""

FAINT, BRIGHT = 1.5 / 255, 253.5 / 255
"""What is darker or brighter in a channel may have been clipped there, and is not compared."""


class Pairs(NamedTuple):
    """What photo `first` and photo `second` show of one patch: mean values, and r² (`fall_off.squared_radius`).

    `weight`: how much of the patch both see, in coarse texels.
    """

    first: Int64[np.ndarray, " n"]
    second: Int64[np.ndarray, " n"]
    weight: Float64[np.ndarray, " n"]
    shown: Float64[np.ndarray, "n 2 c"]
    radius: Float64[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class _Rows:
    """What one photo shows of coarse texels: which, in which block of it, and weight, r², colours."""

    texel: Int64[np.ndarray, " m"]
    block: Int64[np.ndarray, " m"]
    values: Float32[np.ndarray, "m k"]
    blocks: int


def pairs_of(glimpses: Sequence[Glimpse], stride: int, footprint: float, clipped: bool = True) -> Pairs:
    """All patches that two photos show. `footprint`: the side of a pixel in uv units, of the median photo.

    Pixels that may be `clipped` are left out (False: values are no colours), patches at the rim of what both see are
    smaller. Deterministic.
    """
    side = max(FEWEST_TEXELS, round(1 / max(footprint * stride, 1e-6)))
    rows = [_rows_of(glimpse, stride, side, clipped) for glimpse in glimpses]
    texel = np.concatenate([own.texel for own in rows])
    photo = np.repeat(np.arange(len(rows)), [len(own.texel) for own in rows])
    order = np.argsort(texel, kind="stable")
    texel, photo = texel[order], photo[order]
    values = np.concatenate([own.values for own in rows])[order]
    # From here on texels are numbered as they occur: an atlas is mostly empty at this scale.
    _, starts, numbers = np.unique(texel, return_index=True, return_inverse=True)
    starts, place = np.append(starts, len(texel)), np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    found, begin = [], 0
    for index, own in enumerate(rows):
        mine = place[begin : begin + len(own.texel)]
        begin += len(own.texel)
        sums = np.zeros((own.blocks, len(rows), 2 * values.shape[1] - 1), np.float32)
        compare_patches(mine, own.block, starts, photo, numbers.reshape(-1), values, MOST, sums)
        block, other = np.nonzero(sums[..., 0] >= FEWEST_SHARED)
        found.append((np.full(len(block), index), other, sums[block, other].astype(np.float64)))
    first, second, sums = (np.concatenate(part) for part in zip(*found, strict=True))
    means = (sums[:, 1:] / sums[:, :1]).reshape(len(sums), 2, values.shape[1] - 1)
    return Pairs(first, second, sums[:, 0], means[..., 1:], means[..., 0])


def _rows_of(glimpse: Glimpse, stride: int, side: int, clipped: bool) -> _Rows:
    """A photo's coarse texels that it shows with some confidence, whole, and unclipped if that may be.

    A texel is left out for one clipped pixel: the mean of its others would be that of its darker ones.
    """
    colours, trust = glimpse.colours().cpu(), unpack_share(glimpse.places.trust).cpu().square()
    height, width = trust.shape
    cell = (unpack_uv(glimpse.places.low, glimpse.places.high).cpu() * side).long().clamp(max=side - 1)
    texel = (cell[..., 1] * side + cell[..., 0]).reshape(height * width, -1).numpy()
    radius = squared_radius(height * stride, width * stride)[::stride, ::stride]
    y, x = (plane.float() for plane in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    pixels = torch.cat((torch.stack((y, x, radius), dim=2), colours), dim=2).reshape(height * width, -1)
    used, near = np.unique(texel, return_inverse=True)
    sums = np.zeros((len(used), 1 + pixels.shape[1]), np.float32)
    note_texels(near.reshape(texel.shape), (trust / texel.shape[1]).reshape(-1).numpy(), pixels.numpy(), sums)
    if clipped:
        lost = ((colours < FAINT) | (colours > BRIGHT)).any(dim=2) & (trust > 0)
        sums[near.reshape(texel.shape)[lost.reshape(-1).numpy()]] = 0
    seen = sums[:, 0] > 0
    whole = float(np.median(sums[seen, 0])) if seen.any() else 1.0
    kept = sums[:, 0] > FULL * whole
    means = sums[kept, 1:] / sums[kept, :1]
    block_side = max(FEWEST_PIXELS, min(height, width) // PATCHES)
    across, down = (-(-side // block_side) for side in (width, height))
    block = (means[:, 0] // block_side).astype(np.int64) * across + (means[:, 1] // block_side).astype(np.int64)
    weight = np.minimum(sums[kept, :1] / whole, 1)
    return _Rows(used[kept], block, np.concatenate((weight, means[:, 2:]), axis=1), across * down)
