"""Normal equations of photos that should agree at places of the mesh, whose own colours are not known: eliminated."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from neuraltexgen.refine.looks import Looks

VIEW = 7
"""Unknowns of a view: its motion (`motion.moved`), and an offset of its brightness."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """How a look's brightness goes with its view's unknowns, and with the parameters of its lens, padded with 0.

    `lens`: the lens of each look.
    """

    view: Float64[np.ndarray, "n 7"]
    params: Float64[np.ndarray, "n k"]
    lens: Int64[np.ndarray, " n"]


def consensus(
    looks: Looks, brightness: Float64[np.ndarray, " n"], weights: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " p"]:
    """The weighted mean of each place's looks; 0 where all have weight 0."""
    total = np.add.reduceat(weights, looks.start[:-1])
    return np.add.reduceat(weights * brightness, looks.start[:-1]) / np.maximum(total, 1e-300)


def consensus_equations(
    looks: Looks,
    residuals: Float64[np.ndarray, " n"],
    weights: Float64[np.ndarray, " n"],
    by: Slopes,
    size: tuple[int, int],
) -> tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, " m"]]:
    """The sums of w Jᵀ J and w Jᵀ r, the colours of all places eliminated (their Schur complement).

    residuals: brightness less the place's weighted mean. size: how many views and lenses; unknowns are VIEW of each
    view, then k of each lens. Looks of weight 0 may hold no NaN. A place's colour moves along with its looks, so a step
    takes all views at once, and no photo is compared with its own echo.
    """
    views, lenses = size
    base = VIEW * views
    matrix = np.zeros((base + lenses * by.params.shape[1],) * 2)
    gradient = np.zeros(len(matrix))
    arrays = (looks.start, looks.view, by.view, by.params, by.lens, weights, residuals)
    _accumulate(*arrays, np.zeros((lenses, by.params.shape[1])), base, matrix, gradient)
    upper = np.triu(matrix)
    return upper + np.triu(matrix, 1).T, gradient


@njit(cache=True, nogil=True)
@no_type_check
def _accumulate(start, view, by_view, by_params, lens, weights, residuals, sums, base, matrix, vector):
    """Fills the upper half; looks of a place are sorted by view."""
    count, most = sums.shape
    for place in range(len(start) - 1):
        first, last = start[place], start[place + 1]
        total = 0.0
        for n in range(first, last):
            total += weights[n]
        if total <= 0.0:
            continue
        sums[:] = 0.0
        for n in range(first, last):
            own, shared = VIEW * view[n], base + lens[n] * most
            for i in range(VIEW):
                weighted = weights[n] * by_view[n, i]
                vector[own + i] += weighted * residuals[n]
                for j in range(i, VIEW):
                    matrix[own + i, own + j] += weighted * by_view[n, j]
                for j in range(most):
                    matrix[own + i, shared + j] += weighted * by_params[n, j]
            for i in range(most):
                weighted = weights[n] * by_params[n, i]
                sums[lens[n], i] += weighted
                vector[shared + i] += weighted * residuals[n]
                for j in range(i, most):
                    matrix[shared + i, shared + j] += weighted * by_params[n, j]
        for n in range(first, last):
            for i in range(VIEW):
                weighted = weights[n] * by_view[n, i] / total
                if weighted == 0.0:
                    continue
                row = matrix[VIEW * view[n] + i]
                for m in range(n, last):
                    other = VIEW * view[m]
                    for j in range(VIEW):
                        row[other + j] -= weighted * weights[m] * by_view[m, j]
                for c in range(count):
                    for j in range(most):
                        row[base + c * most + j] -= weighted * sums[c, j]
        for c in range(count):
            for i in range(most):
                for d in range(c, count):
                    for j in range(most):
                        matrix[base + c * most + i, base + d * most + j] -= sums[c, i] * sums[d, j] / total
