"""Borders between regions straightened: faces change sides where that shortens the seam more than it hurts the fit."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Int32
from numba import njit

from neuraltexgen.unwrap.fast.merge import STEEP, STEEP_COST
from neuraltexgen.unwrap.fast.topology import Surface


class _Costs(NamedTuple):
    """What a label costs a face: `price` per length of border, `steep_cost` per area where its cosine is below `steep`.

    They go to the kernels as arguments, because numba keeps compiled code when a constant in another file changes.
    """

    price: float
    steep: float
    steep_cost: float


def straighten(surface: Surface, labels: Int32[np.ndarray, " f"], price: float, sweeps: int) -> Int32[np.ndarray, " f"]:
    """Labels after up to `sweeps` passes over the faces on borders, each face taking its neighbours' cheapest label.

    A label costs a face its area times (1 - cosine to the region's mean normal), more where it is steep there (see
    `merge`), and `price` per length of border.
    Regions may fall apart by this: see `connected`.
    """
    labels = labels.copy()
    _sweep(surface, labels, _Costs(price, STEEP, STEEP_COST), sweeps)
    return labels


def connected(surface: Surface, labels: Int32[np.ndarray, " f"]) -> Int32[np.ndarray, " f"]:
    """A label of its own for each piece of a region that hangs together across edges, numbered as faces come."""
    return _pieces(surface.neighbours, labels)


@njit(cache=True)
@no_type_check
def _sweep(surface, labels, costs, sweeps):
    areas, smooth = surface.areas, surface.smooth
    sums = np.zeros((labels.max() + 1, 3))
    for face in range(len(labels)):
        sums[labels[face]] += areas[face] * smooth[face]
    for _ in range(sweeps):
        moved = 0
        for face in range(len(labels)):
            if _at_border(surface.neighbours, labels, face):
                mine, best = labels[face], _cheapest(surface, labels, sums, costs, face)
                if best != mine:
                    sums[mine] -= areas[face] * smooth[face]
                    sums[best] += areas[face] * smooth[face]
                    labels[face] = best
                    moved += 1
        if moved == 0:
            break


@njit(cache=True)
@no_type_check
def _at_border(neighbours, labels, face):
    for k in range(3):
        other = neighbours[face, k]
        if other >= 0 and labels[other // 3] != labels[face]:
            return True
    return False


@njit(cache=True)
@no_type_check
def _cheapest(surface, labels, sums, costs, face):
    """The label, of the face's own and its neighbours', that costs it least."""
    neighbours = surface.neighbours
    best, least = labels[face], np.inf
    for k in range(-1, 3):
        if k >= 0 and neighbours[face, k] < 0:
            continue
        label = labels[face] if k < 0 else labels[neighbours[face, k] // 3]
        size = np.sqrt((sums[label] ** 2).sum())
        cosine = (sums[label] * surface.smooth[face]).sum() / size if size > 0 else 1.0
        cost = surface.areas[face] * (1.0 - cosine + (costs.steep_cost if cosine < costs.steep else 0.0))
        for j in range(3):
            if neighbours[face, j] >= 0 and labels[neighbours[face, j] // 3] != label:
                cost += costs.price * surface.lengths[face, j]
        if cost < least - 1e-15:
            best, least = label, cost
    return best


@njit(cache=True)
@no_type_check
def _pieces(neighbours, labels):
    result = np.full(len(labels), -1, np.int32)
    stack = np.empty(len(labels), np.int32)
    used = 0
    for seed in range(len(labels)):
        if result[seed] >= 0:
            continue
        result[seed] = used
        stack[0] = seed
        top = 1
        while top > 0:
            top -= 1
            face = stack[top]
            for k in range(3):
                other = neighbours[face, k] // 3
                if neighbours[face, k] >= 0 and result[other] < 0 and labels[other] == labels[face]:
                    result[other] = used
                    stack[top] = other
                    top += 1
        used += 1
    return result
