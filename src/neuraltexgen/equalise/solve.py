"""Exposures of all photos at once, the fall-off of light in them, and the curve of the camera's response, from pairs of
photos that show one patch.

A photo, straightened by its curve, shows gain x fall-off x albedo + offset. So (straight - offset) / (gain x fall-off),
the photo as all would show it, must be one value in both photos of a pair. With 1 / gain and -offset / gain for
unknowns that is linear, and in the curve's coefficients too. Pairs weigh robustly, by how far the two are apart in
units of the photos' values, so that noise in one pulls no gain. The albedo is no unknown. Source of the idea: Goldman
and Chen, Vignette and exposure calibration and compensation, 2005.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.kernels.cpu.patches import add_normal
from neuraltexgen.response import bend_slopes, bends, rising

ROUNDS, LATE = 12, 4
"""Rounds of reweighted least squares; the last ones give up what disagrees (Geman and McClure's weight), those before
only temper it (the pseudo-Huber loss's), since a photo that is still far off must not lose all its pairs."""

WIDEST, ORDINARY, LEAST = 0.25, 3.0, 0.004
"""Difference of a pair, in values of a photo, at which it counts less: WIDEST in the first round, half of it in each
next one, but never less than ORDINARY times the median difference, nor than LEAST."""

EARLY_PAIRS, LATE_PAIRS = 50_000, 200_000
"""Pairs that the first and the last rounds look at, at the most. On the calibrated RGB-D room, of whose 600,000 pairs
200,000 were drawn, gains moved by a thousandth (median), the least certain one by nine."""

GAIN_PRIOR, OFFSET_PRIOR = 5.0, 5.0
"""How strongly 1 / gain holds to what is expected of it and the offset to 0: these times the squared median difference,
as a share of the weight of a photo's pairs. The less photos agree, the more the prior says; where they agree it says
nothing."""

FALL_OFF_PRIOR, RESPONSE_PRIOR = 1e-5, 1e-5
"""How strongly the coefficients of fall-off and curve hold to 0, as a share of all weight."""

GAUGE = 100.0
"""Weight, beside a photo's, of 1 / gain being 1 and offsets being 0 on average."""

SMALLEST, LARGEST = 0.05, 20.0
"""Bounds of 1 / gain."""

TINY = 1e-9
"""Weight with which everything holds to where it is: enough where nothing else is said."""

SIGN = np.array([1.0, -1.0])
"""Of the two photos of a pair, in their difference."""


@dataclass(frozen=True, eq=False)
class Exposures:
    """Per photo and channel gain and offset, gains averaging 1 and offsets 0; per group of photos the fall-off's
    coefficients (`fall_off.FallOff`), and the curve's (`response.Response`). `left`: what pairs still differ by, the
    mean of their robust loss."""

    gains: Float64[np.ndarray, "v c"]
    offsets: Float64[np.ndarray, "v c"]
    fall_off: Float64[np.ndarray, "g k"]
    response: Float64[np.ndarray, "g r"]
    left: float


class Terms(NamedTuple):
    """Coefficients that a fall-off and a response curve have; 0: there is none."""

    fall_off: int = 0
    response: int = 0


NO_TERMS = Terms()


def solve_exposures(
    pairs: Pairs,
    groups: Int64[np.ndarray, " v"],
    terms: Terms = NO_TERMS,
    expected: Float64[np.ndarray, " v"] | None = None,
) -> Exposures:
    """The exposures on which pairs agree best. `groups`: per photo the number of its group, whose fall-off and curve it
    shares. `expected`: gains that photos have where pairs tell little, 1 if not given. Photos without pairs have these,
    and offset 0.
    """
    likely = np.ones(len(groups)) if expected is None else 1 / expected
    scale, early = 2 * WIDEST, _System(_thinned(pairs, EARLY_PAIRS), groups, terms, likely / likely.mean())
    for _ in range(ROUNDS - LATE):
        scale = early.one_round(scale, late=False)
    system = _System(_thinned(pairs, LATE_PAIRS), groups, terms, early.likely, early)
    for _ in range(LATE):
        scale = system.one_round(scale, late=True)
    return system.result(scale)


class _Differences(NamedTuple):
    """Of each pair: both photos' values straightened, and as all would show them, 1 / fall-off, how strongly noise of a
    photo's values shows in the difference (squared), and the difference in values of a photo, over all channels."""

    straight: Float64[np.ndarray, "n 2 c"]
    even: Float64[np.ndarray, "n 2 c"]
    lift: Float64[np.ndarray, "n 2 1"]
    noise: Float64[np.ndarray, "n c"]
    size: Float64[np.ndarray, " n"]


class _System:
    """The unknowns so far: 1 / gain and -offset / gain per photo and channel, and the shared ones, the coefficients of
    the fall-offs and of the curves."""

    def __init__(
        self,
        pairs: Pairs,
        groups: Int64[np.ndarray, " v"],
        terms: Terms,
        likely: Float64[np.ndarray, " v"],
        before: "_System | None" = None,
    ) -> None:
        """`likely`: what 1 / gain is held to, 1 on average. `before`: whose unknowns to go on with."""
        self.pairs, self.photos, self.channels = pairs, len(groups), pairs.shown.shape[2]
        self.ends = np.stack((pairs.first, pairs.second), axis=1)
        self.likely = likely
        self.inverse = np.repeat(likely[:, None], self.channels, axis=1)
        self.shift = np.zeros((self.photos, self.channels))
        self.fall_off = np.zeros((int(groups.max()) + 1, terms.fall_off))
        self.response = np.zeros((int(groups.max()) + 1, terms.response))
        self.weight = np.bincount(self.ends.reshape(-1), np.repeat(pairs.weight, 2), self.photos)
        self.group = groups[self.ends]
        powers = pairs.radius[..., None] ** np.arange(1, terms.fall_off + 1)
        self.basis = np.stack([self._of_groups(powers[:, end], end) for end in range(2)], axis=1)
        shape = (terms.response, *pairs.shown.shape)
        self.bends = np.array(bends(pairs.shown, terms.response)).reshape(shape)
        self.slopes = np.array(bend_slopes(pairs.shown, terms.response)).reshape(shape)
        if before is not None:
            self.inverse, self.shift = before.inverse, before.shift
            self.fall_off, self.response = before.fall_off, before.response

    def _of_groups(self, terms: Float64[np.ndarray, "n k"], end: int) -> Float64[np.ndarray, "n gk"]:
        """Terms of each pair's photo `end`, among those of all groups."""
        result = np.zeros((len(terms), len(self.fall_off), terms.shape[1]))
        result[np.arange(len(terms)), self.group[:, end]] = terms
        return result.reshape(len(terms), result.shape[1] * result.shape[2])

    def differences(self) -> "_Differences":
        """Both photos' values as all would show them, and how far they are apart."""
        lift = np.exp(-self.basis @ self.fall_off.reshape(-1))[..., None]
        own = self.response[self.group].transpose(2, 0, 1)[..., None]
        straight = self.pairs.shown + (own * self.bends).sum(axis=0)
        slope = 1 + (own * self.slopes).sum(axis=0)
        even = (self.inverse[self.ends] * straight + self.shift[self.ends]) * lift
        noise = ((self.inverse[self.ends] * lift * slope) ** 2).sum(axis=1)
        size = np.sqrt(((even[:, 0] - even[:, 1]) ** 2 / noise).mean(axis=1))
        return _Differences(straight, even, lift, noise, size)

    def one_round(self, scale: float, late: bool) -> float:
        """Weighs the pairs anew and solves; returns the scale of a difference that counted less."""
        found = self.differences()
        median = weighted_median(found.size, self.pairs.weight)
        scale = max(scale / 2, ORDINARY * median, LEAST)
        weight = self.pairs.weight * (1 + (found.size / scale) ** 2) ** (-2.0 if late else -0.5)
        now = np.concatenate((self.fall_off.reshape(-1), self.response.reshape(-1)))
        held = np.repeat((FALL_OFF_PRIOR, RESPONSE_PRIOR), (self.fall_off.size, self.response.size))
        held = held * self.pairs.weight.sum() + TINY
        shared = np.diag(held), -held * now
        sides = [self._eliminated(channel, found, weight, median, shared) for channel in range(self.channels)]
        step = np.linalg.solve(*shared) if len(now) else now
        for channel, side in enumerate(sides):
            own = side[:, 0] - side[:, 1:] @ step
            self.inverse[:, channel] += own[: self.photos]
            self.shift[:, channel] += own[self.photos :]
        self.inverse = self.inverse.clip(SMALLEST, LARGEST)
        self.fall_off = (now + step)[: self.fall_off.size].reshape(self.fall_off.shape)
        bent = (now + step)[self.fall_off.size :].reshape(self.response.shape)
        self.response = np.array([rising(own) for own in bent])
        return scale

    def _eliminated(
        self,
        channel: int,
        found: "_Differences",
        weight: Float64[np.ndarray, " n"],
        median: float,
        shared: tuple[Float64[np.ndarray, "q q"], Float64[np.ndarray, " q"]],
    ) -> Float64[np.ndarray, "m q1"]:
        """A channel's own unknowns: the step without the shared ones, and by how much each of these takes from it.

        What the channel says of the shared unknowns, its own eliminated, is added to `shared`.
        """
        matrix, right = self._held(channel, median)
        coupling = np.zeros((len(matrix), len(shared[1])))
        lift, even = SIGN * found.lift[..., 0], SIGN * found.even[..., channel]
        jacobian = np.concatenate((lift * found.straight[..., channel], lift), axis=1)
        bent = lift * self.inverse[self.ends, channel] * self.bends[..., channel]
        curves = sum(self._of_groups(bent[..., end].T, end) for end in range(2))
        slopes = np.concatenate((-np.einsum("ne,neq->nq", even, self.basis), curves), axis=1)
        ends = np.concatenate((self.ends, self.ends + self.photos), axis=1)
        weight = weight / found.noise[:, channel]
        add_normal(ends, jacobian, slopes, weight, even.sum(axis=1), matrix, coupling, shared[0], right, shared[1])
        solved = np.linalg.solve(matrix, np.column_stack((right, coupling)))
        shared[0][...] -= coupling.T @ solved[:, 1:]
        shared[1][...] -= coupling.T @ solved[:, 0]
        return solved

    def _held(self, channel: int, median: float) -> tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, " m"]]:
        """What holds a channel's unknowns: the prior, and the gauge."""
        photos, floor = self.photos, TINY + 1e-6 * self.weight.mean()
        given = np.concatenate((self.inverse[:, channel] - self.likely, self.shift[:, channel]))
        prior = np.concatenate((GAIN_PRIOR * self.weight, OFFSET_PRIOR * self.weight)) * median**2 + floor
        matrix, gauge = np.diag(prior), GAUGE * (self.weight.mean() + TINY) / photos
        right = -prior * given
        for part in (slice(0, photos), slice(photos, 2 * photos)):
            matrix[part, part] += gauge
            right[part] -= gauge * given[part].sum()
        return matrix, right

    def result(self, scale: float) -> Exposures:
        gains, offsets = 1 / self.inverse, -self.shift / self.inverse
        gains /= gains.mean(axis=0)
        squared = self.differences().size ** 2
        left = np.average(squared / (1 + squared / scale**2), weights=self.pairs.weight) if len(squared) else 0.0
        return Exposures(gains, offsets - gains * offsets.mean(axis=0), self.fall_off, self.response, float(left))


def _thinned(pairs: Pairs, most: int) -> Pairs:
    """So many of the pairs at the most, drawn at random; always the same ones of the same pairs."""
    if len(pairs.first) <= most:
        return pairs
    chosen = np.sort(np.random.default_rng(0).permutation(len(pairs.first))[:most])
    return Pairs(*(field[chosen] for field in pairs))


def weighted_median(values: Float64[np.ndarray, " n"], weights: Float64[np.ndarray, " n"]) -> float:
    """The weighted median; 0 of nothing."""
    if len(values) == 0:
        return 0.0
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
