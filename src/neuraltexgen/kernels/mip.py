"""Mip chain: a texture and its halvings one behind the other, each texel the mean of four; linear, with its adjoint."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.cpu import mip as cpu_mip


def mip_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """The levels' sizes (H, W), the texture's own first. A level with an odd side is the last: it has no exact half."""
    sizes = [size]
    while sizes[-1][0] % 2 == 0 and sizes[-1][1] % 2 == 0:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def mip_chain(texture: Float[Tensor, "H W c"]) -> Float[Tensor, "p c"]:
    """All levels, finest first, each in row order: texel (i, j) of a level is the mean of the 2 x 2 texels (2i, 2j) to
    (2i + 1, 2j + 1) of the one before. So it covers what they cover, and its centre is at +0.5 as theirs are.

    Not recorded by autograd. Float32 on the CPU takes the numba twin, everything else the definition.
    """
    if texture.device.type != "cpu" or texture.dtype != torch.float32:
        return mip_chain_definition(texture.detach())
    sizes = mip_sizes((texture.shape[0], texture.shape[1]))
    chain = torch.empty(sum(h * w for h, w in sizes), texture.shape[2])
    levels = split_levels(chain, sizes)
    levels[0].copy_(texture.detach())
    for fine, coarse in pairwise(levels):
        cpu_mip.halve(fine.numpy(), coarse.numpy())
    return chain


def mip_chain_definition(texture: Float[Tensor, "H W c"]) -> Float[Tensor, "p c"]:
    """The definition of `mip_chain` in plain PyTorch: any device, any float type, differentiated by autograd."""
    channels = texture.shape[2]
    levels = [texture]
    for height, width in mip_sizes((texture.shape[0], texture.shape[1]))[1:]:
        levels.append(levels[-1].reshape(height, 2, width, 2, channels).mean(dim=(1, 3)))
    return torch.cat([level.reshape(-1, channels) for level in levels])


def fold_chain(chain: Float[Tensor, "p c"], result: Float[Tensor, "H W c"]) -> None:
    """Adds the adjoint of `mip_chain`, applied to a gradient of the chain, to `result` in place. Overwrites `chain`."""
    levels = split_levels(chain, mip_sizes((result.shape[0], result.shape[1])))
    on_cpu = chain.device.type == "cpu" and chain.dtype == torch.float32
    for fine, coarse in reversed(list(pairwise([result, *levels[1:]]))):
        if on_cpu:
            cpu_mip.add_quarter(coarse.numpy(), fine.numpy())
        else:
            height, width, channels = coarse.shape
            fine += (0.25 * coarse)[:, None, :, None].expand(height, 2, width, 2, channels).reshape(fine.shape)
    result += levels[0]


def split_levels(chain: Float[Tensor, "p c"], sizes: list[tuple[int, int]]) -> list[Tensor]:
    """The levels (h w c) of a chain: views of its memory."""
    parts = chain.split([height * width for height, width in sizes])
    return [part.view(*size, chain.shape[1]) for part, size in zip(parts, sizes, strict=True)]
