"""A symmetric matrix in texture space, held as a stencil, and the vectors that conjugate gradients go through.

Each op works on the texels in `blocks` (see `kernels.blocks`; None: all) and leaves the others' results as they are:
where no photo looks there is nothing to solve for. float32 on the CPU takes the numba twin, everything else the
definition, which is the same on a mask of texels.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.kernels.blocks import HIGH, WIDE, Blocks, blocks_of, late_zeros, no_blocks
from neuraltexgen.kernels.cpu import stencil as cpu
from neuraltexgen.kernels.normal import OFFSETS

Image = Float[Tensor, "H W c"]
Planes = Float[Tensor, "c H W"]
Channels = Float[Tensor, " c"]


def to_planes(image: Image, blocks: Blocks | None = None) -> Planes:
    """The image as planes (c H W), in order in memory; 0 elsewhere."""
    if not _on_cpu(image):
        mask = _mask(blocks, image.shape[:2], image.device)
        return torch.where(mask, image.permute(2, 0, 1), torch.zeros_like(image[0, 0, 0])).contiguous()
    result = late_zeros((image.shape[2], *image.shape[:2]), image)
    cpu.to_planes(image.contiguous().numpy(), _blocks(blocks, image.shape), result.numpy())
    return result


def add_planes(planes: Planes, image: Image, blocks: Blocks | None = None) -> None:
    """Adds planes (c H W) to an image, in place."""
    if not _on_cpu(image):
        image += planes.permute(1, 2, 0) * _mask(blocks, image.shape[:2], image.device)[..., None]
        return
    if not image.is_contiguous():
        raise ValueError("add_planes adds in place: its image must be contiguous")
    cpu.add_planes(planes.numpy(), _blocks(blocks, image.shape), image.numpy())


def curved_blocks(stencil: Float[Tensor, "H W k"]) -> Blocks:
    """The blocks with a texel that has any curvature."""
    if not _on_cpu(stencil):
        return blocks_of((stencil[..., 0] != 0).cpu().numpy())
    result = no_blocks((stencil.shape[0], stencil.shape[1]))
    cpu.curved_blocks(stencil.numpy(), result)
    return result


def lay_out(stencil: Float[Tensor, "H W k"], prior: float, blocks: Blocks | None = None) -> Float[Tensor, "H k W"]:
    """The stencil with its rows as planes, in the same memory: neighbours in memory are then multiplied alike.

    `prior` x the squared difference of every two texels side by side is added; what is not in `blocks` becomes 0.
    """
    height, width, k = stencil.shape
    if not _on_cpu(stencil):
        result = lay_out_definition(stencil, prior, blocks)
        stencil.view(height, k, width).copy_(result)
    else:
        cpu.lay_out(stencil.numpy(), np.float32(prior), _blocks(blocks, (height, width)))
    return stencil.view(height, k, width)


def lay_out_definition(
    stencil: Float[Tensor, "H W k"], prior: float, blocks: Blocks | None = None
) -> Float[Tensor, "H k W"]:
    """The definition of `lay_out`, in new memory."""
    result = stencil.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    result[:, RIGHT, :-1] -= prior
    result[:-1, BELOW] -= prior
    own = result[:, 0]
    own[:, :-1] += prior
    own[:, 1:] += prior
    own[:-1] += prior
    own[1:] += prior
    return result * _mask(blocks, stencil.shape[:2], stencil.device)[:, None]


def diagonal_of(stencil: Float[Tensor, "H k W"], blocks: Blocks | None = None) -> Float[Tensor, "H W"]:
    """The matrix's diagonal; 0 elsewhere."""
    size = (stencil.shape[0], stencil.shape[2])
    if not _on_cpu(stencil):
        return stencil[:, 0] * _mask(blocks, size, stencil.device)
    result = late_zeros(size, stencil)
    cpu.take_diagonal(stencil.numpy(), _blocks(blocks, size), result.numpy())
    return result


def invert(diagonal: Float[Tensor, "H W"], blocks: Blocks | None = None) -> None:
    """1 over the values that are above 0 and 0 for others, in place."""
    if _on_cpu(diagonal):
        cpu.invert(diagonal.numpy(), _blocks(blocks, diagonal.shape))
        return
    inverse = torch.where(diagonal > 0, 1 / diagonal.clamp(min=1e-30), torch.zeros_like(diagonal))
    diagonal.copy_(torch.where(_mask(blocks, diagonal.shape, diagonal.device), inverse, diagonal))


def subtract_penalty(x: Planes, prior: float, result: Planes, blocks: Blocks | None = None) -> None:
    """Takes half the gradient of `prior` x the squared differences of texels side by side, at x, from `result`."""
    if _on_cpu(x):
        cpu.subtract_penalty(x.numpy(), np.float32(prior), _blocks(blocks, x.shape[1:]), result.numpy())
        return
    penalty = torch.zeros_like(x)
    for axis in (1, 2):
        size = x.shape[axis] - 1
        step = prior * (x.narrow(axis, 1, size) - x.narrow(axis, 0, size))
        penalty.narrow(axis, 1, size).add_(step)
        penalty.narrow(axis, 0, size).sub_(step)
    result -= penalty * _mask(blocks, x.shape[1:], x.device)


def stencil_product(stencil: Float[Tensor, "H k W"], x: Planes, result: Planes, blocks: Blocks | None = None) -> None:
    """Writes the symmetric matrix, whose upper half the stencil is, times x, for each channel, into `result`."""
    if _on_cpu(x) and stencil.dtype == torch.float32:
        if not result.is_contiguous():
            raise ValueError("stencil_product writes in place: its result must be contiguous")
        given, blocks = x.contiguous().numpy(), _blocks(blocks, x.shape[1:])
        cpu.product(stencil.contiguous().numpy(), given, blocks, result.numpy())
        return
    found, mask = stencil_product_definition(stencil, x), _mask(blocks, x.shape[1:], x.device)
    result.copy_(torch.where(mask, found, result))


def stencil_product_definition(stencil: Float[Tensor, "H k W"], x: Planes) -> Planes:
    """The definition of `stencil_product` in plain PyTorch, of all texels: any device, any float type."""
    height, width = x.shape[1:]
    result = stencil[:, 0] * x
    for k, (dy, dx) in enumerate(OFFSETS[1:], 1):
        if dy >= height or abs(dx) >= width:
            continue
        here = (slice(None), slice(0, height - dy), slice(max(0, -dx), min(width, width - dx)))
        there = (slice(None), slice(dy, height), slice(max(0, dx), min(width, width + dx)))
        coefficient = stencil[None, :, k][here]
        result[here] += coefficient * x[there]
        result[there] += coefficient * x[here]
    return result


def dots(a: Planes, b: Planes, blocks: Blocks | None = None) -> Channels:
    """Each channel's sum of a x b."""
    if not _on_cpu(a):
        return (a * b * _mask(blocks, a.shape[1:], a.device)).sum(dim=(1, 2))
    chosen = _blocks(blocks, a.shape[1:])
    sums = np.empty((len(chosen), len(a)))
    cpu.dots(a.numpy(), b.numpy(), chosen, sums)
    return torch.from_numpy(sums.sum(axis=0)).to(a.dtype)


def advance(
    vectors: tuple[Planes, Planes, Planes, Planes],
    inverse: Float[Tensor, "H W"],
    lengths: Channels,
    blocks: Blocks | None = None,
) -> Channels:
    """Of (x, residual, direction, image): x += length x direction and residual -= length x image, in place; returns
    each channel's sum of inverse x residual².
    """
    x, residual, direction, image = vectors
    if not _on_cpu(x):
        along = lengths[:, None, None] * _mask(blocks, x.shape[1:], x.device)
        x += along * direction
        residual -= along * image
        return dots(residual, inverse * residual, blocks)
    chosen = _blocks(blocks, x.shape[1:])
    sums = np.empty((len(chosen), len(x)))
    given = (x.numpy(), residual.numpy(), direction.numpy(), image.numpy())
    cpu.advance(*given, inverse.numpy(), lengths.numpy(), chosen, sums)
    return torch.from_numpy(sums.sum(axis=0)).to(x.dtype)


def turn(
    direction: Planes, residual: Planes, inverse: Float[Tensor, "H W"], ratios: Channels, blocks: Blocks | None = None
) -> None:
    """direction = ratio x direction + inverse x residual, in place."""
    if not _on_cpu(direction):
        turned = ratios[:, None, None] * direction + inverse * residual
        direction.copy_(torch.where(_mask(blocks, direction.shape[1:], direction.device), turned, direction))
        return
    chosen = _blocks(blocks, direction.shape[1:])
    cpu.turn(direction.numpy(), residual.numpy(), inverse.numpy(), ratios.numpy(), chosen)


RIGHT, BELOW = OFFSETS.index((0, 1)), OFFSETS.index((1, 0))


def _on_cpu(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype == torch.float32


def _blocks(blocks: Blocks | None, size: tuple[int, ...]) -> Blocks:
    return no_blocks((size[0], size[1])) | 1 if blocks is None else blocks


def _mask(blocks: Blocks | None, size: tuple[int, ...], device: torch.device) -> Bool[Tensor, "H W"]:
    """The texels in blocks."""
    if blocks is None:
        return torch.ones(size[0], size[1], dtype=torch.bool, device=device)
    texels = blocks.repeat(HIGH, axis=0).repeat(WIDE, axis=1)[: size[0], : size[1]]
    return torch.from_numpy(texels > 0).to(device)
