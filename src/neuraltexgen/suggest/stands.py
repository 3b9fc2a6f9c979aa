"""Cameras that could be set up to look at little-known places: in free space that the capture's cameras see."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from neuraltexgen.scene import View
from neuraltexgen.suggest.known import Survey, centres_of
from neuraltexgen.types import Points, Pose

Centres = Float64[np.ndarray, "c 3"]

TARGETS = 100
"""Places that are aimed at."""

CENTRES = 64
"""Cameras of the capture whose standpoints are known to be free."""

TILT = np.radians(35)
"""How far off its normal a place is also looked at, to four sides."""

FREE, TOO_NEAR = 0.7, 0.25
"""Of the free way from a place how much is used, at most; nearer than this share of the usual distance is not tried."""

HEADROOM = 0.1
"""Of the usual distance, how far above and below all of the capture's cameras a standpoint may be: whoever took the
photos, on foot or flying, gets as high as they got."""

SAME_PLACE = 2
"""Cameras of the capture, the nearest that have a target in sight, that are also tried turned towards it."""


def standing_poses(survey: Survey, views: Sequence[View]) -> list[Pose]:
    """Poses (cam_from_world) from which places that little is known of can be looked at. The same every time."""
    targets = _targets(survey)
    centres = centres_of(views, CENTRES)
    up = _mean_up(views)
    heights = centres @ up
    low, high = heights.min() - HEADROOM * survey.distance, heights.max() + HEADROOM * survey.distance
    result = []
    for target in targets.tolist():
        normal = _towards(_normal(survey, target), centres.mean(axis=0) - survey.places.points[target])
        stands = (*_in_front(survey, target, normal, centres), *_in_sight(survey, target, centres))
        reachable = (centre for centre in stands if low <= centre @ up <= high)
        result += [look_at(centre, survey.places.points[target], up) for centre in reachable]
    return result


def look_at(centre: Float64[np.ndarray, "3"], target: Float64[np.ndarray, "3"], up: Float64[np.ndarray, "3"]) -> Pose:
    """The pose of an upright camera at `centre` that looks at `target`: cam_from_world, OpenCV axes."""
    forward = _unit(target - centre)
    if abs(forward @ up) > 0.98:  # straight up or down: any side may be the upper one
        up = np.eye(3)[np.argmin(np.abs(forward))]
    right = _unit(np.cross(forward, up))
    pose = np.eye(4)
    pose[:3, :3] = right, np.cross(forward, right), forward
    pose[:3, 3] = -pose[:3, :3] @ centre
    return pose


def _targets(survey: Survey) -> Int64[np.ndarray, " t"]:
    """Places by what is left to know of them: those in regions that little is known of come up often."""
    left = np.cumsum(1 / (1 + survey.information) ** 2)
    steps = (np.arange(TARGETS) + 0.5) / TARGETS * left[-1]
    return np.unique(np.searchsorted(left, steps).clip(0, len(left) - 1))


def _in_front(
    survey: Survey, target: int, normal: Float64[np.ndarray, "3"], centres: Centres
) -> list[Float64[np.ndarray, "3"]]:
    """Standpoints at about the usual distance before a place, where there is room and a camera has them in sight."""
    along, across = survey.places.tangents[target]
    sides = (along, across, -along, -across)
    directions = np.array([normal, *(np.cos(TILT) * normal + np.sin(TILT) * side for side in sides)])
    start = survey.places.points[target] + 1e-3 * survey.distance * normal
    room = _way(survey, np.repeat(start[None], len(directions), axis=0), directions)
    length = np.minimum(survey.distance, FREE * room)
    found = start + length[:, None] * directions
    good = (length > TOO_NEAR * survey.distance) & _reached(survey, found, centres)
    return list(found[good])


def _in_sight(survey: Survey, target: int, centres: Centres) -> list[Float64[np.ndarray, "3"]]:
    """The capture's own standpoints that have a place in sight, the nearest ones."""
    point = survey.places.points[target]
    rays = point - centres
    free = _way(survey, centres, rays) > 1 - 1e-3
    order = np.argsort(np.where(free, np.linalg.norm(rays, axis=1), np.inf), kind="stable")[:SAME_PLACE]
    return [centres[i] for i in order if free[i]]


def _reached(survey: Survey, points: Points, centres: Centres) -> Bool[np.ndarray, " n"]:
    """Whether any of the capture's cameras has each point in sight, so that one can get there."""
    rays = points[:, None] - centres[None]
    origins = np.broadcast_to(centres[None], rays.shape)
    ways = _way(survey, origins.reshape(-1, 3), rays.reshape(-1, 3)).reshape(rays.shape[:2])
    return ways.max(axis=1) > 1


def _way(survey: Survey, origins: Points, directions: Points) -> Float64[np.ndarray, " n"]:
    """How far rays go before they meet the mesh, in lengths of their directions."""
    hits = survey.hits
    local = ((origins - hits.centre) * hits.scale).astype(np.float32)
    return hits.distances(local, (directions * hits.scale).astype(np.float32)).astype(np.float64)


def _normal(survey: Survey, target: int) -> Float64[np.ndarray, "3"]:
    return np.cross(*survey.places.tangents[target])


def _towards(normal: Float64[np.ndarray, "3"], side: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    """The normal, turned to the side where the cameras are: meshes are not always oriented."""
    return normal if normal @ side >= 0 else -normal


def _mean_up(views: Sequence[View]) -> Float64[np.ndarray, "3"]:
    """The cameras' mean upward direction in the world."""
    total = -np.sum([view.cam_from_world[1, :3] for view in views], axis=0)
    return _unit(total) if np.linalg.norm(total) > 1e-6 * len(views) else np.array((0.0, 0.0, 1.0))


def _unit(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    return vector / max(float(np.linalg.norm(vector)), 1e-300)
