"""numba twin that notes which texels a photo looks at, at a cost that goes with its pixels and not with the texture."""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.kernels.cpu.packed import tap


def note_looks(
    low: np.ndarray, high: np.ndarray, trust: np.ndarray, number: int, latest: np.ndarray, shared: np.ndarray
) -> None:
    """Writes `number`, which is above 0, into the texels of `latest` (H W) that a photo's pixels with trust look at.

    `shared` (H W) becomes 1 where another photo's number stood. A texel whose share in a lookup is 0 is not looked at.
    """
    _note(low, high, trust, np.int32(number), latest, shared)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _note(low, high, trust, number, latest, shared):
    height, width = latest.shape
    for row in range(trust.shape[0]):
        for col in range(trust.shape[1]):
            if trust[row, col] == 0:
                continue
            for sample in range(high.shape[2]):
                upper = np.int32(high[row, col, sample])
                u = np.int32(low[row, col, sample, 0]) | (upper >> np.int32(4)) << np.int32(16)
                v = np.int32(low[row, col, sample, 1]) | (upper & np.int32(15)) << np.int32(16)
                x, right = tap(u, width)
                y, down = tap(v, height)
                for dy in range(1 + (down > 0)):
                    for dx in range(1 + (right > 0)):
                        # A share of 1 leaves nothing for the first texel.
                        if (dy == 0 and down == 1) or (dx == 0 and right == 1):
                            continue
                        before = latest[y + dy, x + dx]
                        if before != number:
                            latest[y + dy, x + dx] = number
                            if before != 0:
                                shared[y + dy, x + dx] = 1
