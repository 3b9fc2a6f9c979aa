"""A fit of a texture too large for the memory: a reduced one whole, then the full one, a band of rows at a time.

The reduced fit gives exposures, and the colours of what lies outside a band while that isn't fitted. A band is fitted
from grey with the pixels that look into it, beside a halo of rows on both sides that are fitted and thrown away; where
a seam leads to a band that is done, it is tied to what that one holds. What is joined lies on disk.
"""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from neuraltexgen.band_views import Band, BandViews, Beyond, pixels_in_bands
from neuraltexgen.errors import ConfigError, FitError
from neuraltexgen.files import content_key, plain, write_text
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, Exposures, FitResult
from neuraltexgen.kernels.sample import render, splat
from neuraltexgen.recipes import FitSettings, fit_bytes, views_per_step
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import STRIDE, SeamTie, find_seam_tie
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

HALO = 64
"""Rows on either side of a band that are fitted with it: eight texels of the coarsest of four levels."""

FEWEST_ROWS = 128
"""Of a band: with fewer, more rows would be thrown away than kept."""

BESIDE = 3
"""Images of a band's size that a band needs beside its fit: where it starts, and what comes out."""


@dataclass(frozen=True)
class Banding:
    """The texture is first fitted at 1 / `reduction` of its side, then in bands of `rows` rows."""

    reduction: int
    rows: int


def band_bytes(settings: FitSettings, banding: Banding) -> int:
    """Memory that fitting in such bands needs beside the views."""
    height, width = settings.texture.size
    small = (height // banding.reduction, width // banding.reduction)
    tall = (min(banding.rows + 2 * HALO, height), width)
    return max(_bytes(settings, size) for size in (small, tall))


def plan_bands(settings: FitSettings, spare: int) -> Banding | None:
    """As few bands, and as small a reduction, as `spare` bytes allow; None if they allow none."""
    height, _ = settings.texture.size
    step = 2 ** (len(settings.texture.level_weights) - 1)
    for reduction in _reductions(settings):
        for count in range(2, height // FEWEST_ROWS + 1):
            banding = Banding(reduction, math.ceil(height / count / step) * step)
            if band_bytes(settings, banding) <= spare:
                return banding
    return None


def least_bytes(settings: FitSettings) -> int:
    """The least memory that a fit in bands can do with; that of the whole fit if it can't be cut into bands."""
    reductions = _reductions(settings)
    if not reductions or settings.texture.size[0] < 2 * FEWEST_ROWS:
        return fit_bytes(settings)
    return min(fit_bytes(settings), band_bytes(settings, Banding(reductions[-1], FEWEST_ROWS)))


def fit_in_bands(
    views: Views,
    settings: FitSettings,
    banding: Banding,
    folder: Path,
    progress: Progress = no_progress,
    mesh: Mesh | None = None,
    exposures: Exposures | None = None,
) -> FitResult:
    """What `fit` gives, with texture and weight as files in `folder`, mapped into memory, and colours within [0, 1].

    The history is the reduced fit's. Sharpness weighs views within each band, since at the reduced size near and far
    photos would differ by it, so `view_weights` are 1. A killed run goes on with the band that it was at. `mesh`: its
    seams are tied. `exposures`: known ones, see `fit.Beside`. Raises what `fit` raises; ConfigError: a batch of all
    views, which no band has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = Beside(exposures=exposures)
    small = _reduced(views, settings, banding, folder, progress, mesh, beside)
    known = [] if exposures is None else [content_key(*exposures)]
    joined = _Joined(
        folder, settings, content_key(plain(asdict(settings)), plain(asdict(banding)), views.key(), *known)
    )
    bands = _bands(settings.texture.size[0], banding.rows)
    if joined.done == 0:
        joined.begin(small.texture, banding.reduction)
    seams = None if mesh is None else find_seam_tie(mesh, settings.texture.size)
    counts = pixels_in_bands(views, [_with_halo(band) for band in bands])
    fitted = replace(settings, exposure=False, batch=views_per_step(settings.batch, len(views)))
    for number in range(joined.done, len(bands)):
        shares = counts[:, number] / np.maximum(counts[:, -1], 1)
        _fit_band(views, fitted, joined, bands[number], small, shares, seams, progress)
        joined.finish(number + 1)
    return replace(small, texture=joined.texture, weight=joined.weight)


def _fit_band(
    views: Views,
    settings: FitSettings,
    joined: "_Joined",
    core: Band,
    small: FitResult,
    shares: np.ndarray,
    seams: SeamTie | None,
    progress: Progress,
) -> None:
    """Fits the rows of one band and puts them in their place; without a pixel in it, it stays as it began."""
    seen = np.flatnonzero(shares > 0)
    if len(seen) == 0:
        return
    band = _with_halo(core)
    texture = replace(settings.texture, size=(band.last - band.first, settings.texture.size[1]))
    exposures = small.gains[seen], small.offsets[seen]
    # A loss is a mean over a view's pixels: with a share of them in the band, it counts for that share.
    weights = shares[seen].astype(np.float32)
    tie = None if seams is None else band_tie(seams, band, joined.texture)
    beside = Beside(seams=tie, weights=weights, exposures=exposures)
    part = BandViews(views.subset(seen.tolist()), band, Beyond(joined.texture, *exposures))
    result = fit(part, replace(settings, texture=texture), progress, beside=beside)
    rows = slice(core.first - band.first, core.last - band.first)
    joined.texture[core.first : core.last] = np.clip(result.texture[rows], 0, 1)
    joined.weight[core.first : core.last] = result.weight[rows]


@dataclass(frozen=True, eq=False)
class BandTie(SeamTie):
    """The ties of a band: those within it, and o places of it whose other sides are done and have fixed colours."""

    out: Float32[np.ndarray, "o 2"]
    colours: Float32[np.ndarray, "o c"]

    def add_gradient(self, texture: Float[Tensor, "H W c"], result: Float[Tensor, "H W c"], step: int, weight: float):
        """See `SeamTie.add_gradient`; a fixed colour draws its place alone."""
        super().add_gradient(texture, result, step, weight)
        chosen = slice(step % STRIDE, None, STRIDE)
        places = torch.from_numpy(self.out[chosen])[:, None, None].to(texture.device)
        if len(places) == 0:
            return
        fixed = torch.from_numpy(self.colours[chosen])[:, None].to(texture.device)
        every = torch.ones(places.shape[:2], dtype=torch.bool, device=texture.device)
        # The other side can't come halfway, so this one is drawn twice as hard.
        splat(4 * STRIDE * weight * (render(texture, places, every) - fixed), places, every, result)


def band_tie(seams: SeamTie, band: Band, texture: Float32[np.ndarray, "H W c"]) -> BandTie:
    """The part of a tie that a band has; the colours of what is done, in the rows above it, from the whole texture."""
    placed, inside = [], []
    for side in seams.uv:
        v, within = band.place(torch.from_numpy(side[:, 1].astype(np.float64)))
        placed.append(np.stack([side[:, 0], v.numpy()], axis=1).astype(np.float32))
        inside.append(within.numpy())
    both = inside[0] & inside[1]
    fitted = [side[:, 1] * band.rows < band.first for side in seams.uv]
    alone = [inside[0] & ~both & fitted[1], inside[1] & ~both & fitted[0]]
    out = np.concatenate([placed[0][alone[0]], placed[1][alone[1]]])
    other = torch.from_numpy(np.concatenate([seams.uv[1][alone[0]], seams.uv[0][alone[1]]]))[:, None, None]
    colours = render(torch.from_numpy(texture), other, torch.ones(other.shape[:2], dtype=torch.bool))
    return BandTie(np.stack([placed[0][both], placed[1][both]]), out, colours[:, 0].numpy())


def enlarged(image: Float32[np.ndarray, "h w c"], factor: int, first: int, last: int) -> Float32[np.ndarray, "r W c"]:
    """Rows first to last (not included) of the image enlarged by a whole factor, bilinearly, its border repeated."""
    top, bottom = max(first // factor - 1, 0), min(-(-last // factor) + 1, len(image))
    planes = torch.from_numpy(np.ascontiguousarray(image[top:bottom])).permute(2, 0, 1)[None]
    large = F.interpolate(planes, scale_factor=factor, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    return large[first - top * factor : last - top * factor].contiguous().numpy()


class _Joined:
    """Texture and weight on disk, and how many bands of a fit are done."""

    def __init__(self, folder: Path, settings: FitSettings, key: str) -> None:
        size = settings.texture.size
        self._record, self._key = folder / "bands.txt", key
        files = folder / "texture.f32", folder / "weight.f32"
        done = self._record.read_text().split() if self._record.is_file() and all(f.is_file() for f in files) else []
        whole = [math.prod(size) * 4 * settings.texture.channels, math.prod(size) * 4]
        intact = len(done) == 2 and done[0] == key and [f.stat().st_size for f in files] == whole
        self.done = int(done[1]) if intact else 0
        mode = "r+" if intact else "w+"
        try:
            self.texture = np.memmap(files[0], np.float32, mode, shape=(*size, settings.texture.channels))
            self.weight = np.memmap(files[1], np.float32, mode, shape=size)
        except OSError as error:
            raise FitError(
                f"{folder}: no room for {sum(whole) / 2**30:.1f} GiB ({error})", fix="--cache DIR"
            ) from error

    def begin(self, small: Float32[np.ndarray, "h w c"], factor: int) -> None:
        """Starts from the reduced texture, enlarged."""
        for band in _bands(len(self.texture), FEWEST_ROWS):
            self.texture[band.first : band.last] = enlarged(small, factor, band.first, band.last)

    def finish(self, bands: int) -> None:
        """So many bands are done: what is written reaches the disk before that is noted."""
        self.texture.flush()
        self.weight.flush()
        write_text(self._record, f"{self._key} {bands}\n")


def _reduced(
    views: Views,
    settings: FitSettings,
    banding: Banding,
    folder: Path,
    progress: Progress,
    mesh: Mesh | None,
    beside: Beside,
) -> FitResult:
    if settings.batch == 0:
        raise ConfigError("a fit in bands can't take all photos in one step", fix="--batch 4, or more --memory")
    height, width = settings.texture.size
    size = (height // banding.reduction, width // banding.reduction)
    seams = None if mesh is None else find_seam_tie(mesh, size)
    small = replace(settings, texture=replace(settings.texture, size=size), sharpness_power=0.0)
    return fit(views, small, progress, folder / "reduced.pt", beside=replace(beside, seams=seams))


def _bands(rows: int, each: int) -> list[Band]:
    return [Band(first, min(first + each, rows), rows) for first in range(0, rows, each)]


def _with_halo(band: Band) -> Band:
    return Band(max(band.first - HALO, 0), min(band.last + HALO, band.rows), band.rows)


def _reductions(settings: FitSettings) -> list[int]:
    """By how much the texture can be reduced, sides staying multiples of the coarsest level's texel: 2, 4, 8, 16."""
    step = 2 ** (len(settings.texture.level_weights) - 1)
    return [k for k in (2, 4, 8, 16) if not any(side % (k * step) for side in settings.texture.size)]


def _bytes(settings: FitSettings, size: tuple[int, int]) -> int:
    image = math.prod(size) * settings.texture.channels * 4
    return fit_bytes(replace(settings, texture=replace(settings.texture, size=size))) + BESIDE * image
