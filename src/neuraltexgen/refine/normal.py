"""Normal equations of residuals that know a few unknowns each: two poses and the lenses they are seen through."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numba import njit

from neuraltexgen.refine.through_mesh import Derivatives


@dataclass(frozen=True, eq=False)
class Columns:
    """Which unknown is which column: six of each view, then those of each camera, padded; `count` where none may move.

    The column `count`, beyond the last unknown, takes what belongs to nothing free and is cut off.
    """

    views: Int64[np.ndarray, "v 6"]
    lenses: Int64[np.ndarray, "l k"]
    count: int


def normal_equations(
    columns: Columns,
    views: tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " n"]],
    lens: Int64[np.ndarray, " v"],
    residuals: Float64[np.ndarray, "n 2"],
    weights: Float64[np.ndarray, " n"],
    by: Derivatives,
) -> tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, " m"]]:
    """The sums of w Jᵀ J and of w Jᵀ r over residuals; those of weight 0 may hold anything. `views`: source, target."""
    matrix, gradient = np.zeros((columns.count + 1,) * 2), np.zeros(columns.count + 1)
    jacobians = by.source, by.target, by.source_lens, by.target_lens
    _accumulate(*views, lens, residuals, weights, *jacobians, columns.views, columns.lenses, matrix, gradient)
    return matrix[:-1, :-1], gradient[:-1]


@njit(cache=True, nogil=True)
@no_type_check
def _accumulate(
    a, b, lens, residuals, weights, source, target, source_lens, target_lens, views, lenses, matrix, vector
):
    most = source_lens.shape[2]
    at = np.empty(12 + 2 * most, np.int64)
    row = np.empty(12 + 2 * most)
    for n in range(len(a)):
        if weights[n] == 0.0:
            continue
        shared = lens[a[n]] == lens[b[n]]
        used = 12 + most if shared else 12 + 2 * most
        at[:6], at[6:12], at[12 : 12 + most] = views[a[n]], views[b[n]], lenses[lens[a[n]]]
        at[12 + most :] = lenses[lens[b[n]]]
        for d in range(2):
            row[:6], row[6:12], row[12 : 12 + most] = source[n, d], target[n, d], source_lens[n, d]
            if shared:
                row[12 : 12 + most] += target_lens[n, d]
            else:
                row[12 + most :] = target_lens[n, d]
            for i in range(used):
                weighted = weights[n] * row[i]
                vector[at[i]] += weighted * residuals[n, d]
                for j in range(used):
                    matrix[at[i], at[j]] += weighted * row[j]
