"""How much a photo counts, from its sharpness beside that of the others."""

import torch
from jaxtyping import Float
from torch import Tensor

SLACK = 0.05
"""Differences of the log sharpness that mean nothing: photos of a clean capture scatter by about this much."""


def sharpness_weights(sharpness: Float[Tensor, " v"], power: float) -> Float[Tensor, " v"]:
    """Per view, its sharpness over the median view's to the power `power`, within 0.01 and 10; small differences aside.

    `sharpness`: a photo's mean gradient over its render's; 0 where it is not measured, which counts 1.
    """
    known = sharpness > 0
    if power == 0 or not known.any():
        return torch.ones(len(sharpness))
    relative = torch.where(known, (sharpness / sharpness[known].median()).log(), torch.zeros(()))
    beyond = relative.sign() * (relative.abs() - SLACK).clamp(min=0)
    return (power * beyond).exp().clamp(0.01, 10.0)
