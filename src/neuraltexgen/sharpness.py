"""How much a photo counts, from its sharpness beside that of the others."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SLACK = 0.05
"""Differences of the log sharpness that mean nothing: photos of a clean capture scatter by about this much."""

ROWS = 4
"""Of so many rows of a photo one is measured."""


def note_sharpness(sharpness: Float[Tensor, " v"], index: int, ratio: float) -> None:
    """Takes a measurement of a view into `sharpness`, in place: the mean of it and what was known, 0 for nothing.

    `ratio`: the render's sharpness over the photo's, below 1 where the photo is the sharper one; NaN is passed over.
    """
    if math.isfinite(ratio) and ratio > 0:
        now, before = 1.0 / ratio, float(sharpness[index])
        sharpness[index] = now if before == 0 else 0.5 * (before + now)


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
