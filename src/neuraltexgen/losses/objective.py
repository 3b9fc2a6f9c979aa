"""The objective of a fit: the weighted sum of its losses, with one network for all losses that look at features."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.errors import LossError
from neuraltexgen.files import content_key
from neuraltexgen.images import read_photo
from neuraltexgen.kernels.photometric import KNOWN, PhotoLosses
from neuraltexgen.losses.parse import LossTerm, parse_losses
from neuraltexgen.losses.pixel import Images, Scalar, Valid
from neuraltexgen.losses.table import LOSSES, Loss
from neuraltexgen.losses.vgg import HEADS, Head, NetworkLoss, NetworkMemory, NetworkSettings, Visit
from neuraltexgen.losses.vgg.network import LAYERS, Vgg16, stride
from neuraltexgen.losses.vgg.weights import vgg_weights


class Objective:
    """Sum of weight x loss of a render, a photo and a mask.

    float32 on the CPU; on CUDA the network runs in bfloat16, everything else in float32.
    Raises LossError: an unknown loss, weights that can't be had, or a style picture without a loss that uses it.
    """

    def __init__(
        self,
        expressions: Sequence[str],
        settings: NetworkSettings | None = None,
        device: torch.device | None = None,
        memory: NetworkMemory | None = None,
    ) -> None:
        self.terms, self.settings = parse_losses(expressions), settings or NetworkSettings()
        self.plain = [(term.weight, term.function) for term in self.terms if term.function is not None]
        self.networks = _network_losses(
            self.terms, self.settings, device or torch.device("cpu"), memory or NetworkMemory()
        )

    def __call__(self, render: Images, photo: Images, valid: Valid, visit: Visit | None = None) -> Scalar:
        """`visit` names the photo, so that the network looks at it only once (see NetworkLoss)."""
        parts = [weight * function(render, photo, valid) for weight, function in self.plain]
        parts += [network(render, photo, valid, visit) for network in self.networks]
        return torch.stack(parts).sum()

    def photo_losses(self) -> PhotoLosses | None:
        """The weights of `kernels.photometric`, if all of these losses are among them; None else."""
        weights = dict.fromkeys(KNOWN, 0.0)
        for term in self.terms:
            if term.name not in KNOWN:
                return None
            weights[term.name] += term.weight
        return PhotoLosses(**weights)

    def key(self) -> str:
        """What decides the value beside the expressions: the files that are named, the source of a user's losses."""
        files = [path for path in (self.settings.vgg_weights, self.settings.lpips_weights, self.settings.style) if path]
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        own = [term.function for term in self.terms if term.function is not None and term.name not in LOSSES]
        return content_key(stamps, [_source(function) for function in own])

    def close(self) -> None:
        """Removes what was kept on disk."""
        for network in self.networks:
            network.store.clear()


def check_losses(expressions: Sequence[str], settings: NetworkSettings) -> None:
    """Raises what an Objective would for its names and files, without setting the network up."""
    terms = parse_losses(expressions)
    for term in terms:
        if term.function is None:
            HEADS[term.name][0](term.layers, settings, torch.device("cpu"))
    if any(term.function is None for term in terms):
        vgg_weights(settings.vgg_weights)


def needs_network(expressions: Sequence[str]) -> bool:
    """Whether any of the losses looks at a network's features."""
    return any(term.function is None for term in parse_losses(expressions))


def _source(function: Loss) -> str:
    """The text of the file that defines a loss; its name where there is none."""
    made_by = inspect.unwrap(function) if inspect.isroutine(function) else type(function)
    try:
        file = inspect.getsourcefile(made_by)
    except TypeError:  # made in C, or by exec
        file = None
    if file is None or not Path(file).is_file():
        return f"{made_by.__module__}.{made_by.__qualname__}"
    return Path(file).read_text(encoding="utf-8", errors="replace")


def _network_losses(
    terms: tuple[LossTerm, ...], settings: NetworkSettings, device: torch.device, memory: NetworkMemory
) -> list[NetworkLoss]:
    """One per input scaling: LPIPS is defined on ImageNet's, whatever the others are given."""
    groups: dict[bool, list[tuple[float, Head]]] = {}
    for term in terms:
        if term.function is None:
            normalised = term.name == "lpips" or settings.vgg_input == "imagenet"
            groups.setdefault(normalised, []).append((term.weight, HEADS[term.name][0](term.layers, settings, device)))
    styled = any(head.styled for heads in groups.values() for _, head in heads)
    if settings.style is not None and not styled:
        raise LossError(
            f"style picture {settings.style}: no loss looks at it", fix="--loss style, or add --loss vgg_style=1e5"
        )
    if not groups:
        return []
    weights = vgg_weights(settings.vgg_weights)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    memory = replace(memory, **{name: getattr(memory, name) // len(groups) for name in ("device", "host", "disk")})
    style = None
    if settings.style is not None:
        style = style_picture(settings, device)
        check_style(style, [layer for heads in groups.values() for _, h in heads if h.styled for layer in h.layers])
    losses = []
    for normalised, heads in groups.items():
        deepest = max(LAYERS.index(layer) for _, head in heads for layer in head.layers)
        network = Vgg16(weights[: deepest + 1], device, dtype, normalised)
        losses.append(NetworkLoss(heads, network, memory, device, settings.crop, style))
    return losses


def check_style(picture: Float[Tensor, "1 3 h w"], layers: Sequence[str]) -> None:
    """Raises LossError if the picture is so small that a layer has no feature of it."""
    height, width = picture.shape[2:]
    needed = max(stride(layer) for layer in layers)
    if min(height, width) < needed:
        raise LossError(
            f"the style picture of {width} x {height} pixels is too small: {needed} pixels a side are needed",
            fix="a larger --style-size, or another picture",
        )


def style_picture(settings: NetworkSettings, device: torch.device) -> Float[Tensor, "1 3 h w"]:
    """The style picture in [0, 1], scaled so that its long side has `style_size` pixels. Raises ImageError."""
    if settings.style is None:
        raise LossError("no style picture is named", fix="--style IMAGE")
    pixels = read_photo(settings.style, upright=True).pixels
    scale = 255.0 if pixels.dtype == np.uint8 else 1.0
    picture = torch.from_numpy(pixels.astype(np.float32) / scale).permute(2, 0, 1)[None].to(device)
    if settings.style_size is None:
        return picture.clamp(0, 1)
    factor = settings.style_size / max(picture.shape[2:])
    size = [max(1, round(side * factor)) for side in picture.shape[2:]]
    return F.interpolate(picture, size=size, mode="bicubic", antialias=True).clamp(0, 1)
