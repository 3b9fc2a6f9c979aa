"""Compose: the sum of pyramid levels, each enlarged bilinearly to the finest; linear, its gradient is its adjoint."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.cpu import pyramid as cpu_pyramid


def compose(levels: list[Tensor]) -> Float[Tensor, "H W c"]:
    """The texture that pyramid levels (h w c each, finest first, each half the size of the one before) add up to.

    Each level is doubled bilinearly (texel centres at +0.5, border repeated) and added to the next finer one, until
    the finest. Float32 on the CPU takes the numba twin, everything else the definition.
    """
    if all(level.device.type == "cpu" and level.dtype == torch.float32 for level in levels):
        return _CpuCompose.apply(*levels)  # pyright: ignore[reportReturnType]
    return compose_definition(levels)


def compose_definition(levels: list[Tensor]) -> Float[Tensor, "H W c"]:
    """The definition of `compose` in plain PyTorch: any device, any float type, differentiated by autograd."""
    result = levels[-1]
    for level in reversed(levels[:-1]):
        planes = result.permute(2, 0, 1)[None]
        doubled = F.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
        result = level + doubled[0].permute(1, 2, 0)
    return result


class _CpuCompose(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *levels: Tensor) -> Tensor:
        result = levels[-1].detach()
        for level in reversed(levels[:-1]):
            fine = level.detach().clone(memory_format=torch.contiguous_format)
            cpu_pyramid.add_doubled(result.contiguous().numpy(), fine.numpy())
            result = fine
        ctx.count = len(levels)
        return result if len(levels) > 1 else result.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, ...]:
        result = [gradients[0].contiguous()]
        for _ in range(ctx.count - 1):
            fine = result[-1]
            coarse = torch.empty(fine.shape[0] // 2, fine.shape[1] // 2, fine.shape[2])
            cpu_pyramid.halve_adjoint(fine.numpy(), coarse.numpy())
            result.append(coarse)
        return tuple(result)
