"""CPU twin of the 3 x 3 convolution: Winograd's F(4 x 4, 3 x 3), a quarter of the multiplications (Lavin & Gray 2015).

Images are (h w c) with c contiguous. An output tile of 4 x 4 pixels needs 6 x 6 input pixels; in the transformed domain
the convolution is 36 matrix products over all tiles, which the BLAS does. Error: about 1e-5 relative in float32.
"""

from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

TILE, REACH = 4, 6
"""Output pixels and input pixels of a tile, along each side."""

CHUNK_BYTES = 12 * 2**20
"""Transformed tiles that are worked on at a time: they should stay in the cache."""

LANES = 64
"""Channels that a thread transforms at a time: 6 x 6 pixels of them fit the first-level cache."""

_FILTER = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
"""G of the paper, section 4.3."""


def transform_filter(weight: Float32[Tensor, "o i 3 3"]) -> Float32[Tensor, "36 i o"]:
    """The filter in the transformed domain, once per layer."""
    g = torch.from_numpy(_FILTER)
    transformed = torch.einsum("ak,oikl,bl->abio", g, weight.double(), g)
    return transformed.reshape(36, weight.shape[1], weight.shape[0]).float().contiguous()


def conv3x3(
    image: Float32[Tensor, "h w i"],
    transformed: Float32[Tensor, "36 i o"],
    bias: Float32[Tensor, " o"],
    relu: bool,
) -> Float32[Tensor, "h w o"]:
    """The 'same' convolution (zeros beyond the border) plus bias, clipped at 0 if `relu`."""
    h, w, channels = image.shape
    outputs = transformed.shape[2]
    result = torch.empty(h, w, outputs)
    tiles = -(-h // TILE) * -(-w // TILE)
    chunk = max(1, CHUNK_BYTES // (REACH * REACH * 4 * (channels + outputs)))
    inputs = torch.empty(36, min(chunk, tiles), channels)
    products = torch.empty(36, min(chunk, tiles), outputs)
    source, target = image.numpy(), result.numpy()
    for first in range(0, tiles, chunk):
        count = min(chunk, tiles - first)
        _gather(source, first, count, inputs.numpy())
        torch.bmm(inputs[:, :count], transformed, out=products[:, :count])
        _scatter(products.numpy(), first, count, bias.numpy(), relu, target)
    return result


@no_type_check
@numba.njit(parallel=True, fastmath={"contract", "nsz"}, cache=True)
def _gather(image, first, count, result):
    """result[:, t] = Bᵀ d B of tile first + t, for every channel."""
    h, w, channels = image.shape
    across = (w + TILE - 1) // TILE
    for t in numba.prange(count):
        top = (first + t) // across * TILE - 1
        left = (first + t) % across * TILE - 1
        block = np.empty((REACH, REACH, LANES), np.float32)
        for start in range(0, channels, LANES):
            n = min(LANES, channels - start)
            for i in range(REACH):
                for j in range(REACH):
                    y, x = top + i, left + j
                    if 0 <= y < h and 0 <= x < w:
                        for c in range(n):
                            block[i, j, c] = image[y, x, start + c]
                    else:
                        for c in range(n):
                            block[i, j, c] = 0.0
            for j in range(REACH):
                for c in range(n):
                    d0, d1, d2 = block[0, j, c], block[1, j, c], block[2, j, c]
                    d3, d4, d5 = block[3, j, c], block[4, j, c], block[5, j, c]
                    a, b = d4 - np.float32(4) * d2, d3 - np.float32(4) * d1
                    p, q = d4 - d2, np.float32(2) * (d3 - d1)
                    block[0, j, c] = np.float32(4) * d0 - np.float32(5) * d2 + d4
                    block[1, j, c] = a + b
                    block[2, j, c] = a - b
                    block[3, j, c] = p + q
                    block[4, j, c] = p - q
                    block[5, j, c] = np.float32(4) * d1 - np.float32(5) * d3 + d5
            for i in range(REACH):
                for c in range(n):
                    d0, d1, d2 = block[i, 0, c], block[i, 1, c], block[i, 2, c]
                    d3, d4, d5 = block[i, 3, c], block[i, 4, c], block[i, 5, c]
                    a, b = d4 - np.float32(4) * d2, d3 - np.float32(4) * d1
                    p, q = d4 - d2, np.float32(2) * (d3 - d1)
                    result[6 * i, t, start + c] = np.float32(4) * d0 - np.float32(5) * d2 + d4
                    result[6 * i + 1, t, start + c] = a + b
                    result[6 * i + 2, t, start + c] = a - b
                    result[6 * i + 3, t, start + c] = p + q
                    result[6 * i + 4, t, start + c] = p - q
                    result[6 * i + 5, t, start + c] = np.float32(4) * d1 - np.float32(5) * d3 + d5


@no_type_check
@numba.njit(parallel=True, fastmath={"contract", "nsz"}, cache=True)
def _scatter(products, first, count, bias, relu, result):
    """result = Aᵀ m A of each tile, plus bias."""
    h, w, channels = result.shape
    across = (w + TILE - 1) // TILE
    for t in numba.prange(count):
        top = (first + t) // across * TILE
        left = (first + t) % across * TILE
        block = np.empty((TILE, REACH, LANES), np.float32)
        lowest = np.float32(0.0) if relu else np.float32(-np.inf)
        for start in range(0, channels, LANES):
            n = min(LANES, channels - start)
            for j in range(REACH):
                for c in range(n):
                    k = start + c
                    m0, m1, m2 = products[j, t, k], products[6 + j, t, k], products[12 + j, t, k]
                    m3, m4, m5 = products[18 + j, t, k], products[24 + j, t, k], products[30 + j, t, k]
                    a, b, p, q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                    block[0, j, c] = m0 + a + p
                    block[1, j, c] = b + np.float32(2) * q
                    block[2, j, c] = a + np.float32(4) * p
                    block[3, j, c] = b + np.float32(8) * q + m5
            for i in range(min(TILE, h - top)):
                for j in range(min(TILE, w - left)):
                    for c in range(n):
                        m1, m2, m3, m4 = block[i, 1, c], block[i, 2, c], block[i, 3, c], block[i, 4, c]
                        a, b, p, q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                        if j == 0:
                            value = block[i, 0, c] + a + p
                        elif j == 1:
                            value = b + np.float32(2) * q
                        elif j == 2:
                            value = a + np.float32(4) * p
                        else:
                            value = b + np.float32(8) * q + block[i, 5, c]
                        result[top + i, left + j, start + c] = max(value + bias[start + c], lowest)
