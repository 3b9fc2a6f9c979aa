"""Which other views to match a view against."""

import numpy as np
from jaxtyping import Float64

from neuraltexgen.reconstruct.sparse import SparseModel

BEST_ANGLE = 12.0
"""Degrees between two views' rays at which matching is surest: less is imprecise, more looks too different."""

USABLE_ANGLES = (2.0, 40.0)
"""Degrees: pairs whose median angle lies outside are not matched."""

FEWEST_SHARED = 12
"""Points that two views must share."""


def find_neighbours(model: SparseModel, count: int) -> list[tuple[int, ...]]:
    """For each view its `count` best neighbours, best first; fewer, or none, where there are no more usable ones.

    A pair is worth the number of points that both see, each weighted by how near its angle is to `BEST_ANGLE`
    (after Goesele et al., Multi-View Stereo for Community Photo Collections, 2007).
    """
    seen, centres = model.visibility(), model.centres
    rays = model.points[None] - centres[:, None]
    rays /= np.maximum(np.linalg.norm(rays, axis=2, keepdims=True), 1e-12)
    result = []
    for i in range(len(model.views)):
        scores = [_pair_score(rays[i], rays[j], seen[i] & seen[j]) if i != j else 0.0 for j in range(len(centres))]
        order = np.argsort(-np.array(scores), kind="stable")[:count]
        result.append(tuple(int(j) for j in order if scores[j] > 0))
    return result


def ray_angles(
    centre: Float64[np.ndarray, "3"], other: Float64[np.ndarray, "3"], points: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, " n"]:
    """Degrees between the rays from two places to each point; 0 for a point at one of the places."""
    a, b = points - centre, points - other
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.divide((a * b).sum(axis=1), lengths, out=np.ones(len(points)), where=lengths > 0)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def _pair_score(rays: np.ndarray, others: np.ndarray, shared: np.ndarray) -> float:
    if np.count_nonzero(shared) < FEWEST_SHARED:
        return 0.0
    angles = np.degrees(np.arccos(np.clip((rays[shared] * others[shared]).sum(axis=1), -1, 1)))
    if not USABLE_ANGLES[0] <= np.median(angles) <= USABLE_ANGLES[1]:
        return 0.0
    spread = np.where(angles < BEST_ANGLE, 4.0, 10.0)
    return float(np.exp(-0.5 * ((angles - BEST_ANGLE) / spread) ** 2).sum())
