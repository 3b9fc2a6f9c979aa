"""Which faces make up a chart: regions grown by merging, their borders straightened, twice, before anything is flat."""

import numpy as np
from jaxtyping import Int32

from neuraltexgen.unwrap.fast.borders import connected, straighten
from neuraltexgen.unwrap.fast.merge import Growth, merge_regions
from neuraltexgen.unwrap.fast.topology import Surface

GROWTH = Growth(price=0.003, bend=0.2)
"""Coarse on purpose: what doesn't lie flat is cut out later, where it is, and most charts need no cut."""

SWEEPS = 10
"""Passes over the faces on borders."""


def grow_regions(surface: Surface) -> Int32[np.ndarray, " f"]:
    """A label per face, from 0; each region hangs together across edges and bends little (see `merge.Growth`)."""
    labels = np.arange(len(surface.faces), dtype=np.int32)
    for _ in range(2):
        labels = merge_regions(surface, labels, GROWTH)
        labels = connected(surface, straighten(surface, labels, GROWTH.price, SWEEPS))
    return merge_regions(surface, labels, GROWTH)
