"""Exposures and fall-off of a capture: looked for in a few pixels of each photo, kept where the photos show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from neuraltexgen.equalise.pairs import Pairs, pairs_of
from neuraltexgen.equalise.solve import Exposures, solve_exposures
from neuraltexgen.equalise.stated import expected_gains, light_of_stop
from neuraltexgen.fall_off import Correction, FallOff
from neuraltexgen.glimpses import glimpse_of, stride_for
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

TERMS = 3
"""Coefficients of a fall-off: r², r⁴, r⁶."""

WORTH, DARKER = 0.9, 0.97
"""A fall-off is kept if what photos still differ by is at most this share of what it is without one, and corners get at
most this share of the centre's values."""

BRIGHTER = 1.05
"""A photo whose mean gain is beyond this one has others beside it in which less is clipped."""


@dataclass(frozen=True, eq=False)
class Equalised:
    """Per photo and channel gain and offset: a photo shows gain x fall-off x texture + offset, gains average 1, offsets
    0. `fall_offs`: per size (height, width) of photos the fall-off of their camera; empty where photos show none.
    `of_stop`: by how much a value's logarithm grows with a stop of EXIF's exposure; None where that told nothing.
    """

    gains: Float32[np.ndarray, "v c"]
    offsets: Float32[np.ndarray, "v c"]
    fall_offs: Mapping[tuple[int, int], FallOff]
    of_stop: float | None = None


@one_torch_thread()
def find_exposures(views: Views, fall_off: bool, progress: Progress = no_progress) -> Equalised:
    """The exposures on which the photos agree best, where they show one surface; deterministic.

    `fall_off`: look for the lens's too. Photos of one size are taken to be one camera's.
    """
    glimpses, footprints, sizes, stops = [], [], [], []
    stride = stride_for(*views[0].trust.shape)
    for _, view in progress(views.stream(range(len(views))), "exposures", len(views)):
        glimpses.append(glimpse_of(view, stride))
        footprints.append(view.footprint)
        sizes.append((view.trust.shape[0], view.trust.shape[1]))
        stops.append(view.stops)
    seen = [footprint for footprint in footprints if footprint > 0]
    pairs = pairs_of(glimpses, stride, float(np.median(seen)) if seen else 1.0)
    kinds = sorted(set(sizes))
    groups = np.array([kinds.index(size) for size in sizes])
    of_stop = light_of_stop(pairs, np.array(stops))
    expected = None if of_stop is None else expected_gains(np.array(stops), of_stop)
    found = settle_exposures(pairs, groups, fall_off, expected)
    fall_offs = {}
    if found.fall_off.size:
        fall_offs = {size: FallOff(tuple(row.tolist())) for size, row in zip(kinds, found.fall_off, strict=True)}
    return Equalised(found.gains.astype(np.float32), found.offsets.astype(np.float32), fall_offs, of_stop)


def settle_exposures(
    pairs: Pairs, groups: Int64[np.ndarray, " v"], fall_off: bool, expected: Float64[np.ndarray, " v"] | None = None
) -> Exposures:
    """The exposures on which pairs agree best, with a fall-off where that is worth it; see `solve_exposures`."""
    found = solve_exposures(pairs, groups, 0, expected)
    if not fall_off:
        return found
    falling = solve_exposures(pairs, groups, TERMS, expected)
    darkest = min(FallOff(tuple(row.tolist())).corner for row in falling.fall_off)
    return falling if falling.left < WORTH * found.left and darkest < DARKER else found


def corrections(found: Equalised, views: Views, fitted: list[int]) -> dict[Path, Correction]:
    """What is put right in which of all photos; those at `fitted`, in turn, have the exposures found."""
    bright = dict(zip(fitted, (found.gains.mean(axis=1) > BRIGHTER).tolist(), strict=True))
    result = {}
    for index, path in enumerate(views.files):
        shape = views[index].trust.shape if found.fall_offs else (0, 0)
        correction = Correction(found.fall_offs.get((shape[0], shape[1]), FallOff(())), bright.get(index, False))
        if correction != Correction():
            result[path] = correction
    return result
