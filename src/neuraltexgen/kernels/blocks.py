"""Blocks of a texture that photos look at. Of an atlas often few are: the others need no step, and no part in a sum."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from neuraltexgen.kernels.cpu.blocks import HIGH, WIDE

Blocks = UInt8[np.ndarray, "_rows _cols"]


def no_blocks(size: tuple[int, int]) -> Blocks:
    """Of a texture of (rows, columns) texels, none marked."""
    return np.zeros((-(-size[0] // HIGH), -(-size[1] // WIDE)), np.uint8)


def late_zeros(shape: tuple[int, ...], like: Tensor) -> Float[Tensor, "..."]:
    """Zeros of another tensor's kind. On the CPU they take memory where they are first written to, and not before."""
    if like.device.type != "cpu" or like.dtype != torch.float32:
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    return torch.from_numpy(np.zeros(shape, np.float32))


def blocks_of(mask: Bool[np.ndarray, "H W"]) -> Blocks:
    """The blocks with a texel of the mask."""
    height, width = mask.shape
    rows = np.logical_or.reduceat(mask, np.arange(0, height, HIGH), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, width, WIDE), axis=1).astype(np.uint8)


def note_uv(uv: Float32[Tensor, "n 2"], size: tuple[int, int], blocks: Blocks) -> None:
    """Marks the blocks of the texels that lookups at uvs take; one whose share is 0 counts too."""
    ends = [_first_and_second(uv[:, axis], side) for axis, side in ((1, size[0]), (0, size[1]))]
    for row in ends[0]:
        for col in ends[1]:
            blocks[row // HIGH, col // WIDE] = 1


def coarser_blocks(blocks: Blocks, levels: int) -> list[Blocks]:
    """Of each pyramid level, finest first, the blocks that the composed texture takes in `blocks`: a doubled level
    mixes texels with their neighbours, so each level's blocks reach one further than those they lie under.
    """
    found = [blocks]
    for _ in range(levels - 1):
        rows, cols = (-(-side // 2) for side in found[-1].shape)
        padded = np.zeros((2 * rows, 2 * cols), np.uint8)
        padded[: found[-1].shape[0], : found[-1].shape[1]] = found[-1]
        found.append(grown(padded.reshape(rows, 2, cols, 2).max(axis=(1, 3))))
    return found


def grown(blocks: Blocks) -> Blocks:
    """The marked blocks and those around them."""
    result = blocks.copy()
    for axis in (0, 1):
        before = np.moveaxis(result.copy(), axis, 0)
        target: np.ndarray = np.moveaxis(result, axis, 0)
        target[1:] |= before[:-1]
        target[:-1] |= before[1:]
    return result


def _first_and_second(coordinate: Tensor, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The two texels around each coordinate in [0, 1] of so many texels."""
    place = (coordinate * side - 0.5).clamp(0, side - 1)
    first = place.floor().clamp(max=max(side - 2, 0)).long()
    return first.numpy(), (first + 1).clamp(max=side - 1).numpy()
