"""What stands in one photo and not in the others, such as people walking by: found before the fit, to be left out.

A coarse texture is fitted to a few pixels of all photos by a robust loss, their exposures being known. Each photo is
compared with what the others say of it: its own part in the texture is taken out, so that it does not vouch for
itself. A patch that differs strongly, and is neither small nor thin, is a transient. Where fewer than three photos
look, nobody can tell which one is right, and nothing is left out.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.colour import ViewColours
from neuraltexgen.fit_types import Exposures
from neuraltexgen.glimpses import glimpse_of, stride_for
from neuraltexgen.kernels.packed import Places, look_up, scatter, scatter_trust, unpack_share
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.views import Views

ROUNDS = 7
"""Turns of texture and weights."""

WIDEST, ORDINARY, FLOOR = 0.5, 3.0, 0.03
"""The difference that quarters a pixel's weight: WIDEST in the first round, in the last ORDINARY times the median
difference, but never less than FLOOR."""

STRONG, EDGE = 4.0, 1.2
"""A transient differs in its midst by STRONG times the last scale, and reaches as far as by EDGE times it."""

MIDST, THIN = 2, 1
"""Pixels of the coarse photos: a midst is a square of twice the first and one across, and what is no wider than twice
the second leads nowhere. Edges that are a little off are long and thin."""

GAP, RIM = 1 / 24, 1 / 64
"""Shares of a photo's shorter side. Where too few photos look to tell, gaps of a transient that are no wider than twice
the first are taken to be of it. And it is taken to reach so much further than it is seen to: its outline is thin, and
half something else."""

OTHERS = 2
"""Photos that must look at a place beside one's own."""

Image = Float[Tensor, "h w c"]
Plane = Float[Tensor, "h w"]
Texels = Float[Tensor, "H W c"]
Mass = Float[Tensor, "H W 1"]


@dataclass(frozen=True, eq=False)
class Transients:
    """Per view a mask of pixels to leave out, at the photo's size over `stride`, and what share that is of the pixels
    which see the mesh with confidence.
    """

    masks: tuple[Mask, ...]
    shares: tuple[float, ...]
    stride: int


def find_transients(
    views: Views, size: tuple[int, int], exposures: Exposures, progress: Progress = no_progress
) -> Transients:
    """Finds what does not belong in the photos. `size`: the texture's, (H, W). `exposures`: the photos' gains and
    offsets. Deterministic.

    It takes memory for a sixteenth of all views at once, or all of them where photos are small.
    """
    search = _Search(views, size, exposures)
    for number in progress(range(ROUNDS), "transients", ROUNDS):
        search.one_round(number)
    masks = [patches(d.size, d.known, search.scale) for d in search.differences]
    shares = [
        float((mask & (glimpse.places.trust > 0)).sum()) / max(1, int((glimpse.places.trust > 0).sum()))
        for mask, glimpse in zip(masks, search.glimpses, strict=True)
    ]
    return Transients(tuple(mask.cpu().numpy() for mask in masks), tuple(shares), search.stride)


def patches(size: Plane, known: Bool[Tensor, "h w"], scale: float) -> Bool[Tensor, "h w"]:
    """The patches that differ strongly in their midst, out to a little beyond where they hardly differ; thin strips
    lead nowhere. `size`: by how much pixels differ, where that is `known`; `scale`: what is ordinary.
    """
    seeds = _opened((size > STRONG * scale) & known, MIDST)
    allowed = _opened((size > EDGE * scale) & known, THIN)
    seeds &= allowed
    while True:
        grown = _grown(seeds, 1) & allowed
        if bool((grown == seeds).all()):
            break
        seeds = grown
    gap, rim = (max(1, round(share * min(seeds.shape))) for share in (GAP, RIM))
    closed = ~_grown(~_grown(seeds, gap), gap)
    return _grown(seeds | closed & ~known, rim)


@dataclass(frozen=True, eq=False)
class _Difference:
    """How far a photo is from what the others say, smoothed, and where they say anything."""

    size: Plane
    known: Bool[Tensor, "h w"]


class _Search:
    """The coarse texture and the weights of pixels that are fitted beside it."""

    def __init__(self, views: Views, size: tuple[int, int], exposures: Exposures) -> None:
        height, width = views[0].photo.shape[:2]
        self.stride = stride_for(height, width)
        self.glimpses = [glimpse_of(view, self.stride) for _, view in views.stream(range(len(views)))]
        coarser = 2 * self.stride if self.stride > 1 else 1
        self.size = (max(1, size[0] // coarser), max(1, size[1] // coarser))
        self.colours = ViewColours(len(views), views[0].photo.shape[2], views.device)
        self.colours.hold(*exposures)
        self.weights = [torch.ones(glimpse.places.trust.shape, device=views.device) for glimpse in self.glimpses]
        self.looks = torch.zeros(*self.size, 1, device=views.device)
        for glimpse in self.glimpses:
            self.looks[..., 0] += scatter_trust(glimpse.places, self.size) > 0
        self.scale = WIDEST
        self.differences: list[_Difference] = []

    def one_round(self, number: int) -> None:
        """Fits the texture with the present weights, then weights to what each photo shows beside it."""
        total, mass = self._whole()
        self.differences = [self._difference(index, total, mass) for index in range(len(self.glimpses))]
        known = torch.cat([d.size[d.known] for d in self.differences])
        ordinary = float(known.median()) if len(known) else 0.0
        least = max(FLOOR, ORDINARY * ordinary)
        # The scale falls evenly on a logarithmic axis; the last two rounds are at its end.
        self.scale = max(least, WIDEST * (least / WIDEST) ** (number / max(1, ROUNDS - 2)))
        for index, difference in enumerate(self.differences):
            # Geman and McClure's weight.
            weight = (1 + (difference.size / self.scale).square()).pow(-2)
            self.weights[index] = torch.where(difference.known, weight, torch.ones_like(weight))

    def _parts(self, index: int, weighted: bool = True) -> tuple[Texels, Mass]:
        """What one photo adds to the texture's sums: colours with its exposure taken out, and their weights."""
        glimpse = self.glimpses[index]
        gain, offset = self.colours.of(index)
        trust = unpack_share(glimpse.places.trust).square()
        trust = (trust * self.weights[index] if weighted else trust)[..., None]
        total = torch.zeros(*self.size, self.colours.gains.shape[1], device=self.looks.device)
        mass = torch.zeros(*self.size, 1, device=self.looks.device)
        # One weight for all channels: of each its own gain, squared, would colour the mean.
        weight = trust * gain.square().mean()
        scatter(weight * (glimpse.colours() - offset) / gain, glimpse.places, total)
        scatter(weight, glimpse.places, mass)
        return total, mass

    def _whole(self) -> tuple[Texels, Mass]:
        """The texture's sums over all photos."""
        total, mass = self._parts(0)
        for index in range(1, len(self.glimpses)):
            for whole, part in zip((total, mass), self._parts(index), strict=True):
                whole += part
        return total, mass

    def _difference(self, index: int, total: Texels, mass: Mass) -> _Difference:
        """A photo against the texture of the others. Both as the coarse texture holds them and as they are, whichever
        is less: a photo that shows finer detail than a coarse texture does is not wrong.
        """
        glimpse = self.glimpses[index]
        places, (gain, offset) = glimpse.places, self.colours.of(index)
        own_total, own_mass = self._parts(index)
        others, weight = self._look(total - own_total, mass - own_mass, places)
        bare, _ = self._look(*self._parts(index, weighted=False), places)
        looks = _look_up_plane(self.looks, places)
        known = (places.trust > 0) & (looks > OTHERS + 0.5) & (weight > 0.05)
        sizes = []
        photo = glimpse.colours()
        # What a photo shows white may be brighter yet.
        expected = torch.minimum(gain * others + offset, photo.clamp(min=1))
        for shown in (gain * bare + offset, photo):
            left = torch.where(known[..., None], expected - shown, 0.0)
            sizes.append(_smoothed(left, known).square().mean(dim=2).sqrt())
        return _Difference(torch.where(known, torch.minimum(*sizes), 0.0), known)

    def _look(self, total: Texels, mass: Mass, places: Places) -> tuple[Image, Plane]:
        """The mean colour that sums hold at places, and its weight."""
        weight = _look_up_plane(mass, places)
        return look_up(total.contiguous(), places) / weight.clamp(min=1e-6)[..., None], weight


def _opened(mask: Bool[Tensor, "h w"], radius: int) -> Bool[Tensor, "h w"]:
    """The mask without what a square of 2 radius + 1 pixels does not fit into."""
    return _grown(~_grown(~mask, radius), radius)


def _grown(mask: Bool[Tensor, "h w"], radius: int) -> Bool[Tensor, "h w"]:
    return F.max_pool2d(mask.float()[None, None], 2 * radius + 1, stride=1, padding=radius)[0, 0] > 0


def _smoothed(image: Image, known: Bool[Tensor, "h w"]) -> Image:
    """The mean over known pixels of 3 x 3."""
    planes = torch.cat((image, known.float()[..., None]), dim=2).permute(2, 0, 1)[None]
    means = F.avg_pool2d(planes, 3, stride=1, padding=1)[0].permute(1, 2, 0)
    return means[..., :-1] / means[..., -1:].clamp(min=1e-6)


def _look_up_plane(plane: Mass, places: Places) -> Plane:
    return look_up(plane.contiguous(), places)[..., 0]
