"""The ops of a convolutional feature network: 3 x 3 convolution with ReLU, 2 x 2 maximum, and their adjoints.

Images are (1 c h w), stored channels last, so that a pixel's channels lie together. Each op's definition is plain
PyTorch; float32 on the CPU takes a Winograd twin, CUDA takes cuDNN and Triton.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.cpu import pool as cpu_pool
from neuraltexgen.kernels.cpu import winograd
from neuraltexgen.kernels.cuda import features as cuda_features

Planes = Float[Tensor, "1 c h w"]

FEW_CHANNELS = 128
"""Below this many channels Winograd's transforms cost more than the multiplications that they save."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A 3 x 3 convolution's filter (o i 3 3) and bias (o), with what its twins need, prepared once.

    `forward`, `backward`: the transformed filters of the convolution and of its adjoint; None where plain ones serve.
    """

    weight: Float[Tensor, "o i 3 3"]
    bias: Float[Tensor, " o"]
    flipped: Float[Tensor, "i o 3 3"]
    forward: Tensor | None
    backward: Tensor | None


def convolution(weight: Float[Tensor, "o i 3 3"], bias: Float[Tensor, " o"]) -> Convolution:
    """Prepares a filter on the device and in the float type that it has."""
    flipped = weight.flip(2, 3).transpose(0, 1)
    fast = weight.device.type == "cpu" and weight.dtype == torch.float32 and min(weight.shape[:2]) >= FEW_CHANNELS
    return Convolution(
        weight=weight.contiguous(memory_format=torch.channels_last),
        bias=bias.contiguous(),
        flipped=flipped.contiguous(memory_format=torch.channels_last),
        forward=winograd.transform_filter(weight) if fast else None,
        backward=winograd.transform_filter(flipped) if fast else None,
    )


def conv_relu(image: Planes, layer: Convolution) -> Float[Tensor, "1 _ h w"]:
    """max(0, weight * image + bias) with zeros beyond the border."""
    if layer.forward is not None:
        return _from_pixels(winograd.conv3x3(_pixels(image), layer.forward, layer.bias, relu=True))
    if image.device.type == "cuda":
        ones = (1, 1)
        return torch.cudnn_convolution_relu(image, layer.weight, layer.bias, ones, ones, ones, 1)
    return F.conv2d(image, layer.weight, layer.bias, padding=1).relu_()


def conv_adjoint(gradient: Planes, layer: Convolution) -> Float[Tensor, "1 _ h w"]:
    """The adjoint of the convolution without its bias and ReLU: a convolution with the flipped filter."""
    if layer.backward is not None:
        zero = torch.zeros(layer.weight.shape[1])
        return _from_pixels(winograd.conv3x3(_pixels(gradient), layer.backward, zero, relu=False))
    return F.conv2d(gradient, layer.flipped, padding=1)


def relu_adjoint(gradient: Planes, activation: Planes, more: Planes | None = None) -> Planes:
    """gradient (+ more) where the activation is above 0, else 0."""
    if more is not None and gradient.device.type == "cuda":
        return cuda_features.relu_adjoint(gradient, activation, more)
    if more is not None:
        gradient = gradient + more
    return torch.ops.aten.threshold_backward(gradient, activation, 0)


def max_pool(image: Planes) -> Float[Tensor, "1 c _ _"]:
    """The maximum of each block of 2 x 2 pixels; an odd last row or column is left out."""
    if image.device.type == "cuda":
        return cuda_features.max_pool(image)
    if image.dtype == torch.float32:
        result = torch.empty(image.shape[2] // 2, image.shape[3] // 2, image.shape[1])
        cpu_pool.max_pool(_pixels(image).numpy(), result.numpy())
        return _from_pixels(result)
    return F.max_pool2d(image, 2)


def max_pool_adjoint(gradient: Float[Tensor, "1 c _ _"], image: Planes) -> Planes:
    """Hands each block's gradient to the block's first largest pixel, if that is above 0: pooling after a ReLU."""
    if gradient.device.type == "cuda":
        return cuda_features.max_pool_adjoint(gradient, image)
    if gradient.dtype == torch.float32:
        result = torch.empty(image.shape[2], image.shape[3], image.shape[1])
        cpu_pool.max_pool_adjoint(_pixels(gradient).numpy(), _pixels(image).numpy(), result.numpy())
        return _from_pixels(result)
    return max_pool_adjoint_definition(gradient, image)


def max_pool_adjoint_definition(gradient: Float[Tensor, "1 c _ _"], image: Planes) -> Planes:
    """The definition of `max_pool_adjoint` by autograd."""
    with torch.enable_grad():
        leaf = image.detach().requires_grad_()
        pooled = F.max_pool2d(leaf, 2)
    (result,) = torch.autograd.grad(pooled, leaf, gradient)
    return relu_adjoint(result, image)


def _pixels(image: Planes) -> Float[Tensor, "h w c"]:
    return image[0].permute(1, 2, 0).contiguous()


def _from_pixels(image: Float[Tensor, "h w c"]) -> Planes:
    return image.permute(2, 0, 1)[None]
