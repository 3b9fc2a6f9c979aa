"""Conjugate gradients: one symmetric positive matrix, a right-hand side per channel, a diagonal as preconditioner."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.blocks import Blocks, late_zeros
from neuraltexgen.kernels.stencil import Planes, advance, dots, invert, turn


def conjugate_gradients(
    product: Callable[[Planes, Planes], None],
    diagonal: Float[Tensor, "H W"],
    right: Planes,
    x: Planes,
    limits: tuple[int, float],
    blocks: Blocks | None = None,
) -> None:
    """Brings x, in place, from where it is to where the matrix times x is `right`; both `right` and `diagonal` are used
    up.

    `product(a, b)` writes the matrix times a into b. `limits`: steps at the most, and a tolerance: it ends when the
    residual, measured by the inverse diagonal, is that share of what the right-hand side measures, in every channel.
    Texels with diagonal 0 must have neither couplings nor a right-hand side, and stay as they are; so do those that are
    not in `blocks`. Channels share the matrix, not the lengths of the steps.
    Source: Hestenes and Stiefel 1952; Barrett et al., Templates for the Solution of Linear Systems, 2.3.1.
    """
    steps, tolerance = limits
    invert(diagonal, blocks)
    direction, image = (late_zeros(tuple(x.shape), x) for _ in range(2))
    still = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    enough = advance((x, right, direction, image), diagonal, still, blocks) * tolerance**2
    product(x, image)
    size = advance((x, right, direction, image), diagonal, still + 1, blocks)
    turn(direction, right, diagonal, still, blocks)
    for _ in range(steps):
        if bool((size <= enough).all()):
            break
        product(direction, image)
        lengths = _ratio(size, dots(direction, image, blocks))
        before, size = size, advance((x, right, direction, image), diagonal, lengths, blocks)
        turn(direction, right, diagonal, _ratio(size, before), blocks)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: a channel that is solved stands still."""
    return torch.where(b > 0, a / b.clamp(min=1e-30), torch.zeros_like(a))
