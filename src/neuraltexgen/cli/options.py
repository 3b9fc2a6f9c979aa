"""Option groups that several commands share, and how they become the library's settings."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from neuraltexgen.readers import ReadOptions
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import ViewSettings
from neuraltexgen.visibility import ConfidenceSettings

Out = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
OutFile = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
Maybe = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]


@dataclass(frozen=True)
class Reading:
    """How to read the capture."""

    mesh: Maybe = None
    """A mesh in the frame of the cameras, instead of the capture's own."""
    images: Maybe = None
    """A folder with the photos, if they are not where the capture says."""
    masks: Maybe = None
    """A folder with one mask per photo, of the same name; black is ignored."""
    missing: Literal["skip", "error"] = "skip"
    """What to do about views without a usable photo or pose: leave them out and say so, or stop."""
    format: str = "auto"
    """The capture's format, if it is not recognised: transforms, colmap, frames or neuraltexgen."""

    def settings(self) -> ReadOptions:
        return ReadOptions(self.mesh, self.images, self.masks, self.missing, self.format)


@dataclass(frozen=True)
class Sampling:
    """How the photos look at the texture."""

    samples: int = 2
    """Sub-samples a pixel, along each side: a pixel is an area. 3 is a little better on sharp captures, and slower."""
    confidence: bool = True
    """Trust pixels less at depth edges, grazing angles and the photo's border."""

    def settings(self) -> ViewSettings:
        return ViewSettings(self.samples, ConfidenceSettings() if self.confidence else None)


@dataclass(frozen=True)
class Fitting:
    """How to fit the texture; what is not given is taken from the recipe."""

    recipe: Literal["ours", "published"] = "ours"
    """Ours, or NeuralTexGen's: 20 + 40 passes, L1 10, gradients 20, at the UV map's resolution, no exposure."""
    loss: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=WEIGHT")] = ()
    """An image loss: l1, l2, huber, charbonnier, gradient_l1, or your own as MODULE:FUNCTION. Repeat for a sum."""
    passes: int | None = None
    """Passes over the photos."""
    batch: int | None = None
    """Photos per step; 0 is all."""
    learning_rate: float | None = None
    """Adam's step, in colour per step."""
    regulariser: float | None = None
    """Weight of the regulariser on the pyramid's levels."""
    level_weights: tuple[float, ...] | None = None
    """The regulariser's weight for each pyramid level, finest first; as many levels as numbers."""
    exposure: bool = True
    """Fit a gain and an offset per photo and channel (the published recipe has none)."""
    sharpness_power: float | None = None
    """How strongly sharper photos count more; 0 is off."""
    compare_at: Literal["photo", "uvmap"] | None = None
    """Compare at the photo's own resolution, or enlarge the photo to the UV map's."""
    seed: int = 0
    """Decides the order of photos; one seed, one result."""

    def settings(self, channels: int = 3) -> FitSettings:
        base = PUBLISHED if self.recipe == "published" else FitSettings()
        names = ("passes", "batch", "learning_rate", "regulariser", "sharpness_power", "compare_at")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        levels = self.level_weights or base.texture.level_weights
        # The size is set later, from the photos, unless it is given; this one fits any number of levels.
        texture = TextureSettings((2 ** len(levels),) * 2, channels, levels)
        given |= {"losses": self.loss or base.losses, "exposure": self.exposure and base.exposure, "seed": self.seed}
        return replace(base, texture=texture, **given)


@dataclass(frozen=True)
class Resources:
    """What to compute on."""

    device: str = "auto"
    """auto (CUDA if there is one), cpu, cuda or cuda:1."""
    memory: float | None = None
    """GiB to keep within, by streaming photos from disk; half the machine's if not given."""
    cache: Maybe = None
    """A folder that keeps UV maps and the unwrapped mesh for later runs."""
