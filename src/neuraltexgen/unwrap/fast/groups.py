"""Things grouped by their labels: which of them each label has, in their order."""

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True)
@no_type_check
def group(labels, count):
    """Offsets (count + 1) and indices: those of label k are indices[offsets[k] : offsets[k + 1]], rising."""
    offsets = np.zeros(count + 1, np.int64)
    for label in labels:
        offsets[label + 1] += 1
    offsets = np.cumsum(offsets)
    at = offsets[:-1].copy()
    indices = np.empty(len(labels), np.int64)
    for k in range(len(labels)):
        indices[at[labels[k]]] = k
        at[labels[k]] += 1
    return offsets, indices
