"""How bright photos are beside each other where they show one place: gains, offsets, and what lenses take from corners.

They need cameras that are right to a few pixels alone, since photos are compared on a coarse level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from neuraltexgen.equalise.find import TERMS, settle_exposures
from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.refine.looks import Looks

STEPS = (1, 2, 5)
"""How many looks at a place further on, in turn, the ones lie that a look is paired with: near ones, which see it from
alike, and ones from elsewhere."""

FAINT, BRIGHT = 0.01, 0.98
"""Brightness of a coarse pixel below and above which photos may have been clipped: not compared."""


@dataclass(frozen=True, eq=False)
class Brightness:
    """A photo's value is compared as (gain * value + offset) / fall-off: so it is the same in all photos.

    `fall_offs`: per view the coefficients of `fall_off.FallOff`, all 0 where the lens has none.
    """

    gains: Float64[np.ndarray, " v"]
    offsets: Float64[np.ndarray, " v"]
    fall_offs: Float64[np.ndarray, "v k"]

    def lifts(
        self, view: Int32[np.ndarray, " n"], squared: Float64[np.ndarray, " n"]
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """1 / fall-off of views where r² (`fall_off.squared_radius`) is `squared`, and its derivative by r²."""
        power, slope = np.zeros_like(squared), np.zeros_like(squared)
        for k, own in enumerate(self.fall_offs.T, start=1):
            power += own[view] * squared**k
            slope += k * own[view] * squared ** (k - 1)
        lift = np.exp(-power)
        return lift, -lift * slope


def even_brightness(views: int) -> Brightness:
    """Photos as they are."""
    return Brightness(np.ones(views), np.zeros(views), np.zeros((views, 0)))


def told_brightness(
    looks: Looks,
    shown: Float64[np.ndarray, " n"],
    squared: Float64[np.ndarray, " n"],
    known: Bool[np.ndarray, " n"],
    kinds: Sequence[tuple[int, int]],
) -> Brightness:
    """The brightness on which looks agree best; offsets average 0.

    shown, squared: each look's value on a coarse level, and r² there; `known`: which of them count. `kinds`: per view
    the size of its photo; photos of one size have one fall-off, which is kept as `equalise` keeps it.
    """
    pairs = _pairs(looks, shown, squared, known & (shown > FAINT) & (shown < BRIGHT))
    sizes = sorted(set(kinds))
    groups = np.array([sizes.index(kind) for kind in kinds], np.int64)
    found = settle_exposures(pairs, groups, TERMS._replace(response=0))
    gains = 1 / found.gains[:, 0]
    offsets = -found.offsets[:, 0] * gains
    return Brightness(gains, offsets - offsets.mean(), found.fall_off[groups])


def _pairs(
    looks: Looks, shown: Float64[np.ndarray, " n"], squared: Float64[np.ndarray, " n"], known: Bool[np.ndarray, " n"]
) -> Pairs:
    """Looks at one place, two by two."""
    number, ends = np.arange(len(looks)), looks.start[looks.place + 1]
    first, second = _joined([(number[number + k < ends], number[number + k < ends] + k) for k in STEPS])
    both = known[first] & known[second]
    ends = np.stack((first[both], second[both]), axis=1)
    views = looks.view[ends].astype(np.int64)
    return Pairs(views[:, 0], views[:, 1], np.ones(len(ends)), shown[ends][..., None], squared[ends])


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
