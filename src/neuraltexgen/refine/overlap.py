"""Which views see the same surface, by rays through the mesh: the pairs whose photos are worth matching."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.geometry import project, transform
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.sight import widest_cosine

POINTS = 24_000
"""Places on the surface, over all views, that overlaps are told by."""

NEAREST, SPREAD = 6, 6
"""Partners of each view: those that share most with it, which match best; and of the rest some at even steps of
sharing, which see the surface from elsewhere."""

SHARED = 0.15
"""Views that share less of what they see are no pair."""

SCALE = 3.0
"""How many times further away a place may be in the other view."""


def overlaps(surface: ThroughMesh, rig: Rig, views: Sequence[int]) -> Float64[np.ndarray, "n n"]:
    """Of what each view (row) sees, the share that each (column) has before it, from the same side; occlusion aside."""
    each = max(16, POINTS // max(len(views), 1))
    places = [_places(surface, rig, view, each) for view in views]
    owner = np.repeat(np.arange(len(views)), [len(points) for points, _, _ in places])
    points, normals = (np.concatenate([place[k] for place in places]) for k in (0, 1))
    distance = np.concatenate([place[2] for place in places])
    counts = np.maximum(np.bincount(owner, minlength=len(views)), 1)
    result = np.empty((len(views), len(views)))
    for column, view in enumerate(views):
        seen = _in_sight(rig, view, points, normals, distance)
        result[:, column] = np.bincount(owner, weights=seen, minlength=len(views)) / counts
    return result


def choose_pairs(shares: Float64[np.ndarray, "n n"]) -> Int64[np.ndarray, "p 2"]:
    """Pairs (i, j), i < j, each once: for each view those that share most with it, and some that share less."""
    shared = np.minimum(shares, shares.T)
    np.fill_diagonal(shared, 0.0)
    pairs = []
    for view, row in enumerate(shared):
        order = np.argsort(-row, kind="stable")
        order = order[row[order] > SHARED]
        rest = order[NEAREST:]
        steps = np.unique(np.linspace(0, len(rest) - 1, SPREAD).round().astype(int)) if len(rest) else []
        partners = np.concatenate([order[:NEAREST], rest[steps]]) if len(rest) else order
        pairs.append(np.stack([np.full(len(partners), view), partners], axis=1))
    both = np.sort(np.concatenate([np.zeros((0, 2), np.int64), *pairs]), axis=1)
    return np.unique(both, axis=0).astype(np.int64)


def _places(surface: ThroughMesh, rig: Rig, view: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World points, normals towards the camera and distances of what a grid of about `count` rays of a view meets."""
    camera = rig.camera(view)
    across = max(2, round(np.sqrt(count * camera.width / camera.height)))
    down = max(2, round(count / across))
    x, y = (np.arange(across) + 0.5) / across * camera.width, (np.arange(down) + 0.5) / down * camera.height
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    hits = surface.hits(rig, np.full(len(pixels), view, np.int32), pixels)
    met = hits.faces >= 0
    rotation, shift = rig.poses[view][:3, :3], rig.poses[view][:3, 3]
    facing = np.where((hits.normals * hits.rays).sum(axis=1, keepdims=True) > 0, -hits.normals, hits.normals)
    points, normals = (hits.points[met] - shift) @ rotation, facing[met] @ rotation
    return points, normals, np.linalg.norm(hits.points[met], axis=1)


def _in_sight(rig: Rig, view: int, points: np.ndarray, normals: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Which places a view has before it, on the side that was seen, at a like distance."""
    camera, pose = rig.camera(view), rig.poses[view]
    local = transform(pose, points)
    away = np.linalg.norm(local, axis=1)
    result = (local[:, 2] > widest_cosine(camera) * away) & (away < SCALE * distance) & (away * SCALE > distance)
    result &= (local * (normals @ pose[:3, :3].T)).sum(axis=1) < 0
    index = np.flatnonzero(result)
    pixels = project(camera, local[index])
    with np.errstate(invalid="ignore"):
        inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
    result[index] = inside
    return result
