"""Large charts that leave much of their rectangle empty cut in halves, because nothing else fills that much room."""

import numpy as np
from jaxtyping import Float64

from neuraltexgen.unwrap.fast.borders import connected
from neuraltexgen.unwrap.fast.layout import Layout, carry, chart_sums
from neuraltexgen.unwrap.fast.orient import orient_charts
from neuraltexgen.unwrap.fast.topology import Surface

LARGE = 0.004
"""Share of the whole area from which a chart counts as large."""

FILL = 0.6
"""Large charts fill at least this share of the smallest rectangle round them."""

ROUNDS = 4


def halve_charts(
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"]
) -> tuple[Layout, Float64[np.ndarray, "q 2"]]:
    """The charts, each upright, large ones that fill too little of their rectangle cut across its longer side.

    Nothing moves but whole charts. After four rounds what still fills little stays.
    """
    for turn in range(ROUNDS + 1):
        places, sizes = orient_charts(places, layout.point_starts)
        areas = chart_sums(layout, surface.areas)
        sparse = (areas > LARGE * areas.sum()) & (areas < FILL * sizes.prod(axis=1))
        if turn == ROUNDS or not sparse.any():
            break
        middle = places[layout.corners, 0].mean(axis=1)
        right = sparse[layout.labels] & (middle > sizes[layout.labels, 0] / 2)
        labels = connected(surface, (2 * layout.labels + right).astype(np.int32))
        layout, places = carry(surface, layout, places, labels)
    return layout, places
