"""How to fit: every setting of the optimisation, our defaults, and the published recipe."""

import math
from dataclasses import dataclass
from typing import Literal

from neuraltexgen.errors import ConfigError
from neuraltexgen.kernels.normal import SLOTS
from neuraltexgen.losses import NetworkSettings
from neuraltexgen.texture import TextureSettings

PASSES, BLURRED_PASSES = 10, 16
"""Passes of a fit, and of one in which many photos are fitted as much blurred: what only these show takes longer to
come out, while without them more passes fit more noise."""

MUCH, MANY = 0.7, 0.15
"""Pixels (standard deviation) from which on a photo is much blurred, and the share of the photos that is many."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit; the defaults are ours, `PUBLISHED` is NeuralTexGen's recipe.

    `passes`: None is PASSES, or BLURRED_PASSES where `train_and_score` finds many photos blurred. `batch`: views per
    step, 0 for all, None for as few as leave at least 40 steps a pass (1 to 4). `schedule`: the learning rate falls
    along a cosine to 2 %, or as published stays for a third of the passes and then falls linearly. `damping`: Adam's
    epsilon in units of one pixel's gradient, so that texels with hardly any data hardly move; None is PyTorch's 1e-8.
    `exposure`: fit gain and offset per view and channel. `sharpness_power`: a view counts (its sharpness relative to
    the render's, over the median view's) to this power, small differences aside; 0 is off. `compare_at`: the photo's
    own resolution, or the photo enlarged to the UV map's. `clip`: the losses see colours within [0, 1] only. `start`:
    where Adam begins, the mean of the photos in each texel, or grey. `seam_weight`: how much a texel's length of seam
    counts, beside a pixel, in drawing both sides of it together; 0 is off. `solver`: adam, or direct, which solves
    normal equations and reads none of passes, batch, learning rate, betas, schedule, damping and start; auto is direct
    where it can. `smoothness`: for direct, how much the squared difference of neighbouring texels counts, beside a
    pixel. `network`: for the losses that look at VGG-16's features.
    """

    texture: TextureSettings = TextureSettings()
    losses: tuple[str, ...] = ("l2=1",)
    regulariser: float = 0.0
    passes: int | None = None
    batch: int | None = None
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    schedule: Literal["cosine", "published"] = "cosine"
    damping: float | None = 2.5e-4
    exposure: bool = True
    sharpness_power: float = 10.0
    compare_at: Literal["photo", "uvmap"] = "photo"
    clip: bool = False
    start: Literal["mean", "grey"] = "mean"
    seam_weight: float = 0.05
    solver: Literal["auto", "adam", "direct"] = "auto"
    smoothness: float = 0.1
    network: NetworkSettings = NetworkSettings()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.all_passes < 1 or (self.batch or 0) < 0 or self.learning_rate <= 0 or self.regulariser < 0:
            raise ConfigError("fit: passes >= 1, batch >= 0, learning rate > 0 and regulariser >= 0 are needed")
        if not self.seam_weight >= 0:
            raise ConfigError(f"fit: the seams' weight is {self.seam_weight}, not 0 or more", fix="--seam-weight 0.05")
        if not self.smoothness >= 0:
            raise ConfigError(f"fit: the smoothness is {self.smoothness}, not 0 or more", fix="--smoothness 0.1")
        if not self.losses:
            raise ConfigError("fit: at least one loss is needed", fix="--loss l2=1")

    @property
    def all_passes(self) -> int:
        """How many passes a fit takes."""
        return PASSES if self.passes is None else self.passes


PUBLISHED = FitSettings(
    losses=("l1=10", "gradient_l1=20"),
    # Colours run from 0 to 1 here and from -1 to 1 there: halved, the published step of 0.01 and regulariser of 0.1
    # (relative to losses that double) become these.
    regulariser=0.2,
    learning_rate=0.005,
    passes=60,
    batch=0,
    betas=(0.5, 0.999),
    schedule="published",
    damping=None,
    exposure=False,
    sharpness_power=0.0,
    seam_weight=0.0,
    compare_at="uvmap",
    start="grey",
)
"""NeuralTexGen's recipe: 20 + 40 passes of one Adam step over all views, L1 10, gradients 20, regulariser 0.1."""


def steps_per_pass(batch: int | None, views: int) -> int:
    """Optimiser steps in a pass over so many views, for the `batch` of FitSettings."""
    return math.ceil(views / views_per_step(batch, views))


def views_per_step(wanted: int | None, views: int) -> int:
    """Views per step, for the `batch` of FitSettings: as asked, 0 for all; None for so many that a pass has about 40
    steps or more, 1 to 4.
    """
    if wanted is None:
        return min(max(1, views // 40), 4)
    return wanted or views


def fit_bytes(settings: FitSettings) -> int:
    """Memory that a fit needs beside the views.

    Adam: levels, gradients, its two moments, and the composed texture. The direct solver: the stencil, and the vectors
    of conjugate gradients beside texture and gradient.
    """
    height, width = settings.texture.size
    image = height * width * settings.texture.channels * 4
    if settings.solver == "direct":
        return height * width * SLOTS * 4 + 10 * image
    levels = sum(image // 4**level for level in range(len(settings.texture.level_weights)))
    return 4 * levels + 5 * image
