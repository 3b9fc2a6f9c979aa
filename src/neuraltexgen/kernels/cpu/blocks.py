"""The runs of blocks (see `kernels.blocks`) that numba kernels go through."""

from typing import no_type_check

from numba import njit

HIGH, WIDE = 8, 32
"""Rows and columns of a block, in texels."""


@njit(error_model="numpy")
@no_type_check
def next_run(blocks, row, start):
    """The next columns of blocks that are marked, from `start` on: (first, end), first = end where there is none."""
    count = blocks.shape[1]
    while start < count and blocks[row, start] == 0:
        start += 1
    end = start
    while end < count and blocks[row, end] != 0:
        end += 1
    return start, end
