"""VGG-16 with random weights: thin and fast, or in files as they are published; and the network in plain PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

Filters = list[tuple[Tensor, Tensor]]

CONFIGURATION_D = (
    *("relu1_1", "relu1_2", "M", "relu2_1", "relu2_2", "M", "relu3_1", "relu3_2", "relu3_3", "M"),
    *("relu4_1", "relu4_2", "relu4_3", "M", "relu5_1", "relu5_2", "relu5_3"),
)
"""The order of convolutions and pooling (M) of the paper's table 1, without its last pooling."""

LAYER_NAMES = tuple(name for name in CONFIGURATION_D if name != "M")
STRIDES = {name: 2 ** CONFIGURATION_D[: CONFIGURATION_D.index(name)].count("M") for name in LAYER_NAMES}

FULL = (64, 128, 256, 512, 512)
THIN = (16, 20, 24, 32, 32)
"""Channels of the five blocks: the real ones, and few that make a test fast."""

TORCHVISION = tuple(
    sum(1 if before == "M" else 2 for before in CONFIGURATION_D[:place])
    for place, name in enumerate(CONFIGURATION_D)
    if name != "M"
)
"""Where torchvision's `features` has its convolutions: counted with the ReLU after each and the pooling."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def filters(channels: Sequence[int] = THIN, seed: int = 0) -> Filters:
    """(filter, bias) of each convolution, drawn so that no layer dies out or blows up (He et al. 2015)."""
    draw = torch.Generator().manual_seed(seed)
    result, inputs = [], 3
    for name in LAYER_NAMES:
        outputs = channels[int(name[4]) - 1]
        weight = torch.randn(outputs, inputs, 3, 3, generator=draw) * (2 / (9 * inputs)) ** 0.5
        result.append((weight, 0.05 * torch.randn(outputs, generator=draw)))
        inputs = outputs
    return result


def plain_features(image: Tensor, network: Filters, normalised: bool = True) -> dict[str, Tensor]:
    """Every layer that an image (b 3 h w) of this size has, in the image's float type, by PyTorch's own operations.

    Only ImageNet's constants are float32's: what differs by less than a rounding can fall on the other side of a ReLU.
    """
    features, steps, layers = image, iter(network), {}
    if normalised:
        mean, deviation = (torch.tensor(row).to(image.dtype).view(3, 1, 1) for row in IMAGENET)
        features = (image - mean) / deviation
    for name in CONFIGURATION_D:
        if name == "M":
            if min(features.shape[2:]) < 2:
                break
            features = F.max_pool2d(features, kernel_size=2, stride=2)
        else:
            weight, bias = next(steps)
            features = F.conv2d(features, weight.to(image.dtype), bias.to(image.dtype), padding=1).clamp(min=0)
            layers[name] = features
    return layers


def state_dict(prefix: str = "features.", seed: int = 0) -> dict[str, Tensor]:
    """The convolutions under torchvision's names, and a stub of its classifier."""
    state = {
        f"{prefix}{i}.{kind}": tensor
        for i, pair in zip(TORCHVISION, filters(FULL, seed), strict=True)
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }
    return state | {"classifier.0.weight": torch.zeros(4, 2), "classifier.0.bias": torch.zeros(4)}


def lpips_heads(seed: int = 0) -> list[Tensor]:
    """A random, non-negative weight for each channel of the five layers: (1 c 1 1), as published."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.rand(1, c, 1, 1, generator=draw) for c in FULL]


def write_state(path: Path, state: dict[str, Tensor]) -> Path:
    """As .safetensors if the path says so, else with torch.save."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def write_lpips(path: Path, name: str = "lin{}.model.1.weight") -> Path:
    """The heads' state dict."""
    return write_state(path, {name.format(i): head for i, head in enumerate(lpips_heads())})
