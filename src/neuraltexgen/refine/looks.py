"""Places on the mesh that photos show something at, and which views look at each of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from neuraltexgen.geometry import focal_and_centre, project, transform
from neuraltexgen.refine.pyramids import Pyramid
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.sight import widest_cosine

AROUND = 2.0
"""A look counts only if the surface goes on so many pixels of its level around it: wrong cameras must not move it over
an edge."""

FLAT = 0.004
"""A slope, per pixel of the level, below which a pixel shows nothing: one step of 8 bits."""

OBLIQUE = 0.25
"""Cosine between ray and normal below which a view is not asked: 75 degrees."""

COARSER = 1.8
"""How many times coarser or finer than where a place comes from a view may see it: photos of another sharpness differ
wherever cameras stand."""

FEW = 12
"""Looks at a place at the most, evenly from all views that have it: further ones say the same again."""

HIDDEN = 0.02
"""A view sees a place if what its ray meets is as far away as the place, to this share."""

MARGIN = 3
"""Pixels of a level at the image's border that no place comes from."""


@dataclass(frozen=True, eq=False)
class Looks:
    """`points`: places in the world; `tangents`: two directions across the surface there, at right angles.

    Look n is that of view `view[n]` at place `place[n]`; place k has the looks from `start[k]` to `start[k + 1]`, at
    least two, of views in rising order.
    """

    points: Float64[np.ndarray, "p 3"]
    tangents: Float64[np.ndarray, "p 2 3"]
    start: Int64[np.ndarray, " p1"]
    place: Int64[np.ndarray, " n"]
    view: Int32[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.view)

    def at(self, places: Bool[np.ndarray, " p"]) -> "Looks":
        """The looks at some of the places."""
        counts = np.diff(self.start)[places]
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.repeat(np.arange(len(counts)), counts)
        return Looks(self.points[places], self.tangents[places], start, place, self.view[places[self.place]])


@dataclass(frozen=True, eq=False)
class _Places:
    """World points, normals towards who sees them, and the side of a pixel there."""

    points: np.ndarray
    normals: np.ndarray
    sizes: np.ndarray


def choose_looks(surface: ThroughMesh, rig: Rig, pyramids: list[Pyramid], level: int, count: int) -> Looks:
    """About `count` places, where a level of the photos shows most, and the views that see each as the rig stands.

    Each photo gives the same number: the steepest pixel of each cell of a grid over it. Places at depth edges, seen at
    grazing angles or by one view alone are none.
    """
    each = max(1, count // max(1, len(pyramids)))
    places = _places(surface, rig, pyramids, level, each)
    place, view, pixels = _candidates(rig, places, pyramids, level)
    place, view, pixels = (part[_some_of_each(place)] for part in (place, view, pixels))
    around = np.array([AROUND * pyramid.pixel(level) for pyramid in pyramids])[view]
    hits, good = surface.steady_at(rig, view, pixels, around)
    poses = np.stack(rig.poses)[view]
    away = np.linalg.norm(np.einsum("nij,nj->ni", poses[:, :3, :3], places.points[place]) + poses[:, :3, 3], axis=1)
    good &= np.abs(np.linalg.norm(hits.points, axis=1) - away) < HIDDEN * away
    good[good] = np.bincount(place[good], minlength=len(places.points))[place[good]] >= 2
    used, place = np.unique(place[good], return_inverse=True)
    start = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(used)))]).astype(np.int64)
    return Looks(places.points[used], tangents_of(places.normals[used]), start, place.astype(np.int64), view[good])


def steepest(slope: Float64[np.ndarray, "h w"], count: int) -> Int64[np.ndarray, "n 2"]:
    """The (row, column) of the highest value of each of about `count` equal cells, where that is at least FLAT.

    NaN counts as flat.
    """
    height, width = slope.shape
    side = max(1, int(np.sqrt(height * width / max(1, count))))
    rows, columns = height // side, width // side
    if rows == 0 or columns == 0:
        return np.zeros((0, 2), np.int64)
    cells = np.nan_to_num(slope[: rows * side, : columns * side], nan=-1.0).reshape(rows, side, columns, side)
    cells = cells.swapaxes(1, 2).reshape(rows * columns, side * side)
    best = cells.argmax(axis=1)
    number = np.flatnonzero(cells[np.arange(len(cells)), best] >= FLAT)
    corner = np.stack(np.divmod(number, columns), axis=1) * side
    return (corner + np.stack(np.divmod(best[number], side), axis=1)).astype(np.int64)


def tangents_of(normals: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 2 3"]:
    """Two unit directions at right angles to each unit normal and to each other."""
    aside = np.eye(3)[np.abs(normals).argmin(axis=1)]
    first = np.cross(normals, aside)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(normals, first)], axis=1)


def slopes(image: Float32[np.ndarray, "h w"] | Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """The gradient's length at each pixel by central differences, NaN at the border, where MARGIN has no place."""
    result = np.full(image.shape, np.nan)
    if min(image.shape) > 2 * MARGIN:
        inner = slice(MARGIN, -MARGIN)
        by_y, by_x = np.gradient(image.astype(np.float64))
        result[inner, inner] = np.hypot(by_x, by_y)[inner, inner]
    return result


def _places(surface: ThroughMesh, rig: Rig, pyramids: list[Pyramid], level: int, each: int) -> _Places:
    """The places that the photos give, through the rig's cameras."""
    chosen = [steepest(slopes(pyramid.levels[level]), each) for pyramid in pyramids]
    view = np.repeat(np.arange(len(chosen), dtype=np.int32), [len(rows) for rows in chosen])
    side = np.array([pyramid.pixel(level) for pyramid in pyramids], np.float64)[view]
    pixels = (np.concatenate(chosen)[:, ::-1] + 0.5) * side[:, None]
    hits, good = surface.steady_at(rig, view, pixels, AROUND * side)
    view, points, rays, normals = view[good], hits.points[good], hits.rays[good], hits.normals[good]
    poses = np.stack(rig.poses)[view]
    facing = (normals * rays).sum(axis=1)
    sizes = np.linalg.norm(points, axis=1) / _focal_lengths(rig)[view] / np.sqrt(np.abs(facing))
    world = np.einsum("nij,ni->nj", poses[:, :3, :3], points - poses[:, :3, 3])
    outward = np.einsum("nij,ni->nj", poses[:, :3, :3], -np.sign(facing)[:, None] * normals)
    return _Places(world, outward, sizes)


def _candidates(rig: Rig, places: _Places, pyramids: list[Pyramid], level: int) -> tuple[np.ndarray, ...]:
    """(place, view, image point) wherever a place lies before a view, occlusion aside; by place, then by view."""
    found, focal = [], _focal_lengths(rig)
    for view, pyramid in enumerate(pyramids):
        camera, pose = rig.camera(view), rig.poses[view]
        local = transform(pose, places.points)
        away = np.linalg.norm(local, axis=1)
        cosine = -(local * (places.normals @ pose[:3, :3].T)).sum(axis=1) / np.maximum(away, 1e-30)
        size = away / focal[view] / np.sqrt(np.maximum(cosine, OBLIQUE))
        near = (cosine > OBLIQUE) & (local[:, 2] > widest_cosine(camera) * away)
        near &= (size < COARSER * places.sizes) & (size * COARSER > places.sizes)
        index = np.flatnonzero(near)
        pixels, margin = project(camera, local[index]), AROUND * pyramid.pixel(level)
        with np.errstate(invalid="ignore"):
            inside = np.all((pixels >= margin) & (pixels <= np.array([camera.width, camera.height]) - margin), axis=1)
        found.append((index[inside], np.full(int(inside.sum()), view, np.int32), pixels[inside]))
    place, view, pixels = (np.concatenate([part[k] for part in found]) for k in range(3))
    order = np.lexsort((view, place))
    return place[order], view[order], pixels[order]


def _some_of_each(place: np.ndarray) -> np.ndarray:
    """Which of the candidates, sorted by place, are asked: FEW of a place at evenly spaced turns, begun anywhere."""
    counts = np.bincount(place)
    begin = np.cumsum(counts) - counts
    total = counts[place]
    turn = (np.arange(len(place)) - begin[place] + 7 * place) % total
    few = np.minimum(FEW, total)
    return turn * few // total != (turn - 1) * few // total


def _focal_lengths(rig: Rig) -> Float64[np.ndarray, " v"]:
    """Of each view, in pixels; that of its middle where a lens has none."""
    lengths = [float(np.mean(focal_and_centre(c)[0] or (c.width / (2 * np.pi),))) for c in rig.cameras]
    return np.array(lengths)[list(rig.lens)]
