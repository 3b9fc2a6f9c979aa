"""What is compared of two images' features: content, Gram matrices, LPIPS. One head per loss, and a table of them.

A head sees one layer of one tile at a time. It says what it keeps of the photo, and then the value of the render and
its gradient in the render's features: written out, since the network's backward pass is ours too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.errors import LossError
from neuraltexgen.kernels.gram import grams
from neuraltexgen.losses.vgg.network import LAYERS, stride
from neuraltexgen.losses.vgg.photo import Part
from neuraltexgen.losses.vgg.settings import NetworkSettings
from neuraltexgen.losses.vgg.tiles import ALIGNMENT
from neuraltexgen.losses.vgg.weights import lpips_weights

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
LPIPS_LAYERS = (*STYLE_LAYERS, "relu5_3")
LPIPS_CHANNELS = (64, 128, 256, 512, 512)


@runtime_checkable
class Head(Protocol):
    """One loss on features. `summed`: what it keeps adds up over tiles. `styled`: a style picture may be the target."""

    summed: ClassVar[bool]
    styled: ClassVar[bool]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers it looks at."""
        ...

    def keep(self, part: Part) -> Tensor:
        """What it needs to know of the photo."""
        ...

    def measure(self, part: Part, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        """weight x the value (scalar), and its gradient in the features."""
        ...


@dataclass(frozen=True)
class Content:
    """Mean squared difference of features, over channels and over the features that count."""

    layers: tuple[str, ...] = ("relu2_2",)
    summed: ClassVar[bool] = False
    styled: ClassVar[bool] = False

    def keep(self, part: Part) -> Tensor:
        return part.features

    def measure(self, part: Part, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        difference = part.features - kept
        if part.mask is not None:
            difference *= part.mask.to(difference.dtype)
        factor = weight * part.scale / difference.shape[1]
        return factor * _sum_of_squares(difference), difference.mul_(2 * factor)


@dataclass(frozen=True)
class Gram:
    """Mean squared difference of Gram matrices G = F Fᵀ / (c h w), summed over layers (Gatys et al. 2016)."""

    layers: tuple[str, ...] = STYLE_LAYERS
    summed: ClassVar[bool] = True
    styled: ClassVar[bool] = True

    def keep(self, part: Part) -> Tensor:
        """G (1 c c); tiles' G, each by its share of the image, add up to the image's."""
        return grams(_pixels(part.counting)) * (part.scale / part.features.shape[1])

    def measure(self, part: Part, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        value, pull = self.compare(self.keep(part), kept, weight)
        return value, self.gradient(part, pull)

    def compare(self, gram: Tensor, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        """weight x the value, and its gradient in the render's Gram matrix."""
        difference = gram - kept
        return weight * difference.square().mean(), difference * (2 * weight / difference.numel())

    def gradient(self, part: Part, pull: Tensor) -> Tensor:
        """From the Gram matrix's gradient (1 c c, symmetric) to that of the features."""
        pixels = _pixels(part.counting)
        return _as_planes(pixels @ (pull * (2 * part.scale / pixels.shape[2])).to(pixels.dtype), part.features)


@dataclass(frozen=True)
class GramPatch:
    """`Gram` of patches of 128 x 128 pixels, each against the same patch of the photo: style that stays in its place.

    A patch counts by its features that count.
    """

    layers: tuple[str, ...] = STYLE_LAYERS
    summed: ClassVar[bool] = False
    styled: ClassVar[bool] = True

    def keep(self, part: Part) -> Tensor:
        """G of each patch (n c c)."""
        patches, counts = self._patches(part)
        return grams(patches) / (counts * patches.shape[2])

    def measure(self, part: Part, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        patches, counts = self._patches(part)
        channels = patches.shape[2]
        difference = grams(patches) / (counts * channels) - kept
        factor = weight * part.scale / channels**2
        value = factor * (counts * difference.square()).sum()
        pull = (difference * (4 * factor / channels)).to(patches.dtype)
        return value, self._together(part, patches @ pull)

    def _patches(self, part: Part) -> tuple[Tensor, Tensor]:
        """Features (n p c), 0 where they don't count, and how many count in each patch (n 1 1), 1 at least."""
        side = ALIGNMENT // stride(part.layer)
        patches = _cut(part.counting, side)
        wide = torch.promote_types(patches.dtype, torch.float32)
        ones = torch.ones_like(part.features[:, :1], dtype=wide)
        mask = ones if part.mask is None else part.mask.to(wide)
        return patches, _cut(mask, side).sum(dim=1, keepdim=True).clamp(min=1)

    def _together(self, part: Part, patches: Tensor) -> Tensor:
        """The adjoint of cutting: patches (n p c) back to (1 c h w)."""
        side = ALIGNMENT // stride(part.layer)
        _, channels, h, w = part.features.shape
        down, across = -(-h // side), -(-w // side)
        image = patches.reshape(down, across, side, side, channels).transpose(1, 2)
        return _as_planes(image.reshape(down * side, across * side, channels)[:h, :w], part.features)


@dataclass(frozen=True, eq=False)
class Lpips:
    """Learned perceptual distance: squared differences of unit-length features, weighted per channel (Zhang 2018)."""

    heads: tuple[Tensor, ...]
    layers: tuple[str, ...] = LPIPS_LAYERS
    summed: ClassVar[bool] = False
    styled: ClassVar[bool] = False

    def keep(self, part: Part) -> Tensor:
        return _unit(part.features)

    def measure(self, part: Part, kept: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
        head = self.heads[self.layers.index(part.layer)].to(part.features)[None, :, None, None]
        with torch.enable_grad():
            leaf = part.features.detach().requires_grad_()
            distance = head * (_unit(leaf) - kept).square()
            if part.mask is not None:
                distance = distance * part.mask
            value = weight * part.scale * distance.sum(dtype=torch.promote_types(leaf.dtype, torch.float32))
        (gradient,) = torch.autograd.grad(value, leaf)
        return value.detach(), gradient


def _content(layers: tuple[str, ...], settings: NetworkSettings, device: torch.device) -> Head:
    return Content(layers or Content.layers)


def _style(layers: tuple[str, ...], settings: NetworkSettings, device: torch.device) -> Head:
    return Gram(layers or Gram.layers)


def _gram_patch(layers: tuple[str, ...], settings: NetworkSettings, device: torch.device) -> Head:
    return GramPatch(layers or GramPatch.layers)


def _lpips(layers: tuple[str, ...], settings: NetworkSettings, device: torch.device) -> Head:
    if layers:
        raise LossError("lpips has its own five layers", fix="--loss lpips=1")
    heads = lpips_weights(settings.lpips_weights, LPIPS_CHANNELS)
    return Lpips(tuple(head.to(device) for head in heads))


HEADS: dict[str, tuple[Callable[[tuple[str, ...], NetworkSettings, torch.device], Head], str]] = {
    "gram_patch": (_gram_patch, "style patch by patch: Gram matrices of 128 x 128 pixels, each where it belongs"),
    "lpips": (_lpips, "learned perceptual distance, VGG-16 with linear heads (--lpips-weights)"),
    "vgg_content": (_content, "mean squared difference of VGG-16 features, relu2_2 unless @LAYER says otherwise"),
    "vgg_style": (_style, "mean squared difference of Gram matrices of VGG-16 features, the whole photo's"),
}
"""How each is made from the layers that the user names (none: its own), and its line in the list of losses."""


def parse_layers(name: str, argument: str) -> tuple[str, ...]:
    """`relu2_2+relu3_3` as layers; empty for none. Raises LossError for what is no layer."""
    layers = tuple(dict.fromkeys(argument.split("+"))) if argument else ()
    for layer in layers:
        if layer not in LAYERS:
            raise LossError(f"loss {name!r}: VGG-16 has no layer {layer!r}", fix=f"one of {', '.join(LAYERS)}")
    return layers


def _sum_of_squares(field: Tensor) -> Tensor:
    """In float32 at least."""
    wide = torch.promote_types(field.dtype, torch.float32)
    return torch.linalg.vector_norm(field.permute(0, 2, 3, 1).reshape(-1), dtype=wide).square()


def _pixels(features: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 p c"]:
    return features.permute(0, 2, 3, 1).reshape(1, -1, features.shape[1])


def _as_planes(pixels: Tensor, like: Tensor) -> Float[Tensor, "1 c h w"]:
    """Pixels in reading order, channels last, as (1 c h w)."""
    _, channels, h, w = like.shape
    return pixels.reshape(1, h, w, channels).permute(0, 3, 1, 2)


def _cut(field: Tensor, side: int) -> Float[Tensor, "n p c"]:
    """(1 c h w) in patches of side x side, zeros beyond the edge."""
    _, channels, h, w = field.shape
    padded = F.pad(field, (0, -w % side, 0, -h % side))
    down, across = padded.shape[2] // side, padded.shape[3] // side
    image = padded[0].permute(1, 2, 0).reshape(down, side, across, side, channels)
    return image.transpose(1, 2).reshape(down * across, side * side, channels)


def _unit(features: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """Each pixel's features over their length; LPIPS adds 1e-10 to the length."""
    length = features.square().sum(dim=1, keepdim=True, dtype=torch.promote_types(features.dtype, torch.float32)).sqrt()
    return features / (length + 1e-10).to(features.dtype)
