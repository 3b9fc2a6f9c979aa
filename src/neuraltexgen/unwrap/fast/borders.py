"""Borders between regions straightened: faces change sides where that shortens the seam more than it hurts the fit."""

from typing import no_type_check

import numpy as np
from jaxtyping import Int32
from numba import njit

from neuraltexgen.unwrap.fast.merge import STEEP, STEEP_COST
from neuraltexgen.unwrap.fast.topology import Surface


def straighten(surface: Surface, labels: Int32[np.ndarray, " f"], price: float, sweeps: int) -> Int32[np.ndarray, " f"]:
    """Labels after up to `sweeps` passes over the faces on borders, each face taking its neighbours' cheapest label.

    A label costs a face its area times (1 - cosine to the region's mean normal), more where it is steep there (see
    `merge`), and `price` per length of border.
    Regions may fall apart by this: see `connected`.
    """
    labels = labels.copy()
    _sweep(labels, surface.neighbours, surface.lengths, surface.areas, surface.smooth, price, sweeps, STEEP, STEEP_COST)
    return labels


def connected(surface: Surface, labels: Int32[np.ndarray, " f"]) -> Int32[np.ndarray, " f"]:
    """A label of its own for each piece of a region that hangs together across edges, numbered as faces come."""
    return _pieces(surface.neighbours, labels)


@njit(cache=True)
@no_type_check
def _sweep(labels, neighbours, lengths, areas, smooth, price, sweeps, steep, steep_cost):
    count = labels.max() + 1
    sums = np.zeros((count, 3))
    for face in range(len(labels)):
        sums[labels[face]] += areas[face] * smooth[face]
    for _ in range(sweeps):
        moved = 0
        for face in range(len(labels)):
            mine = labels[face]
            border = False
            for k in range(3):
                other = neighbours[face, k]
                border |= other >= 0 and labels[other // 3] != mine
            if border:
                best = _cheapest(face, labels, neighbours, lengths, areas, smooth, sums, price, steep, steep_cost)
                if best != mine:
                    sums[mine] -= areas[face] * smooth[face]
                    sums[best] += areas[face] * smooth[face]
                    labels[face] = best
                    moved += 1
        if moved == 0:
            break


@njit(cache=True)
@no_type_check
def _cheapest(face, labels, neighbours, lengths, areas, smooth, sums, price, steep, steep_cost):
    best, least = labels[face], np.inf
    for k in range(-1, 3):
        if k >= 0 and neighbours[face, k] < 0:
            continue
        label = labels[face] if k < 0 else labels[neighbours[face, k] // 3]
        size = np.sqrt((sums[label] ** 2).sum())
        cosine = (sums[label] * smooth[face]).sum() / size if size > 0 else 1.0
        cost = areas[face] * (1.0 - cosine + (steep_cost if cosine < steep else 0.0))
        for j in range(3):
            if neighbours[face, j] >= 0 and labels[neighbours[face, j] // 3] != label:
                cost += price * lengths[face, j]
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
