"""Curvature: the normal equations of `render` as a stencil in texture space, gathered in one pass over the pixels.

A pixel of weight w whose lookup is tᵀx, t the texture's bilinear taps, adds w (tᵀx)² to the objective and w t tᵀ to its
curvature. Neighbouring pixels overlap, so the sum is a sparse matrix; of every texel the stencil holds the coefficients
with itself and with the texels after it, in reading order, within REACH rows and columns.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from neuraltexgen.kernels.cpu import normal as cpu_normal
from neuraltexgen.kernels.cpu.normal import REACH, SLOTS
from neuraltexgen.kernels.packed import Places, unpack_uv

__all__ = [
    "OFFSETS",
    "REACH",
    "SLOTS",
    "add_curvature",
    "add_curvature_definition",
    "bilinear_taps",
]

OFFSETS = tuple((dy, dx) for dy in range(REACH + 1) for dx in range(-REACH, REACH + 1) if dy > 0 or dx >= 0)
"""(rows, columns) from a texel to the one that a coefficient couples it with, in the stencil's order."""


def add_curvature(places: Places, weight: Float[Tensor, "h w"], stencil: Float[Tensor, "H W k"]) -> None:
    """Adds the curvature of `weight` x (mean of s lookups)², summed over pixels with confidence, to `stencil` in place.

    k = SLOTS: one for each of OFFSETS, and some that stay as they are. A pixel whose taps lie more than REACH apart
    counts each of its samples by itself: the mean of squares instead of the square of the mean. That has the same row
    sums, so it is exact on a texture that is constant there, and is never the smaller of the two (Jensen), so steps
    that it decides never overshoot. Float32 on the CPU takes the numba twin.
    """
    if stencil.device.type == "cpu" and stencil.dtype == torch.float32 and weight.dtype == torch.float32:
        if not stencil.is_contiguous():
            raise ValueError("add_curvature adds in place: its stencil must be contiguous")
        packed = (field.numpy() for field in places)
        cpu_normal.add_curvature(*packed, weight.contiguous().numpy(), stencil.numpy())  # pyright: ignore[reportCallIssue]
        return
    add_curvature_definition(places, weight, stencil)


def add_curvature_definition(places: Places, weight: Float[Tensor, "h w"], stencil: Float[Tensor, "H W k"]) -> None:
    """The definition of `add_curvature` in plain PyTorch: any device, any float type."""
    height, width, _ = stencil.shape
    kept = places.trust > 0
    uv = unpack_uv(places.low, places.high)[kept].to(stencil.dtype)
    weights = weight[kept].to(stencil.dtype)
    rows, row_shares = _taps(uv[..., 1], height)  # p s 2 each
    cols, col_shares = _taps(uv[..., 0], width)
    together = (_spread(rows) <= REACH) & (_spread(cols) <= REACH)
    taps = (row_shares[..., :, None] * col_shares[..., None, :]).flatten(2)  # p s 4
    rows, cols = rows.repeat_interleave(2, dim=2), cols.repeat(1, 1, 2)
    count = uv.shape[1]
    y, x, shares = (a[together].flatten(1) for a in (rows, cols, taps / count))  # p 4s: a pixel's samples as one
    _add_pairs(stencil, y, x, shares, weights[together])
    y, x, shares = (a[~together].flatten(0, 1) for a in (rows, cols, taps))  # p*s 4: each sample by itself
    _add_pairs(stencil, y, x, shares, (weights[~together] / count).repeat_interleave(count))


def bilinear_taps(uv: Float[Tensor, "n 2"], size: tuple[int, int]) -> tuple[Int64[Tensor, "n 4"], Float[Tensor, "n 4"]]:
    """The four texels of each lookup, as indices into the flattened texture of `size` (rows, columns), and shares."""
    rows, row_shares = _taps(uv[:, None, 1], size[0])  # n 1 2 each
    cols, col_shares = _taps(uv[:, None, 0], size[1])
    taps = (rows[..., :, None] * size[1] + cols[..., None, :]).flatten(1)
    return taps, (row_shares[..., :, None] * col_shares[..., None, :]).flatten(1)


def _taps(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The two texels around each coordinate in [0, 1], and their shares: (p s 2) each."""
    place = (coordinate * size - 0.5).clamp(0, size - 1)
    first = place.floor().clamp(max=max(size - 2, 0))
    second = (first + 1).clamp(max=size - 1)
    share = place - first
    return torch.stack((first, second), dim=-1).long(), torch.stack((1 - share, share), dim=-1)


def _spread(texels: Tensor) -> Tensor:
    """How far a pixel's taps lie apart along one axis."""
    return texels.amax(dim=(1, 2)) - texels.amin(dim=(1, 2))


def _add_pairs(stencil: Tensor, rows: Tensor, cols: Tensor, taps: Tensor, weights: Tensor) -> None:
    """Adds weight x tap x tap for all pairs of a lookup's taps (p t each) to the stencil."""
    width, k = stencil.shape[1:]
    flat = stencil.view(-1)
    slot = torch.full((REACH + 1, 2 * REACH + 1), -1, device=stencil.device)
    for index, (dy, dx) in enumerate(OFFSETS):
        slot[dy, dx + REACH] = index
    for a in range(taps.shape[1]):
        for b in range(taps.shape[1]):
            dy, dx = rows[:, b] - rows[:, a], cols[:, b] - cols[:, a]
            after = (dy > 0) | ((dy == 0) & (dx >= 0))
            index = (rows[after, a] * width + cols[after, a]) * k + slot[dy[after], dx[after] + REACH]
            flat.index_add_(0, index, (weights * taps[:, a] * taps[:, b])[after])
