"""Views of a band of a texture's rows: the same photos, UV maps moved into the band, what lies past it known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.kernels.sample import render
from neuraltexgen.views import Views

LEAST_GAIN = 0.05
"""Of a view whose photo is next to black: what it tells of a texture is next to nothing."""


@dataclass(frozen=True)
class Band:
    """Rows `first` to `last` (not included) of a texture of `rows` rows."""

    first: int
    last: int
    rows: int

    def place(self, v: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], Bool[Tensor, "..."]]:
        """v of the whole texture as v of the band, and whether a bilinear lookup there reads its rows alone."""
        row = v * self.rows - self.first
        # Past the outermost centres a lookup repeats the border, at the texture's own borders and nowhere else.
        low = -np.inf if self.first == 0 else 0.5
        high = np.inf if self.last == self.rows else self.last - self.first - 0.5
        return row / (self.last - self.first), (row >= low) & (row <= high)


@dataclass(frozen=True, eq=False)
class Beyond:
    """What is known of the whole: its texture so far, and how each view colours it, gain x texture + offset."""

    texture: Float32[np.ndarray, "H W c"]
    gains: Float32[np.ndarray, "v c"]
    offsets: Float32[np.ndarray, "v c"]


class BandViews(Views):
    """Views as they see a band; see `crop_view`. `beyond`: for these views."""

    def __init__(self, views: Views, band: Band, beyond: Beyond) -> None:
        super().__init__(views.files, views.device, 0, hidden=views.hidden, corrections=views.corrections)
        self._whole, self._band, self._beyond = views, band, beyond

    def __getitem__(self, index: int) -> FitView:
        gain, offset = (torch.from_numpy(of[index]) for of in (self._beyond.gains, self._beyond.offsets))
        return crop_view(self._whole[index], self._band, torch.from_numpy(self._beyond.texture), (gain, offset))

    def subset(self, indices: Sequence[int]) -> "BandViews":
        """The views of some indices."""
        chosen = list(indices)
        beyond = Beyond(self._beyond.texture, self._beyond.gains[chosen], self._beyond.offsets[chosen])
        return BandViews(self._whole.subset(chosen), self._band, beyond)


def crop_view(
    view: FitView,
    band: Band,
    texture: Float[Tensor, "H W c"],
    colour: tuple[Float[Tensor, " c"], Float[Tensor, " c"]],
) -> FitView:
    """The view with its UV map in the band. Pixels that look past it with all samples have no confidence.

    Where n of s samples look into the band, they alone stand for the pixel. What the others see of the whole texture is
    taken out of the photo (`colour`: the view's gain and offset), which leaves a colour for the n; a difference from
    that is s / n times as large as in the pixel, so its confidence is n / s times what it was: the loss stays.
    """
    uv, confidence, samples = view.uv.clone(), view.confidence.clone(), view.samples
    uv[..., 1], inside = band.place(uv[..., 1])
    count = inside.sum(dim=2)
    part = (confidence > 0) & (count > 0) & (count < samples)
    confidence[count == 0] = 0
    photo = view.photo
    if bool(part.any()):
        within, few = inside[part], count[part][:, None]
        photo = view.colours().clone()
        photo[part] = _left_to_explain(photo[part], view.uv[part], within, texture, colour)
        confidence[part] *= few[:, 0] / samples
        # Samples that look elsewhere look where the others do, in turn.
        order = torch.argsort(~within, dim=1, stable=True)
        turn = torch.arange(samples, device=order.device)[None] % few
        uv[part] = uv[part].gather(1, order.gather(1, turn)[..., None].expand(-1, -1, 2))
    return pack_view(view.name, photo, uv.clamp(0, 1), view.seen & inside, confidence, view.footprint)


def _left_to_explain(
    photo: Float[Tensor, "p c"],
    uv: Float[Tensor, "p s 2"],
    inside: Bool[Tensor, "p s"],
    texture: Float[Tensor, "H W c"],
    colour: tuple[Float[Tensor, " c"], Float[Tensor, " c"]],
) -> Float[Tensor, "p c"]:
    """What the mean of the inside samples would have to show for the pixels to show the photo."""
    gain, offset = (of.to(photo.device) for of in colour)
    out = ~inside
    places = uv[out][:, None, None]
    seen = torch.zeros(*inside.shape, photo.shape[1], device=photo.device)
    seen[out] = render(texture, places, torch.ones_like(places[..., 0, 0], dtype=torch.bool))[:, 0].to(photo.device)
    whole = (photo - offset) / gain.clamp(min=LEAST_GAIN) * inside.shape[1]
    return gain * (whole - seen.sum(dim=1)) / inside.sum(dim=1, keepdim=True) + offset


def pixels_in_bands(views: Views, bands: Sequence[Band]) -> Int64[np.ndarray, "v b1"]:
    """How many pixels with any confidence each view has in each band, if only in part, and last, in all the texture."""
    counts = np.zeros((len(views), len(bands) + 1), dtype=np.int64)
    for index, view in views.stream(range(len(views))):
        v = view.uv[..., 1][view.confidence > 0]
        counts[index, -1] = len(v)
        for number, band in enumerate(bands):
            counts[index, number] = int(band.place(v)[1].any(dim=1).sum())
    return counts
