"""Model files of a real architecture with known weights: small, made here, and never trained."""

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

FEATURES = 4
LAYERS = 2
REACH = LAYERS + 2
"""How many pixels away a pixel of the model's input can still change its output: one for each 3 x 3 convolution."""


def compact(scale: int = 2, strength: float = 0.0, channels: int = 3, seed: int = 0) -> dict[str, Tensor]:
    """Weights of Real-ESRGAN's compact architecture: nearest enlargement plus `strength` times random convolutions."""
    draw = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    widths = [channels, *[FEATURES] * (LAYERS + 1), channels * scale**2]
    for layer, (before, after) in enumerate(pairwise(widths)):
        last = layer == LAYERS + 1
        weight = torch.randn(after, before, 3, 3, generator=draw) / (9 * before) ** 0.5
        state[f"body.{2 * layer}.weight"] = strength * weight if last else weight
        state[f"body.{2 * layer}.bias"] = torch.zeros(after)
        if not last:
            state[f"body.{2 * layer + 1}.weight"] = torch.full((after,), 0.2)
    return state


def write_model(path: Path, state: dict[str, Tensor]) -> Path:
    """The weights as .pth, as training leaves them, or as .safetensors."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"params": state}, path)
    return path
