"""Exposures, fall-off and response curve of a capture: looked for in a few pixels of each photo, kept where the photos
show them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from neuraltexgen.equalise.pairs import Pairs, pairs_of
from neuraltexgen.equalise.solve import Exposures, Terms, solve_exposures
from neuraltexgen.equalise.stated import expected_gains, light_of_stop
from neuraltexgen.fall_off import Correction, FallOff
from neuraltexgen.glimpses import glimpse_of, stride_for
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.response import Response
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

TERMS = Terms(fall_off=3, response=2)
"""Coefficients: of r², r⁴ and r⁶; and of an S and of a steeper one."""

WORTH = 0.9
"""A fall-off, or a curve, is kept if what photos still differ by is at most this share of what it is without."""

DARKER, BENT = 0.97, 0.02
"""And if corners get at most DARKER of the centre's values; if the curve moves a value by BENT at the least."""

BRIGHTER = 1.05
"""A photo whose mean gain is beyond this one has others beside it in which less is clipped."""


@dataclass(frozen=True, eq=False)
class Equalised:
    """Per photo and channel gain and offset: a photo, straightened, shows gain x fall-off x texture + offset, gains
    average 1, offsets 0. `fall_offs`, `responses`: per size (height, width) of photos the fall-off of their camera, and
    the curve that straightens them; empty where photos show none. `of_stop`: by how much a value's logarithm grows with
    a stop of EXIF's exposure; None where that told nothing.
    """

    gains: Float32[np.ndarray, "v c"]
    offsets: Float32[np.ndarray, "v c"]
    fall_offs: Mapping[tuple[int, int], FallOff] = field(default_factory=dict)
    responses: Mapping[tuple[int, int], Response] = field(default_factory=dict)
    of_stop: float | None = None


@one_torch_thread()
def find_exposures(views: Views, wanted: Terms = TERMS, progress: Progress = no_progress) -> Equalised:
    """The exposures on which the photos agree best, where they show one surface; deterministic.

    `wanted`: look for these too. Photos of one size are taken to be one camera's.
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
    found = settle_exposures(pairs, groups, wanted, expected)
    return Equalised(
        found.gains.astype(np.float32),
        found.offsets.astype(np.float32),
        dict(zip(kinds, _fall_offs(found), strict=True)) if found.fall_off.size else {},
        dict(zip(kinds, _responses(found), strict=True)) if found.response.size else {},
        of_stop,
    )


def settle_exposures(
    pairs: Pairs,
    groups: Int64[np.ndarray, " v"],
    wanted: Terms,
    expected: Float64[np.ndarray, " v"] | None = None,
) -> Exposures:
    """The exposures on which pairs agree best, with the fall-off and the curve that are wanted, where these are worth
    it; see `solve_exposures`.
    """
    found, terms = solve_exposures(pairs, groups, Terms(), expected), Terms()
    if wanted.fall_off:
        falling = solve_exposures(pairs, groups, terms._replace(fall_off=wanted.fall_off), expected)
        if falling.left < WORTH * found.left and min(own.corner for own in _fall_offs(falling)) < DARKER:
            found, terms = falling, terms._replace(fall_off=wanted.fall_off)
    if wanted.response:
        bent = solve_exposures(pairs, groups, terms._replace(response=wanted.response), expected)
        if bent.left < WORTH * found.left and max(own.bend for own in _responses(bent)) > BENT:
            found = bent
    return found


def _fall_offs(found: Exposures) -> list[FallOff]:
    return [FallOff(tuple(row.tolist())) for row in found.fall_off]


def _responses(found: Exposures) -> list[Response]:
    return [Response(tuple(row.tolist())) for row in found.response]


def corrections(found: Equalised, views: Views, fitted: list[int]) -> dict[Path, Correction]:
    """What is put right in which of all photos; those at `fitted`, in turn, have the exposures found."""
    bright = dict(zip(fitted, (found.gains.mean(axis=1) > BRIGHTER).tolist(), strict=True))
    result = {}
    for index, path in enumerate(views.files):
        height, width = views[index].trust.shape if found.fall_offs or found.responses else (0, 0)
        correction = Correction(
            found.fall_offs.get((height, width), FallOff()),
            found.responses.get((height, width), Response()),
            bright.get(index, False),
        )
        if correction != Correction():
            result[path] = correction
    return result
