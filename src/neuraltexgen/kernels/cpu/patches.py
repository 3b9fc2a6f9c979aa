"""numba: what photos show of coarse texels, what pairs of them show of one patch, and the normal equations of these."""

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def note_texels(texel, weight, pixels, sums):
    """Adds the pixels of one photo to the coarse texels that they look at.

    texel: (n s), which ones. weight: (n), how much a pixel counts. pixels: (n k), what is averaged. sums: (texels 1+k),
    the weights' sum and the weighted sums.
    """
    for n in range(len(weight)):
        if weight[n] <= 0:
            continue
        for s in range(texel.shape[1]):
            at = texel[n, s]
            sums[at, 0] += weight[n]
            for k in range(pixels.shape[1]):
                sums[at, 1 + k] += weight[n] * pixels[n, k]


@njit(cache=True, nogil=True)
@no_type_check
def compare_patches(own, block, starts, photo, texel, values, most, sums):
    """Adds what a photo and those after it show of the texels that both look at, by the first one's blocks.

    own: (m), this photo's rows. block: (m), their blocks. starts: (texels + 1), where each texel's rows begin.
    photo, texel: (rows), whose they are. values: (rows 1+k), a weight and k means. Of a texel's rows about `most` are
    taken. sums: (blocks photos 1+2k), the weights' sum, those of own and of the other's means.
    """
    means = values.shape[1] - 1
    for m in range(len(own)):
        row = own[m]
        at = texel[row]
        last = starts[at + 1]
        step = (last - starts[at] + most - 1) // most
        for other in range(row + 1, last):
            # It starts elsewhere in each texel, so that no pair of photos is passed over everywhere.
            if (other + at) % step != 0:
                continue
            share = np.sqrt(values[row, 0] * values[other, 0])
            into = sums[block[m], photo[other]]
            into[0] += share
            for k in range(means):
                into[1 + k] += share * values[row, 1 + k]
                into[1 + means + k] += share * values[other, 1 + k]


@njit(cache=True, nogil=True)
@no_type_check
def add_normal(ends, jacobian, slopes, weight, left, matrix, coupling, shared, right, right_shared):
    """Adds one channel's pairs to the normal equations of `equalise.solve`.

    ends: (n 4), the unknowns that a pair depends on. jacobian: (n 4). slopes: (n q), in the unknowns that all share.
    weight, left: (n), of a pair, and its residual. matrix (m m), coupling (m q), shared (q q), right (m) and
    right_shared (q) are added to.
    """
    for n in range(len(weight)):
        for i in range(4):
            a, scaled = ends[n, i], weight[n] * jacobian[n, i]
            right[a] -= scaled * left[n]
            for j in range(4):
                matrix[a, ends[n, j]] += scaled * jacobian[n, j]
            for q in range(slopes.shape[1]):
                coupling[a, q] += scaled * slopes[n, q]
        for q in range(slopes.shape[1]):
            right_shared[q] -= weight[n] * slopes[n, q] * left[n]
            for k in range(slopes.shape[1]):
                shared[q, k] += weight[n] * slopes[n, q] * slopes[n, k]
