"""Where the photos are taken from: a walk through the room that sees every surface several times."""

from collections.abc import Sequence
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numba import njit, prange

from neuraltexgen.synthetic.cast import blocked, pack_planes
from neuraltexgen.synthetic.layout import ROOM, Rectangle
from neuraltexgen.synthetic.settings import SyntheticSettings
from neuraltexgen.synthetic.surfaces import corner_points

TRIES = 500
SAMPLES = 2500
FROM_WALLS, FROM_THINGS = 0.4, 0.35
"""Metres that a photographer keeps away from the walls and from the furniture."""
FARTHEST, STEEPEST = 3.6, 55.0


def choose_poses(
    rectangles: Sequence[Rectangle], settings: SyntheticSettings, rng: np.random.Generator
) -> Float64[np.ndarray, "v 4 4"]:
    """cam_from_world of each view. From many hand-held tries the ones that add most to what is seen, one by one."""
    points, normals = _spread_points(rectangles, rng)
    centres, targets = _tries(rectangles, points, max(TRIES, 4 * settings.views), rng)
    rolls = rng.normal(0, 3, len(centres))
    poses = np.stack([_look(*standing) for standing in zip(centres, targets, rolls)])
    tangents = np.tan(np.radians(settings.hfov) / 2) * np.array([1.0, settings.height / settings.width])
    scores = np.zeros((len(poses), len(points)), np.float32)
    _score(pack_planes(rectangles), poses, centres, points, normals, 0.95 * tangents, scores)
    return poses[_tour(poses, centres, _most_seen(scores, settings.views))]


def clear_places(rectangles: Sequence[Rectangle], centres: Float64[np.ndarray, "t 3"]) -> Bool[np.ndarray, " t"]:
    """Whether a place is outside every thing's bounding box, with room to spare."""
    clear = np.ones(len(centres), np.bool_)
    for thing in {rectangle.thing for rectangle in rectangles} - {"room"}:
        corners = np.concatenate([corner_points(rectangle) for rectangle in rectangles if rectangle.thing == thing])
        nearest = np.clip(centres, corners.min(axis=0), corners.max(axis=0))
        clear &= np.linalg.norm(centres - nearest, axis=1) > FROM_THINGS
    return clear


def _spread_points(
    rectangles: Sequence[Rectangle], rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "n 3"], Float64[np.ndarray, "n 3"]]:
    """Points all over the surfaces, and their normals; small things get more than their share of area."""
    weights = np.array([0.02 + np.prod(rectangle.size) for rectangle in rectangles])
    chosen = rng.choice(len(rectangles), SAMPLES, p=weights / weights.sum())
    a, b = rng.random((2, SAMPLES, 1))
    origins, rights, downs, normals = (
        np.array([getattr(rectangle, name) for rectangle in rectangles])[chosen]
        for name in ("origin", "right", "down", "normal")
    )
    return origins + a * rights + b * downs, normals


def _tries(
    rectangles: Sequence[Rectangle], points: Float64[np.ndarray, "n 3"], count: int, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "t 3"], Float64[np.ndarray, "t 3"]]:
    """Places to stand and points to look at: most at eye height, some crouching or with stretched arms."""
    low = np.array([FROM_WALLS, FROM_WALLS, 0.45])
    centres = low + rng.random((40 * count, 3)) * (np.array(ROOM) - low - (FROM_WALLS, FROM_WALLS, 0.4))
    standing = rng.random(len(centres)) < 0.6
    centres[standing, 2] = np.clip(rng.normal(1.5, 0.12, int(standing.sum())), 1.2, 1.8)
    targets = points[rng.integers(len(points), size=len(centres))]
    ahead = targets - centres
    distance = np.linalg.norm(ahead, axis=1)
    level = np.abs(ahead[:, 2]) < np.sin(np.radians(STEEPEST)) * distance
    usable = level & (distance > 0.8) & (distance < FARTHEST) & clear_places(rectangles, centres)
    kept = np.flatnonzero(usable)[:count]
    return centres[kept], targets[kept]


def _look(
    centre: Float64[np.ndarray, "3"], target: Float64[np.ndarray, "3"], roll: float
) -> Float64[np.ndarray, "4 4"]:
    """cam_from_world of a camera at `centre` that looks at `target`, upright but for a roll in degrees."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    pose = np.eye(4)
    pose[:3, :3] = c * right + s * down, c * down - s * right, forward
    pose[:3, 3] = -pose[:3, :3] @ centre
    return pose


def _most_seen(scores: Float32[np.ndarray, "t n"], views: int) -> list[int]:
    """Greedy choice of rows whose sum, through a logarithm, is largest: the fifth look at a point adds little."""
    chosen: list[int] = []
    seen = np.zeros(scores.shape[1])
    for _ in range(views):
        gain = np.log1p(4 * (seen + scores)).sum(axis=1)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        seen += scores[chosen[-1]]
    return chosen


def _tour(poses: Float64[np.ndarray, "t 4 4"], centres: Float64[np.ndarray, "t 3"], chosen: list[int]) -> list[int]:
    """The chosen views in an order that someone could walk: always on to the nearest place and direction."""
    order, left = [chosen[0]], set(chosen[1:])
    while left:
        here = order[-1]
        steps = {
            i: float(np.linalg.norm(centres[i] - centres[here]) + 0.5 * (1 - poses[i, 2, :3] @ poses[here, 2, :3]))
            for i in sorted(left)
        }
        order.append(min(steps, key=lambda i: steps[i]))
        left.remove(order[-1])
    return order


@njit(cache=True, parallel=True)
@no_type_check
def _score(planes, poses, centres, points, normals, tangents, scores):
    """How well each pose sees each point, in [0, 1]: 0 outside the image or hidden, 1 head-on at 1.5 m or nearer."""
    for n in prange(len(poses)):
        o, pose = centres[n], poses[n]
        for k in range(len(points)):
            d = (points[k, 0] - o[0], points[k, 1] - o[1], points[k, 2] - o[2])
            x, y, z = _dot(pose[0], d), _dot(pose[1], d), _dot(pose[2], d)
            distance = np.sqrt(_dot(d, d))
            cosine = -_dot(normals[k], d) / distance
            if z <= 0.3 or abs(x) > tangents[0] * z or abs(y) > tangents[1] * z or cosine < 0.15:
                continue
            if not blocked(planes, o[0], o[1], o[2], d[0], d[1], d[2], 1 - 1e-6):
                scores[n, k] = cosine * min(1.0, (1.5 / distance) ** 2)


@njit(cache=True)
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
