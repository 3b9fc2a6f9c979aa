"""Gram matrices of features, summed in float32 or better whatever the features' type."""

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 4096
"""Features that one matrix product sums over: many products in parallel keep a GPU busy where channels are few."""


def grams(features: Float[Tensor, "n p c"]) -> Float[Tensor, "n c c"]:
    """Sum over p of feature x featureᵀ, for each of n groups."""
    if features.device.type != "cuda" or len(features) > 1:
        return _products(features)
    _, p, c = features.shape
    whole = p // CHUNK * CHUNK
    parts = [features[:, :whole].reshape(-1, CHUNK, c), features[:, whole:]]
    return torch.stack([_products(part).sum(dim=0) for part in parts if part.numel()]).sum(dim=0, keepdim=True)


def _products(features: Tensor) -> Tensor:
    if features.dtype in (torch.float32, torch.float64) or features.device.type == "cpu":
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        return torch.bmm(wide.transpose(1, 2), wide)
    return torch.bmm(features.transpose(1, 2), features, out_dtype=torch.float32)
