"""The sparse points as a cloud with normals: the last resort for a surface, and a poor one."""

import numpy as np

from neuraltexgen.reconstruct.cloud import Cloud
from neuraltexgen.reconstruct.sparse import SparseModel

NEAREST = 12
"""Points that a normal is fitted to."""

AT_ONCE = 1024
"""Points whose neighbours are searched together: bounds the memory."""

WORST_ERROR = 1.5
"""Pixels: points that lie farther off their photos are not used."""

OUTLIER = 6.0
"""Points whose neighbours are this many times farther away than usual are not used."""


def sparse_cloud(model: SparseModel) -> tuple[Cloud, float]:
    """Points with the normals of planes through their nearest ones, facing the cameras; and their usual distance.

    The distance is 0 where there are fewer than 12 points to take it from; the cloud is then empty.
    """
    good = (model.errors <= WORST_ERROR) & (model.track_lengths >= 3)
    points, colours = model.points[good], model.colours[good]
    if len(points) <= NEAREST:
        return Cloud(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), np.uint8)), 0.0
    normals, distances = np.empty_like(points), np.empty(len(points))
    squares = (points**2).sum(axis=1)
    for at in range(0, len(points), AT_ONCE):
        block = points[at : at + AT_ONCE]
        away = squares[None] - 2 * block @ points.T
        near = np.argpartition(away, NEAREST, axis=1)[:, : NEAREST + 1]
        around = points[near]
        _, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", *(2 * [around - around.mean(axis=1, keepdims=True)])))
        normals[at : at + AT_ONCE] = vectors[:, :, 0]
        distances[at : at + AT_ONCE] = np.median(np.linalg.norm(around - block[:, None], axis=2), axis=1)
    towards = _mean_rays(model)[good]
    normals *= np.where((normals * towards).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    usual = float(np.median(distances))
    kept = distances < OUTLIER * usual
    return Cloud(points[kept], normals[kept], colours[kept]), usual


def _mean_rays(model: SparseModel) -> np.ndarray:
    """From each point, the mean of the unit directions to the cameras that saw it."""
    views, points = model.observations.T
    rays = model.centres[views] - model.points[points]
    rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
    return np.stack([np.bincount(points, weights=rays[:, i], minlength=len(model.points)) for i in range(3)], axis=1)
