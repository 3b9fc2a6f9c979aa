"""VGG-16's convolutions as a feature network, with a backward pass of its own: towards the image, and no further.

Source: Simonyan & Zisserman 2015, configuration D.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.conv import (
    Convolution,
    conv_adjoint,
    conv_relu,
    convolution,
    max_pool,
    max_pool_adjoint,
    relu_adjoint,
)

CONVOLUTIONS = (
    ("relu1_1", 3, 64),
    ("relu1_2", 64, 64),
    ("relu2_1", 64, 128),
    ("relu2_2", 128, 128),
    ("relu3_1", 128, 256),
    ("relu3_2", 256, 256),
    ("relu3_3", 256, 256),
    ("relu4_1", 256, 512),
    ("relu4_2", 512, 512),
    ("relu4_3", 512, 512),
    ("relu5_1", 512, 512),
    ("relu5_2", 512, 512),
    ("relu5_3", 512, 512),
)
"""Name of the layer after the ReLU, input and output channels; a 2 x 2 maximum stands before each new block."""

LAYERS = tuple(name for name, _, _ in CONVOLUTIONS)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def stride(layer: str) -> int:
    """Pixels from one feature to the next: 1, 2, 4, 8 or 16."""
    return 2 ** (int(layer[4]) - 1)


def reach(layer: str) -> int:
    """How many pixels beyond its own block of `stride` x `stride` a feature sees, on each side."""
    total = 0
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        total += stride(name)  # a 3 x 3 convolution looks one feature further; pooling stays inside its block
    return total


class Vgg16:
    """The network on one device and in one float type; `normalised` images are ImageNet's, else as they are."""

    def __init__(
        self, weights: Sequence[tuple[Tensor, Tensor]], device: torch.device, dtype: torch.dtype, normalised: bool
    ) -> None:
        self.dtype = dtype
        self.layers: list[Convolution] = [
            convolution(weight.to(device, dtype), bias.to(device, dtype)) for weight, bias in weights
        ]
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if normalised else ((0.0,) * 3, (1.0,) * 3)
        self.mean = torch.tensor(mean, device=device)[:, None, None]
        self.std = torch.tensor(std, device=device)[:, None, None]

    def activations(self, image: Float[Tensor, "1 3 h w"], last: str) -> list[Tensor]:
        """Every layer up to `last`, or the last that an image of this size has: for `gradient`."""
        result: list[Tensor] = []
        features = self._normalise(image)
        for (name, _, _), layer in zip(CONVOLUTIONS, self.layers):
            if _too_small(name, features):
                break
            features = conv_relu(_before(name, features), layer)
            result.append(features)
            if name == last:
                break
        return result

    def features(self, image: Float[Tensor, "1 3 h w"], wanted: Sequence[str]) -> dict[str, Tensor]:
        """Only the layers that are wanted, by name: what is not, is not kept."""
        result: dict[str, Tensor] = {}
        features = self._normalise(image)
        for (name, _, _), layer in zip(CONVOLUTIONS, self.layers):
            if _too_small(name, features):
                break
            features = conv_relu(_before(name, features), layer)
            if name in wanted:
                result[name] = features
            if len(result) == len(set(wanted)):
                break
        return result

    def gradient(self, activations: list[Tensor], gradients: Mapping[str, Tensor]) -> Float[Tensor, "1 3 h w"]:
        """The image's gradient, from those of some layers. Empties `activations` as it goes, to free memory."""
        flow: Tensor | None = None
        while activations:
            index = len(activations) - 1
            name = LAYERS[index]
            activation = activations.pop()
            here = gradients.get(name)
            if flow is None:
                flow, here = here, None
            if flow is None:
                continue
            flow = conv_adjoint(relu_adjoint(flow, activation, here), self.layers[index])
            if _pooled_before(name):
                flow = max_pool_adjoint(flow, activations[-1])
        if flow is None:
            raise ValueError("no layer has a gradient")
        return flow.float() / self.std if self.dtype != torch.float64 else flow / self.std

    def _normalise(self, image: Tensor) -> Tensor:
        normal = (image - self.mean) / self.std
        return normal.to(self.dtype, memory_format=torch.channels_last)


def _before(name: str, features: Tensor) -> Tensor:
    return max_pool(features) if _pooled_before(name) else features


def _too_small(name: str, features: Tensor) -> bool:
    return _pooled_before(name) and min(features.shape[-2:]) < 2


def _pooled_before(name: str) -> bool:
    return name.endswith("_1") and name != LAYERS[0]
