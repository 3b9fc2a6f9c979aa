"""Style transfer onto a surface: the fitted texture goes on to be trained against the style of a picture."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from neuraltexgen.errors import ConfigError
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.losses import NetworkLoss, NetworkMemory, NetworkSettings
from neuraltexgen.losses.objective import check_losses, check_style, style_picture
from neuraltexgen.losses.vgg.heads import Content, Gram
from neuraltexgen.losses.vgg.network import LAYERS, Vgg16
from neuraltexgen.losses.vgg.weights import vgg_weights
from neuraltexgen.recipes import FitSettings, steps_per_pass
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

STEPS = 600
"""After which a style has settled, whatever the number of photos."""


@dataclass(frozen=True)
class StyleSettings:
    """`strength`: multiplies the weight of the style. `size`: the picture's long side in pixels, None as it is; it
    decides how large the picture's strokes are on the photos. `passes` over the photos, None for about 600 steps.
    """

    picture: Path
    strength: float = 1.0
    size: int | None = None
    passes: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf") or (self.passes is not None and self.passes < 1):
            raise ConfigError(
                "style: a finite strength >= 0 and at least one pass are needed", fix="--style-strength 1"
            )


def stylise(
    views: Views,
    fitted: FitResult,
    settings: FitSettings,
    style: StyleSettings,
    progress: Progress = no_progress,
    checkpoint: Path | None = None,
    on_pass: Callable[[PassRecord, Tensor], tuple[float, ...]] | None = None,
    beside: Beside = Beside(),  # noqa: B008  (it is frozen)
) -> FitResult:
    """The fitted texture in the style of a picture: one texture for all views, so they all show the same strokes.

    Content: VGG-16's relu2_2 of the photos. Style: Gram matrices of the picture. Each layer counts relative to its own
    size in the picture, so that the strength means the same for any network. The exposures stay as fitted.
    Raises what `fit` raises.
    """
    network = replace(settings.network, style=style.picture, style_size=style.size)
    styled = replace(
        settings,
        losses=balanced_losses(network, style.strength, views.device, beside.memory or NetworkMemory()),
        network=network,
        passes=style.passes or math.ceil(STEPS / steps_per_pass(settings.batch, len(views))),
        exposure=False,
        sharpness_power=0.0,
        clip=True,
    )
    result = fit(views, styled, progress, checkpoint, on_pass, replace(beside, start=fitted))
    return replace(result, view_weights=fitted.view_weights, history=fitted.history)


def check(settings: FitSettings, style: StyleSettings | None) -> None:
    """Raises what a fit, and a style after it, would raise for its losses: unknown names, no weights, no picture.

    To be called before any long work; what it finds is not kept, but a download is.
    """
    check_losses(settings.losses, settings.network)
    if style is not None:
        network = replace(settings.network, style=style.picture, style_size=style.size)
        check_style(style_picture(network, torch.device("cpu")), Gram.layers)
        vgg_weights(network.vgg_weights)


def balanced_losses(
    network: NetworkSettings, strength: float, device: torch.device, memory: NetworkMemory
) -> tuple[str, ...]:
    """Content and style as loss expressions, each over the mean square of what it compares, in the style picture.

    `network` names the picture. Raises LossError: the weights can't be had.
    """
    picture = style_picture(network, device)
    content, style = Content(), Gram()
    vgg = Vgg16(vgg_weights(network.vgg_weights)[: 1 + LAYERS.index(style.layers[-1])], device, torch.float32, True)
    whole = NetworkLoss([(1.0, style)], vgg, memory, device, style=picture)
    sizes = {layer: float(gram.square().mean()) for (_, layer), gram in whole.style.items()}
    content_size = float(vgg.features(picture, content.layers)[content.layers[0]].square().mean())
    share = strength / len(style.layers)
    return (
        f"vgg_content={1 / max(content_size, 1e-30)!r}",
        *(f"vgg_style={share / max(size, 1e-30)!r}@{layer}" for layer, size in sizes.items()),
    )
