"""Conjugate gradients: one symmetric positive matrix, a right-hand side per channel, a diagonal as preconditioner."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Planes = Float[Tensor, "c H W"]


def conjugate_gradients(
    product: Callable[[Planes, Planes], None],
    diagonal: Float[Tensor, "H W"],
    right: Planes,
    x: Planes,
    steps: int,
    tolerance: float,
) -> None:
    """Brings x, in place, from where it is to where the matrix times x is `right`, in at most `steps` steps.

    `product(a, b)` writes the matrix times a into b. It ends when the residual, measured by the inverse diagonal, is
    `tolerance` of what the right-hand side measures, in every channel. Texels with diagonal 0 must have neither
    couplings nor a right-hand side, and stay as they are. Channels share the matrix, not the lengths of the steps.
    Source: Hestenes and Stiefel 1952; Barrett et al., Templates for the Solution of Linear Systems, 2.3.1.
    """
    inverse = torch.where(diagonal > 0, 1 / diagonal.clamp(min=1e-30), torch.zeros_like(diagonal))
    image, scaled = torch.empty_like(x), torch.mul(inverse, right)
    enough = _dot(right, scaled) * tolerance**2
    product(x, image)
    residual = right - image
    torch.mul(inverse, residual, out=scaled)
    direction, size = scaled.clone(), _dot(residual, scaled)
    for _ in range(steps):
        if bool((size <= enough).all()):
            break
        product(direction, image)
        length = _ratio(size, _dot(direction, image))
        x.addcmul_(direction, length)
        residual.addcmul_(image, length, value=-1)
        torch.mul(inverse, residual, out=scaled)
        before, size = size, _dot(residual, scaled)
        direction.mul_(_ratio(size, before)).add_(scaled)


def _dot(a: Planes, b: Planes) -> Float[Tensor, "c 1 1"]:
    return torch.stack([torch.dot(one.flatten(), other.flatten()) for one, other in zip(a, b, strict=True)])[
        :, None, None
    ]


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: a channel that is solved stands still."""
    return torch.where(b > 0, a / b.clamp(min=1e-30), torch.zeros_like(a))
