"""Option groups that several commands share, and how they become the library's settings."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from neuraltexgen.enhance import EnhanceSettings
from neuraltexgen.losses import NetworkSettings
from neuraltexgen.readers import ReadOptions
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.style import StyleSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.view_cache import ViewSettings
from neuraltexgen.visibility import ConfidenceSettings

Capture = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CAPTURE")]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
OutFile = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
Renderer = Annotated[str, tyro.conf.arg(metavar="auto|ray|egl")]
Pages = Annotated[int | None, tyro.conf.arg(metavar="N")]
Scale = Annotated[float | None, tyro.conf.arg(metavar="TEXELS")]
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
    """The capture's format by its reader's name, if it is not recognised; docs/formats.md has them."""
    extract: Maybe = None
    """Where photos that lie inside one large file (.sens) are extracted to; beside that file if not given."""

    def settings(self) -> ReadOptions:
        return ReadOptions(self.mesh, self.images, self.masks, self.missing, self.format, self.extract)


@dataclass(frozen=True)
class Enhancing:
    """What to do to the photos before anything else, in this order; nothing by default."""

    denoise: float = 0.0
    """Take out noise: 1 for as much as each photo is found to have, more for photos that compression has smoothed."""
    super_resolution: Annotated[Path | None, tyro.conf.arg(metavar="MODEL")] = None
    """Enlarge or restore the photos with a model (.pth or .safetensors); needs neuraltexgen[superres]."""
    sharpen: float = 0.0
    """Steepen edges, without halos; 0.5 is moderate, 1 strong."""
    white_balance: bool = False
    """Make the light grey, with one gain per channel for the whole capture."""

    def settings(self) -> EnhanceSettings:
        return EnhanceSettings(
            denoise=self.denoise,
            super_resolution=self.super_resolution,
            sharpen=self.sharpen,
            white_balance=self.white_balance,
        )


@dataclass(frozen=True)
class Sampling:
    """How the photos look at the texture."""

    samples: int = 2
    """Sub-samples a pixel, along each side: a pixel is an area. 3 is a little better on sharp captures, and slower."""
    confidence: bool = True
    """Trust pixels less at depth edges, grazing angles and the photo's border."""
    depth_tolerance: float = 0.1
    """Where a photo has a depth map: leave out what it measures farther off the mesh than this share; 0 is off."""
    renderer: Renderer = "auto"
    """What makes the UV maps: ray (casting), raster (on the CPU), egl (OpenGL; egl:1: device 1), or the fastest."""

    def settings(self) -> ViewSettings:
        trust = ConfidenceSettings(depth_tolerance=self.depth_tolerance) if self.confidence else None
        return ViewSettings(self.samples, trust)


@dataclass(frozen=True)
class Fitting:
    """How to fit the texture; what is not given is taken from the recipe."""

    recipe: Literal["ours", "published"] = "ours"
    """Ours, or NeuralTexGen's: 20 + 40 passes, L1 10, gradients 20, at the UV map's resolution, no exposure."""
    loss: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=WEIGHT[@LAYER]")] = ()
    """An image loss, a preset, or your own as MODULE:FUNCTION; `neuraltexgen losses` lists them. Repeat for a sum."""
    sampling: Literal["bilinear", "mip", "anisotropic"] = "bilinear"
    """What a sample looks up: a point, or the patch that it stands for, by one look-up or several in a mip chain."""
    solver: Literal["auto", "adam", "direct"] = "auto"
    """adam, or direct, which solves for l2, l1, huber and charbonnier; auto: direct for l2, on the CPU."""
    smoothness: float | None = None
    """For direct: how much the squared difference of neighbouring texels counts, beside a pixel."""
    passes: int | None = None
    """Passes over the photos, by Adam; 10, or 16 where many photos are much blurred, if not given."""
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
    fall_off: bool = True
    """Divide out the light that a lens loses towards the corners, where the photos show it; only with exposures."""
    response: bool = True
    """Straighten the photos by their camera's response curve, where they show one; only with exposures."""
    blur: bool = True
    """Find out how blurred each photo is; fit it as blurred (by Adam), or let it count less. Only with exposures."""
    sharpness_power: float | None = None
    """How strongly sharper photos count more; 0 is off."""
    seam_weight: float | None = None
    """How strongly both sides of the texture's seams are drawn together; 0 is off."""
    transients: bool = False
    """Leave out of each photo what stands in it and not in the others: people walking by."""
    compare_at: Literal["photo", "uvmap"] | None = None
    """Compare at the photo's own resolution, or enlarge the photo to the UV map's."""
    seed: int = 0
    """Decides the order of photos; one seed, one result."""
    vgg_weights: Maybe = None
    """VGG-16's weights (a torchvision state dict or safetensors); torch.hub's, downloaded once, if not given."""
    lpips_weights: Maybe = None
    """The linear heads of LPIPS for VGG-16."""
    vgg_input: Literal["imagenet", "published"] = "imagenet"
    """How images are scaled for VGG-16: ImageNet's normalisation, or none, as NeuralTexGen has it."""
    crop: Literal["whole", "auto"] | int = "whole"
    """What VGG-16 sees of a photo in a step: all, one random crop as large as memory allows, or one of N pixels."""

    def settings(self, channels: int = 3) -> FitSettings:
        base = PUBLISHED if self.recipe == "published" else FitSettings()
        names = (
            "passes",
            "batch",
            "learning_rate",
            "regulariser",
            "sharpness_power",
            "seam_weight",
            "compare_at",
            "smoothness",
        )
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        levels = self.level_weights or base.texture.level_weights
        # The size is set later, from the photos, unless it is given; this one fits any number of levels.
        texture = TextureSettings((2 ** len(levels),) * 2, channels, levels)
        given |= {"losses": self.loss or base.losses, "exposure": self.exposure and base.exposure, "seed": self.seed}
        given["solver"] = self.solver
        given["network"] = NetworkSettings(self.vgg_weights, self.lpips_weights, self.vgg_input, self.crop)
        return replace(base, texture=texture, **given)


@dataclass(frozen=True)
class Styling:
    """Style transfer: after the fit, go on towards the style of a picture."""

    style: Annotated[Path | None, tyro.conf.arg(metavar="IMAGE")] = None
    """A picture whose style the texture takes, the same in all views."""
    style_strength: float = 1.0
    """More is further from the photos."""
    style_size: int | None = None
    """The picture's long side in pixels, which decides how large its strokes are; as it is if not given."""
    style_passes: int | None = None
    """Passes over the photos; for about 600 steps if not given."""

    def settings(self) -> StyleSettings | None:
        if self.style is None:
            return None
        return StyleSettings(self.style, self.style_strength, self.style_size, self.style_passes)


@dataclass(frozen=True)
class Resources:
    """What to compute on."""

    device: str = "auto"
    """auto (CUDA if there is one), cpu, cuda or cuda:1."""
    memory: float | None = None
    """GiB to keep within, by streaming photos from disk; half the machine's if not given."""
    cache: Maybe = None
    """A folder that keeps UV maps and the unwrapped mesh for later runs."""
