"""A dense cloud from posed photos on the processor: stereo per view, agreement between views, points with normals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from neuraltexgen.errors import ReconstructError
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.reconstruct.cloud import Cloud, pixel_footprint, thin, view_cloud
from neuraltexgen.reconstruct.consistency import Agreement, DepthView, keep_agreed
from neuraltexgen.reconstruct.neighbours import find_neighbours
from neuraltexgen.reconstruct.pictures import Picture, as_pinhole, pinhole_camera, take_picture
from neuraltexgen.reconstruct.sparse import SparseModel
from neuraltexgen.reconstruct.stereo import merge_pairs, pair_depth, remove_speckles
from neuraltexgen.types import Progress, no_progress

KEPT_PICTURES = 48
"""Photos and depth maps that stay in memory: those of a view's neighbours are mostly those of the view before."""

FOOTPRINTS = 2.0
"""Side of the cloud's cells in pixel footprints: finer is noise."""

THIN_AT = 3_000_000
"""Points that are held before they are thinned."""

VERSION = 1
"""Part of the cache's key: count up when depth maps change."""


@dataclass(frozen=True)
class DenseSettings:
    """`longest`: side of the pictures that are matched, in pixels. `neighbours`: others that a view is matched with.

    `agreement`: when depth counts as confirmed by the other views.
    """

    longest: int = 800
    neighbours: int = 4
    agreement: Agreement = Agreement()


@dataclass(frozen=True, eq=False)
class DenseCloud:
    """The cloud, the size of its cells in world units, and how much of the pictures has a depth, per view."""

    cloud: Cloud
    cell: float
    covered: tuple[float, ...]


def dense_cloud(
    model: SparseModel, cache: Path, key: str, settings: DenseSettings | None = None, progress: Progress = no_progress
) -> DenseCloud:
    """Matches every view with its best neighbours and joins what the views agree on.

    `key` stands for photos and cameras; depth maps are kept in `cache`, so that a killed run goes on.
    Raises ReconstructError: OpenCV is missing, or no depth is confirmed anywhere.
    """
    settings = settings or DenseSettings()
    views, count = model.views, len(model.views)
    folder = cache / f"depth-{content_key(key, settings.longest, settings.neighbours, VERSION)}"
    near = find_neighbours(model, settings.neighbours)
    pinholes = [as_pinhole(view, pinhole_camera(view.camera, settings.longest)) for view in views]
    picture = lru_cache(KEPT_PICTURES)(lambda i: take_picture(views[i], settings.longest))
    merged = lru_cache(KEPT_PICTURES)(
        lambda i: DepthView(np.load(folder / f"{i}.npy", allow_pickle=False), pinholes[i])
    )
    for i in progress(range(count), "match views", count):
        if not (folder / f"{i}.npy").exists():
            _save(folder / f"{i}.npy", _view_depth(i, near[i], picture, model))
    # Whoever was matched with a view can also confirm it.
    judges = [sorted({*near[i], *(j for j in range(count) if i in near[j])}) for i in range(count)]
    clouds: list[Cloud] = []
    kept: list[DepthView] = []
    for i in progress(range(count), "join views", count):
        depth = keep_agreed(merged(i), [merged(j) for j in judges[i]], settings.agreement)
        kept.append(DepthView(remove_speckles(depth), pinholes[i]))
    covered = tuple(float(np.isfinite(view.depth).mean()) for view in kept)
    if not any(covered):
        raise ReconstructError(
            f"stereo found no depth that {settings.agreement.views + 1} of {count} views agree on",
            fix="photos taken closer together, or --surface sparse",
        )
    cell = FOOTPRINTS * pixel_footprint(kept)
    for i, view in enumerate(kept):
        clouds.append(thin([view_cloud(view, picture(i).rgb)], cell))
        if sum(len(cloud.points) for cloud in clouds) > THIN_AT:
            clouds = [thin(clouds, cell)]
    return DenseCloud(thin(clouds, cell), cell, covered)


def _view_depth(
    i: int, others: Sequence[int], picture: Callable[[int], Picture], model: SparseModel
) -> Float32[np.ndarray, "h w"]:
    """A view's depth from all pairs; NaN everywhere if none can be matched."""
    points = model.points[model.seen_by(i)]
    found = [pair_depth(picture(i), picture(j), points) for j in others]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        return np.full(picture(i).grey.shape, np.nan, np.float32)
    return remove_speckles(merge_pairs(pairs).depth)


def _save(path: Path, depth: Float32[np.ndarray, "h w"]) -> None:
    with whole_file(path) as temporary:
        np.save(temporary, depth)
