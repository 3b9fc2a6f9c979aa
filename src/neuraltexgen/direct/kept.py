"""The photos' sums of a finished fit, kept: photos come and go by adding or subtracting their own sums alone.

The objective of `l2` is a sum over photos, and quadratic in the texture. So at one texture, the anchor, its gradient
and its curvature are sums over photos too, and the step from there to the minimum can be taken for any choice of them.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import BLOCK, EXPOSURE_PRIOR, ViewColours
from neuraltexgen.direct.gather import Gathered, Looking, Texels, add_view
from neuraltexgen.direct.system import System
from neuraltexgen.direct.terms import direct_terms, is_quadratic
from neuraltexgen.errors import ConfigError
from neuraltexgen.evaluate import count_looks
from neuraltexgen.fit_view import FitView, enlarge_photo
from neuraltexgen.kernels.packed import look_up, scatter
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Target, block_means, compare
from neuraltexgen.recipes import FitSettings
from neuraltexgen.seam_tie import SeamTie
from neuraltexgen.sharpness import ROWS, note_sharpness, sharpness_weights
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

STEPS, TOLERANCE = 24, 1e-3
"""Of conjugate gradients: as many steps as the rounds of a fit take together, for no further round follows."""

KNOWN = 0.02
"""A texel that got less than this share of one pixel tells nothing of a new photo's exposure."""


@dataclass(frozen=True, eq=False)
class PhotoFigures:
    """What each photo's sums were made with: exposure, weight; and its sharpness beside its render (0: not measured),
    and how many texels lie between its samples.
    """

    gains: Float[Tensor, "v c"]
    offsets: Float[Tensor, "v c"]
    weights: Float[Tensor, " v"]
    sharpness: Float[Tensor, " v"]
    spacing: Float[Tensor, " v"]

    def take(self, indices: list[int]) -> "PhotoFigures":
        """Those of some photos."""
        return PhotoFigures(*(getattr(self, field.name)[indices] for field in fields(self)))

    def joined(self, other: "PhotoFigures") -> "PhotoFigures":
        """These and then the others."""
        return PhotoFigures(*(torch.cat((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class KeptSums:
    """`sums` over photos at the `anchor`. `weight`: how much each texel counts, by the photos' confidence. `looks`: the
    same by whole pixels, which says what was seen.
    """

    sums: Gathered
    anchor: Texels
    weight: Float[Tensor, "H W 1"]
    looks: Float[Tensor, "H W 1"]

    @classmethod
    def empty(cls, anchor: Texels) -> "KeptSums":
        """Of no photo."""
        size = (*anchor.shape[:2], 1)
        return cls(Gathered.empty(anchor), anchor, *(torch.zeros(size, device=anchor.device) for _ in range(2)))


def check_keepable(settings: FitSettings) -> None:
    """Raises ConfigError unless the objective is one whose sums over photos can be kept."""
    terms = direct_terms(settings.losses)
    if terms is None or not is_quadratic(terms) or settings.clip or settings.regulariser > 0:
        raise ConfigError(
            f"the state of a fit of {', '.join(settings.losses)} can't be kept: only l2, without a regulariser or "
            "clipped colours, adds up over photos",
            fix="--loss l2=1, or no --keep-state",
        )


def add_photos(
    kept: KeptSums,
    views: Views,
    figures: PhotoFigures,
    settings: FitSettings,
    sign: int = 1,
    progress: Progress = no_progress,
) -> PhotoFigures:
    """Adds the photos' sums in place; `sign` -1 takes them out again. Returns the figures with sharpness and spacing as
    measured on the way.
    """
    terms = direct_terms(settings.losses) or ()
    colours = ViewColours(len(views), figures.gains.shape[1], views.device)
    colours.gains, colours.offsets = figures.gains, figures.offsets
    looking = Looking(colours, sign * figures.weights, terms, slice(0, kept.anchor.shape[2]))
    sharpness, spacing = torch.zeros(len(views)), torch.zeros(len(views))
    for index, view in progress(views.stream(range(len(views))), "gather", len(views)):
        shown = _as_compared(view, settings)
        image = look_up(kept.anchor, shown.places)
        found = add_view(index, shown, image, looking, kept.sums)
        note_sharpness(sharpness, index, found.sharpness)
        scatter(sign * view.confidence[..., None], view.places, kept.weight)
        spacing[index] = count_looks(view, kept.looks, sign)
    return PhotoFigures(figures.gains, figures.offsets, figures.weights, sharpness, spacing)


def look_at_new(views: Views, kept: KeptSums, known: PhotoFigures, settings: FitSettings) -> PhotoFigures:
    """Exposures and weights of photos that come to a finished texture, by the anchor; `known`: the photos' it has."""
    channels = kept.anchor.shape[2]
    colours = ViewColours(len(views), channels, views.device)
    shared = (kept.weight[..., 0] > KNOWN).to(torch.uint8)
    sharpness = torch.zeros(len(views))
    for index, view in views.stream(range(len(views))):
        view = _as_compared(view, settings)
        image = look_up(kept.anchor, view.places)
        if settings.exposure:
            blocks = block_means(image, view.photo, view.places, shared, BLOCK)
            colours.update(index, *blocks, EXPOSURE_PRIOR * float(view.trust.sum()) / 255)
        colour = Colour(*colours.of(index))
        found = compare(image, Target(view.photo, view.trust), colour, PhotoLosses(l2=1.0), sharpness_every=ROWS)
        note_sharpness(sharpness, index, found.sharpness)
    weights = sharpness_weights(torch.cat((known.sharpness, sharpness)), settings.sharpness_power)[len(known.weights) :]
    return PhotoFigures(colours.gains, colours.offsets, weights, sharpness, torch.zeros(len(views)))


def solve_kept(kept: KeptSums, photos: int, settings: FitSettings, seams: SeamTie | None) -> Texels:
    """The texture at the minimum of the kept photos' objective, neighbours and seams held together as in a fit."""
    if kept.sums.stencil is None:
        raise ValueError("sums without curvature have no minimum")
    tie = settings.seam_weight * photos * kept.anchor.shape[2]
    # A copy, since the system takes the memory of what it is given.
    system = System.gathered(kept.sums.stencil.clone(), settings.smoothness, seams, tie)
    texture = kept.anchor.clone()
    system.improve(texture, kept.sums.gradient, STEPS, TOLERANCE)
    return texture


def _as_compared(view: FitView, settings: FitSettings) -> FitView:
    return enlarge_photo(view) if settings.compare_at == "uvmap" else view
