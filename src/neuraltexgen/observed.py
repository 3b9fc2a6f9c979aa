"""How finely the photos sample each face of a mesh: pixels a unit of length, from the cameras alone."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool, Float64, Int64

from neuraltexgen.errors import UnwrapError
from neuraltexgen.files import content_key
from neuraltexgen.geometry import face_areas
from neuraltexgen.looks import look, places_on
from neuraltexgen.scene import Mesh, View
from neuraltexgen.types import Points, Progress, no_progress
from neuraltexgen.uvmap.hits import FirstHits

SHARE = 0.9
"""The share of the views that see a place which sample it no finer: not the finest one, which may be a blurred pass."""

EVEN = (0.25, 2.0)
"""Densities of seen faces are kept within these multiples of the median, so in texels an area from 1/16 to 4 times it:
what one close-up shows can't take the texture from all else, and what was seen from afar keeps its outlines."""

TOKEN = 0.125
"""Of the median, the density of faces that no view sees: what fills them is guessed from their neighbours, so that 1/64
of the texels an area is enough, and charts that are all hidden still have a place."""

EXTRA_POINTS = 30_000
"""Points looked at beside the faces' centroids, shared out by area: large faces are seen in parts."""

MOST_PAIRS, FEWEST_VIEWS = 40_000_000, 64
"""Points times views that are looked at before views are thinned out, and how many of these are always left."""


def observed_density(mesh: Mesh, views: Sequence[View], progress: Progress = no_progress) -> Float64[np.ndarray, " f"]:
    """Per face, how many pixels a unit of its length gets in the photos: the root of pixels over area.

    Of the views that see a place, the nearest-rank 90th percentile counts (`SHARE`); of a face, the mean over its seen
    places. A view sees a place that its ray meets first, from the front (from both sides in views that see much of the
    mesh from behind, as in `visibility`), in a pixel that its mask leaves; a photo's own transparency is not looked at.
    Results are kept near their median (`EVEN`), and faces that no view sees get a `TOKEN`. The order of the views
    changes nothing. Raises UnwrapError: no view sees the mesh; ImageError: a mask that can't be read or used.
    """
    points, owners = _places(mesh)
    hits, on_mesh = FirstHits(mesh), places_on(mesh, points, owners)
    chosen = _thinned(views, len(points))
    found = [look(view, hits, on_mesh) for view in progress(chosen, "densities", len(chosen))]
    at, values = (np.concatenate(parts) for parts in zip(*found)) if found else (np.empty(0, np.int64), np.empty(0))
    if len(at) == 0:
        raise UnwrapError(
            f"density observed: none of {len(views)} views sees the mesh",
            fix="--density uniform; `neuraltexgen doctor` looks for what is wrong with the cameras",
        )
    places, values = _upper(at, values)
    count = np.bincount(owners[places], minlength=len(mesh.faces))
    total = np.bincount(owners[places], weights=values, minlength=len(mesh.faces))
    return _kept_even(total / np.maximum(count, 1), count > 0, face_areas(mesh.vertices, mesh.faces))


def observed_key(views: Sequence[View]) -> str:
    """A hash of what `observed_density` depends on, beside the mesh. Raises OSError: a mask that can't be read."""
    ordered = sorted(views, key=lambda view: view.name)
    parts = [(v.name, asdict(v.camera), v.cam_from_world, v.mask and v.mask.read_bytes()) for v in ordered]
    return content_key(SHARE, EVEN, TOKEN, EXTRA_POINTS, MOST_PAIRS, FEWEST_VIEWS, parts)


def _places(mesh: Mesh) -> tuple[Points, Int64[np.ndarray, " p"]]:
    """Points on the mesh, and the face of each: all centroids, and more on faces that are large beside the others."""
    areas = face_areas(mesh.vertices, mesh.faces)
    count = 1 + np.floor(EXTRA_POINTS * areas / max(float(areas.sum()), 1e-300)).astype(np.int64)
    owners = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(owners)) - np.repeat(np.cumsum(count) - count, count)
    # An additive sequence in the unit square (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"),
    # its upper half folded into the triangle; the first point is the centroid.
    s, t = (1 / 3 + step * 0.7548776662466927) % 1, (1 / 3 + step * 0.5698402909980532) % 1
    above = s + t > 1
    s, t = np.where(above, 1 - s, s)[:, None], np.where(above, 1 - t, t)[:, None]
    a, b, c = (mesh.vertices[mesh.faces[owners, corner]] for corner in range(3))
    return a + s * (b - a) + t * (c - a), owners


def _thinned(views: Sequence[View], points: int) -> list[View]:
    """The views by name, evenly thinned out where there are more than time is for."""
    ordered = sorted(views, key=lambda view: view.name)
    most = max(FEWEST_VIEWS, MOST_PAIRS // points)
    step = max(1.0, len(ordered) / most)
    return [ordered[int(i * step)] for i in range(min(len(ordered), most))]


def _upper(
    at: Int64[np.ndarray, " s"], values: Float64[np.ndarray, " s"]
) -> tuple[Int64[np.ndarray, " q"], Float64[np.ndarray, " q"]]:
    """The points that were seen at all, and of the values of each the one at nearest rank `SHARE`."""
    order = np.lexsort((values, at))
    places, starts, count = np.unique(at[order], return_index=True, return_counts=True)
    return places, values[order][starts + np.ceil(SHARE * count).astype(np.int64) - 1]


def _kept_even(
    density: Float64[np.ndarray, " f"], seen: Bool[np.ndarray, " f"], areas: Float64[np.ndarray, " f"]
) -> Float64[np.ndarray, " f"]:
    """Densities within `EVEN` of their median by area, and a `TOKEN` of it where nothing is seen."""
    order = np.argsort(density[seen], kind="stable")
    weight = np.cumsum(areas[seen][order])
    median = density[seen][order][np.searchsorted(weight, weight[-1] / 2)]
    return np.where(seen, np.clip(density, EVEN[0] * median, EVEN[1] * median), TOKEN * median)
