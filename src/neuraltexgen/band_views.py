"""Views of a band of a texture's rows: the same photos, UV maps moved into the band, what looks past it left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from neuraltexgen.views import FitView, Views, pack_view


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


class BandViews(Views):
    """Views as they see a band: a pixel counts if all its samples look at nothing else."""

    def __init__(self, views: Views, band: Band) -> None:
        super().__init__(views.files, views.device, 0)
        self._whole, self._band = views, band

    def __getitem__(self, index: int) -> FitView:
        return crop_view(self._whole[index], self._band)

    def subset(self, indices: Sequence[int]) -> "BandViews":
        """The views of some indices."""
        return BandViews(self._whole.subset(indices), self._band)


def crop_view(view: FitView, band: Band) -> FitView:
    """The view with its UV map in the band. Pixels that look past it have no confidence; their samples see nothing."""
    uv, seen = view.uv.clone(), view.seen
    uv[..., 1], inside = band.place(uv[..., 1])
    kept = (inside | ~seen).all(dim=2)
    confidence = view.confidence * kept
    return pack_view(view.name, view.photo, uv.clamp(0, 1), seen & inside, confidence, view.footprint)


def pixels_in_bands(views: Views, bands: Sequence[Band]) -> Int64[np.ndarray, "v b1"]:
    """How many pixels with any confidence each view has in each band, and last, in all the texture."""
    counts = np.zeros((len(views), len(bands) + 1), dtype=np.int64)
    for index, view in views.stream(range(len(views))):
        trusted = view.confidence > 0
        v = view.uv[..., 1][trusted]
        low, high = v.amin(dim=1), v.amax(dim=1)
        counts[index, -1] = len(v)
        for number, band in enumerate(bands):
            counts[index, number] = int((band.place(low)[1] & band.place(high)[1]).sum())
    return counts
